"""Interfaces for other software: feeds, sitemaps, OpenSearch, unAPI, COinS, JSON-LD, and records as files."""

from __future__ import annotations

from gateway.partners import feed, files, opensearch, sitemap, unapi

MODULES = (files, feed, opensearch, sitemap, unapi)

__all__ = ["MODULES"]
