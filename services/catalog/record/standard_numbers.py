"""The one standard number that a record is looked up by in the tables, when the search engine is down."""

from __future__ import annotations

from services.catalog.analysis import isbn13, issn_of
from services.catalog.marc.fields import Tags, picked

_A = frozenset("a")
_ISSN_DIGITS = 7  # the eighth checks the others, and may be an X


def standard_number_of(tags: Tags) -> int | None:
    """The record's first ISBN as thirteen digits, else its first ISSN as seven; None when it has neither.

    tags  document.headings.by_tag of the record
    """
    for value in picked(tags, "020", _A):
        found = isbn13(value[:24]) or isbn13(value[:24].partition(" ")[0])
        if found:
            return int(found)
    for value in picked(tags, "022", _A):
        issn = issn_of(value[:40])
        if issn:
            return int(issn[:_ISSN_DIGITS])
    return None


def standard_number(text: str) -> int | None:
    """What a typed ISBN or ISSN is looked up as; None when it is neither."""
    isbn = isbn13(text)
    if isbn:
        return int(isbn)
    issn = issn_of(text) if len(text) <= 12 else None
    return int(issn[:_ISSN_DIGITS]) if issn else None
