"""Interfaces for other software: feeds, sitemaps, OpenSearch, unAPI, COinS, JSON-LD, and records as files."""

from __future__ import annotations

from gateway.partners import daia, feed, files, opensearch, sitemap, sru, unapi

MODULES = (daia, files, feed, opensearch, sitemap, sru, unapi)

__all__ = ["MODULES"]
