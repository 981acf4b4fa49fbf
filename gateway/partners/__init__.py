"""Interfaces for other software: SRU, OAI-PMH, DAIA, OpenURL, feeds, sitemaps, unAPI, COinS and records as files."""

from __future__ import annotations

from gateway.partners import daia, feed, files, opensearch, openurl, sitemap, sru, unapi
from gateway.partners.oai import routes as oai

MODULES = (daia, files, feed, oai, opensearch, openurl, sitemap, sru, unapi)

__all__ = ["MODULES"]
