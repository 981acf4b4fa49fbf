"""The books of the sample library as people wrote them in TOML, read and checked."""

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
    """Someone who made a book: the heading as in 1XX, and one of ROLES."""

    heading: str
    role: str = "aut"

    @property
    def inverted(self) -> bool:
        """True when the heading begins with the part that is filed under: `Navis, A. A.`."""
        return "," in self.heading and self.role != "org"

    @property
    def direct(self) -> str:
        """The name as it is said: `A. A. Navis`."""
        if not self.inverted:
            return self.heading
        family, _, given = self.heading.partition(", ")
        return f"{given} {family}"


@dataclass(frozen=True, slots=True)
class Copies:
    """So many copies at one branch."""

    institution: str
    branch: str
    number: int


@dataclass(frozen=True, slots=True)
class Book:
    """One book of the files in `books/`, whose README says what each field means; what is not known is empty or 0.

    number  of the book, its file's `first` and counted on
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
        """Whose name the book is filed under; None when only the title can be."""
        return next((name for name in self.by if name.role in ("aut", "org")), None)


_KNOWN = {field.name for field in fields(Book)}
_LISTS = ("subjects", "people", "places")


@cache
def books() -> tuple[Book, ...]:
    """Every book of the sample, by number."""
    return tuple(book for path in sorted(FOLDER.glob("*.toml")) for book in read_file(path))


def read_file(path: Path) -> Iterator[Book]:
    """The books of one file, in its order.

    raises  ValueError  the file, the title and what is wrong with it
    """
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    for number, each in enumerate(data["book"], start=data["first"]):
        try:
            yield _book(number, each)
        except (KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path.name}: {each.get('title', number)}: {problem}") from problem


def _book(number: int, said: dict[str, Any]) -> Book:
    if unknown := said.keys() - _KNOWN:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    mapping = dict(said)
    mapping["by"] = tuple(_name(each) for each in said.get("by", ()))
    mapping["copies"] = tuple(_copies(each) for each in said["copies"])
    for field in _LISTS:
        mapping[field] = tuple(said.get(field, ()))
    book = Book(number=number, **mapping)
    if not 1 <= sum(copy.number for copy in book.copies) <= MOST_COPIES:
        raise ValueError(f"one to {MOST_COPIES} copies")
    return book


def _name(said: str) -> Name:
    role, separator, heading = said.partition(": ")
    return Name(heading, role) if separator and role in ROLES else Name(said)


def _copies(said: str) -> Copies:
    place, _, number = said.partition(":")
    institution, _, branch = place.partition("/")
    return Copies(institution, branch, int(number))
