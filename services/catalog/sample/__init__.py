"""The sample library: several hundred real books in invented holdings, as MARC 21."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from services.catalog.marc.record import Record
from services.catalog.sample.books_toml import books
from services.catalog.sample.marc_records import BARCODE_PREFIXES, authorities, describe


@dataclass(frozen=True, slots=True)
class BoxedBook:
    """A donated book; `items` of it are in the box, and the institution `at` has its edition ("" for none)."""

    isbn: str
    title: str
    author: str
    publisher: str
    year: int
    ddc: str
    items: int
    at: str


@dataclass(frozen=True, slots=True)
class Box:
    """A gift that is not catalogued yet. `document` is the number of its handover (BAST)."""

    giver: str
    document: str
    received: date
    books: tuple[BoxedBook, ...]


def box() -> Box:
    """Return the box of twelve books with which cataloguing is practised."""
    data = tomllib.loads((Path(__file__).parent / "box.toml").read_text(encoding="utf-8"))
    return Box(data["giver"], data["document"], data["received"], tuple(BoxedBook(**book) for book in data["book"]))


def institutions_path() -> Path:
    """Return the path of the sample's institutions and branches, a file for `rangkiang institutions load`."""
    return Path(__file__).parent / "institutions.toml"


def classes_path() -> Path:
    """Return the path of the sample's class captions, a file for `rangkiang classes load`."""
    return Path(__file__).parent / "classes.toml"


def sources() -> list[tuple[str, str]]:
    """List (source code, institution code); each institution is the only source of its records."""
    return [(code, code) for code in BARCODE_PREFIXES]


def records(source: str) -> Iterator[Record]:
    """Yield the records of a source by number, each with its institution's copies in 852.

    raises  KeyError  no such source
    """
    institution = dict(sources())[source]
    for book in books():
        if any(copies.institution == institution for copies in book.copies):
            yield describe(book, institution)


def all_records(source: str) -> Iterator[Record]:
    """Yield the records of a source; the first source also has all authority records.

    raises  KeyError  no such source
    """
    first, _institution = sources()[0]
    return chain(authorities(source) if source == first else (), records(source))
