"""What a MARC record says: to the index (Document), to readers (brief, display, holdings), to the shelves (items)."""

from __future__ import annotations

from services.catalog.document.describing import brief
from services.catalog.document.displaying import display
from services.catalog.document.fields import END, FACETS, KEYWORDS, START, TEXT_FIELDS, Document
from services.catalog.document.indexed import document
from services.catalog.document.itemreading import items_of
from services.catalog.document.items import ANSWERS, STATUSES, ItemFacts, answer, branch_first, holdings

__all__ = [
    "ANSWERS",
    "END",
    "FACETS",
    "KEYWORDS",
    "START",
    "STATUSES",
    "TEXT_FIELDS",
    "Document",
    "ItemFacts",
    "answer",
    "branch_first",
    "brief",
    "display",
    "document",
    "holdings",
    "items_of",
]
