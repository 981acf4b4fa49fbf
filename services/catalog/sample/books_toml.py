"""Reads and checks the TOML files with the books of the sample library."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "books"
ROLES = ("aut", "ed", "tr", "il", "dir", "org")
MOST_COPIES = 4


@dataclass(frozen=True, slots=True)
class Name:
    """A creator of a book: the heading as in 1XX, and one of ROLES."""

    heading: str
    role: str = "aut"

    @property
    def inverted(self) -> bool:
        """Return True when the heading begins with the filing element: `Navis, A. A.`."""
        return "," in self.heading and self.role != "org"

    @property
    def direct(self) -> str:
        """Return the name in direct order: `A. A. Navis`."""
        if not self.inverted:
            return self.heading
        family, _, forenames = self.heading.partition(", ")
        return f"{forenames} {family}"


@dataclass(frozen=True, slots=True)
class Copies:
    """The number of copies at one branch."""

    institution: str
    branch: str
    number: int


@dataclass(frozen=True, slots=True)
class Book:
    """One book of the files in `books/`, whose README describes the fields; unknown values are empty or 0.

    number  counted from the file's `first`
    """

    number: int
    title: str
    ddc: str
    language: str
    audience: str
    collection: str
    copies: tuple[Copies, ...]
    by: tuple[Name, ...] = ()
    part: str = ""
    subtitle: str = ""
    statement: str = ""
    edition: str = ""
    place: str = ""
    publisher: str = ""
    year: int = 0
    isbn: str = ""
    pages: int = 0
    original: str = ""
    original_language: str = ""
    original_script: str = ""
    also: str = ""
    series: str = ""
    volume: str = ""
    genre: str = ""
    subjects: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    material: str = "buku"
    summary: str = ""

    @property
    def main_entry(self) -> Name | None:
        """Return the name of the main entry; None for a title main entry."""
        return next((name for name in self.by if name.role in ("aut", "org")), None)


_KNOWN = {field.name for field in fields(Book)}
_LISTS = ("subjects", "people", "places")


@cache
def books() -> tuple[Book, ...]:
    """Return all books of the sample, by number."""
    return tuple(book for path in sorted(FOLDER.glob("*.toml")) for book in read_file(path))


def read_file(path: Path) -> Iterator[Book]:
    """Yield the books of one file, in its order.

    raises  ValueError  with the file, the title and the problem
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for number, entry in enumerate(data["book"], start=data["first"]):
        try:
            yield _book(number, entry)
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path.name}: {entry.get('title', number)}: {problem}") from problem


def _book(number: int, entry: dict[str, Any]) -> Book:
    if unknown := entry.keys() - _KNOWN:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    mapping = dict(entry)
    mapping["by"] = tuple(_name(text) for text in entry.get("by", ()))
    mapping["copies"] = tuple(_copies(text) for text in entry["copies"])
    for field in _LISTS:
        mapping[field] = tuple(entry.get(field, ()))
    book = Book(number=number, **mapping)
    if not 1 <= sum(copy.number for copy in book.copies) <= MOST_COPIES:
        raise ValueError(f"one to {MOST_COPIES} copies")
    return book


def _name(text: str) -> Name:
    role, separator, heading = text.partition(": ")
    return Name(heading, role) if separator and role in ROLES else Name(text)


def _copies(text: str) -> Copies:
    place, _, number = text.partition(":")
    institution, _, branch = place.partition("/")
    return Copies(institution, branch, int(number))
