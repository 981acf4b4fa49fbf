"""Interfaces for other software: OAI-PMH, feeds, sitemaps, OpenSearch, unAPI, COinS, JSON-LD, and records as files."""

from __future__ import annotations

from gateway.partners import daia, feed, files, opensearch, sitemap, sru, unapi
from gateway.partners.oai import routes as oai

MODULES = (daia, files, feed, oai, opensearch, sitemap, sru, unapi)

__all__ = ["MODULES"]
