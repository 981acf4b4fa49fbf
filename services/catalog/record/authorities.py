"""Reads authority records (MARC 21 Authority): the form to use, forms not to use, and related headings."""

from __future__ import annotations

from dataclasses import dataclass

from services.catalog.marc.faults import MarcError
from services.catalog.marc.fields import Field, pick
from services.catalog.marc.record import Record
from services.catalog.record.headings import heading_of, name_of, series_heading_of

LONGEST = 200  # characters of a form; the same limit as for facet values
_KINDS = {
    **dict.fromkeys(("00", "10", "11"), "author"),
    "30": "series",
    **dict.fromkeys(("47", "48", "50", "51", "55"), "subject"),
}
_TITLE, _CONTROL = frozenset("t"), frozenset("w")


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority record.

    kind   "author", "subject", "series", or "title" (a name with a title)
    forms  (relation, text): "heading" first, then "see" for forms not to be used, "see_also" for related headings
    """

    kind: str
    heading: str
    forms: tuple[tuple[str, str], ...]


def is_authority(record: Record) -> bool:
    """Tell whether a record is an authority record (leader position 06)."""
    return record.leader[6:7] == "z"


def authority_of(record: Record) -> Authority:
    """Read an authority record. Forms are built like the headings of bibliographic records, so that both match.

    raises  MarcError  AUTHORITY_WITHOUT_HEADING, AUTHORITY_KIND_UNKNOWN
    """
    main = next((field for field in record.fields if field[0][:1] == "1" and len(field) > 2), None)
    if main is None:
        raise MarcError("AUTHORITY_WITHOUT_HEADING", "no 1XX")
    kind = _KINDS.get(main[0][1:])
    if kind is None:
        raise MarcError("AUTHORITY_KIND_UNKNOWN", f"1XX is {main[0]}")
    heading = _form(main, kind)
    if not heading:
        raise MarcError("AUTHORITY_WITHOUT_HEADING", f"{main[0]} says nothing")
    if pick(main, _TITLE):
        kind = "title"
    relations = {heading: "heading"}
    for field in record.fields:
        relation = {"4": "see", "5": "see_also"}.get(field[0][:1])
        form_kind = _KINDS.get(field[0][1:])
        if relation is None or form_kind is None or len(field) <= 2 or _is_hidden(field):
            continue
        text = _form(field, form_kind)
        if text:
            relations.setdefault(text, relation)
    return Authority(kind, heading, tuple((relation, text) for text, relation in relations.items()))


def _form(field: Field, kind: str) -> str:
    if kind == "subject":
        text = heading_of(field)
    elif kind == "series" or pick(field, _TITLE):
        text = series_heading_of(field)
    else:
        text = name_of(field)
    return text.replace("\x00", "")[:LONGEST]


def _is_hidden(field: Field) -> bool:
    """Tell whether $w position 3 suppresses the reference."""
    return any(value[3:4] == "a" for value in pick(field, _CONTROL))
