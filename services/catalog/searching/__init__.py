"""Finding records: a text in, hits out. One request to the index, one SELECT of the brief records."""

from __future__ import annotations

from services.catalog.searching.finding import Facet, FacetValue, Found, Hit, search
from services.catalog.searching.suggesting import Suggestion, suggest

__all__ = ["Facet", "FacetValue", "Found", "Hit", "Suggestion", "search", "suggest"]
