"""Finding records: a text in, hits out. One request to the index, one SELECT of the brief records."""

from __future__ import annotations

from services.catalog.searching.counting import Counted, Facet, FacetValue, count_facet
from services.catalog.searching.finding import Found, Hit, search
from services.catalog.searching.helping import Help
from services.catalog.searching.noting import Report, Searched, forget_searches, note_searches, report_searches
from services.catalog.searching.resembling import Similar, similar
from services.catalog.searching.suggesting import Suggestion, suggest

__all__ = [
    "Counted",
    "Facet",
    "FacetValue",
    "Found",
    "Help",
    "Hit",
    "Report",
    "Searched",
    "Similar",
    "Suggestion",
    "count_facet",
    "forget_searches",
    "note_searches",
    "report_searches",
    "search",
    "similar",
    "suggest",
]
