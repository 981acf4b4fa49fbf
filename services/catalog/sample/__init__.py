"""The sample library: several hundred real books on made-up shelves, as MARC 21."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from services.catalog.marc.record import Record
from services.catalog.sample.authority_records import authorities
from services.catalog.sample.books_toml import books
from services.catalog.sample.call_numbers import BARCODE_PREFIXES
from services.catalog.sample.marc_records import describe


def institutions_path() -> Path:
    """The institutions and branches of the sample, in the format of `rangkiang institutions load`."""
    return Path(__file__).parent / "institutions.toml"


def classes_path() -> Path:
    """The captions of the sample's classes, in the format of `rangkiang classes load`."""
    return Path(__file__).parent / "classes.toml"


def sources() -> list[tuple[str, str]]:
    """(source code, institution code): each institution is the one source of its own records."""
    return [(code, code) for code in BARCODE_PREFIXES]


def records(source: str) -> Iterator[Record]:
    """The records of a source, by number, each with its institution's copies in 852.

    raises  KeyError  no such source
    """
    institution = dict(sources())[source]
    for book in books():
        if any(copies.institution == institution for copies in book.copies):
            yield describe(book, institution)


def everything(source: str) -> Iterator[Record]:
    """The records of a source, and with the first source's the authority records of all.

    raises  KeyError  no such source
    """
    first, _institution = sources()[0]
    return chain(authorities(source) if source == first else (), records(source))
