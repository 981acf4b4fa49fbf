"""Browsing: lists of headings, titles and call numbers in order, around a term."""

from __future__ import annotations

from services.catalog.browsing.listing import Browsed, Heading, browse
from services.catalog.browsing.noting import Headings, weed

__all__ = ["Browsed", "Heading", "Headings", "browse", "weed"]
