"""Builds records and files for tests, with the fields that the test needs."""

from __future__ import annotations

from collections.abc import Iterable

from services.catalog.marc import iso2709
from services.catalog.marc.record import Record


def book(
    number: str | None,
    title: str = "Robohnya surau kami",
    *,
    author: str = "Navis, A. A.",
    year: str = "1956",
    language: str = "ind",
    subjects: Iterable[str] = (),
    isbn: str = "",
    items: Iterable[tuple[str, str]] = (),
    more: Iterable[list[str]] = (),
) -> Record:
    """A book with a control number (or none) and items as (branch, barcode)."""
    fixed = f"260101s{year}    io a     b    000 1 {language} d"
    fields: list[list[str]] = [] if number is None else [["001", number], ["003", "TEST"]]
    fields.append(["008", fixed])
    if isbn:
        fields.append(["020", "  ", "a", isbn])
    if author:
        fields.append(["100", "1 ", "a", author])
    fields.append(["245", "10", "a", title])
    fields.append(["264", " 1", "a", "Bukittinggi :", "b", "Nusantara,", "c", year])
    fields += [["650", " 4", "a", subject] for subject in subjects]
    fields += [["852", "  ", "b", branch, "p", barcode, "h", "899.221", "i", "NAV r"] for branch, barcode in items]
    return Record("00000nam a2200000   4500", [*fields, *more])


def iso(records: Iterable[Record]) -> bytes:
    """These records as one ISO 2709 file."""
    return b"".join(iso2709.encode(record) for record in records)
