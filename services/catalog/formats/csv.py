"""CSV (RFC 4180) for spreadsheets: one row per record, several values in one cell separated by ` ; `."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from chassis.output import csv_line
from services.catalog.formats.citation import Citation, citation
from services.catalog.formats.entry import Entry
from services.catalog.formats.xml_text import clean

SEPARATOR: Final = " ; "
# Characters in a cell: spreadsheets allow little more, and Python's csv reader stops at 131,072.
LONGEST: Final = 32_000
COLUMNS: Final[tuple[tuple[str, Callable[[Citation, Entry], str]], ...]] = (
    ("id", lambda _, entry: entry.id),
    ("control_number", lambda cited, _: cited.control_number),
    ("title", lambda cited, _: cited.title),
    ("subtitle", lambda cited, _: cited.subtitle),
    ("responsibility", lambda cited, _: cited.responsibility),
    ("authors", lambda cited, _: _join(name.text for name in cited.names)),
    ("edition", lambda cited, _: cited.edition),
    ("place", lambda cited, _: cited.place),
    ("publisher", lambda cited, _: cited.publisher),
    ("year", lambda cited, _: cited.year),
    ("extent", lambda cited, _: cited.extent),
    ("series", lambda cited, _: _join(text for text in (cited.series, cited.series_volume) if text)),
    ("isbn", lambda cited, _: _join(cited.isbn)),
    ("issn", lambda cited, _: _join(cited.issn)),
    ("language", lambda cited, _: cited.language),
    ("material", lambda cited, _: cited.material),
    ("ddc", lambda cited, _: cited.ddc),
    ("subjects", lambda cited, _: _join(cited.subjects)),
    ("summary", lambda cited, _: cited.summary),
    ("call_numbers", lambda _, entry: _join(_distinct(entry, "call_number"))),
    (
        "branches",
        lambda _, entry: _join(f"{holding['institution']}/{holding['branch']}" for holding in _holdings(entry)),
    ),
    ("items", lambda _, entry: str(sum(holding.get("items", 0) for holding in _holdings(entry)))),
    ("address", lambda _, entry: entry.address),
)
# Spreadsheets read a file as UTF-8 only when it begins with the byte order mark.
MARK: Final = "\ufeff".encode()


def head() -> bytes:
    """Write the byte order mark and the line of column names."""
    return MARK + _line(name for name, _ in COLUMNS)


def row(entry: Entry) -> bytes:
    """Write the line of a record."""
    details = citation(entry.record)
    return _line(_cut(value(details, entry)) for _, value in COLUMNS)


def document(entry: Entry) -> bytes:
    """Write the column names and one record."""
    return head() + row(entry)


def _line(values: Iterable[str]) -> bytes:
    return csv_line(values).encode("utf-8", "replace")


def _cut(text: str) -> str:
    text = clean(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _join(texts: Iterable[str]) -> str:
    return SEPARATOR.join(texts)


def _holdings(entry: Entry) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = orjson.loads(entry.holdings)
    return data


def _distinct(entry: Entry, key: str) -> Iterable[str]:
    return dict.fromkeys(str(holding[key]) for holding in _holdings(entry) if holding.get(key))
