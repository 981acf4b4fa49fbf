"""Judged searches as a librarian wrote them in TOML: read, and checked against the sample library."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.catalog.sample.books_toml import books

FOLDER = Path(__file__).parent
HALVES = {"test": FOLDER / "test.toml", "tuning": FOLDER / "tuning.toml"}
NOTHING = "nothing"
KINDS = (
    "title", "half-remembered", "author", "name", "subject", "child", "typo", "old-spelling", "number", "stem",
    "phrase", "operators", "transliteration", NOTHING,
)  # fmt: skip
GRADES = ("3", "2", "1")
_KEYS = {"text", "kind", "known", "note", *GRADES}


@dataclass(frozen=True, slots=True)
class Judged:
    """One search and what each book is worth to whoever typed it.

    kind    one of KINDS; of NOTHING no book may come that has no grade
    known   one certain work is looked for
    grades  number of the book in the sample -> 1 to 3; every other book is worth 0
    """

    text: str
    kind: str
    known: bool
    grades: Mapping[int, int]


def read(path: Path) -> list[Judged]:
    """The searches of one file, in its order.

    raises  ValueError  which search, and what is wrong with it
    """
    titles = {f"{book.number} {book.title}": book.number for book in books()}
    found: dict[str, Judged] = {}
    for said in tomllib.loads(path.read_text(encoding="utf-8"))["query"]:
        text = said.get("text", "")
        try:
            if text in found:
                raise ValueError("it is there twice")
            found[text] = _judged(said, titles)
        except ValueError as problem:
            raise ValueError(f"{path.name}: {text!r}: {problem}") from None
    return list(found.values())


def _judged(said: Mapping[str, Any], titles: Mapping[str, int]) -> Judged:
    if unknown := said.keys() - _KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if said.get("kind") not in KINDS:
        raise ValueError(f"kind is none of {', '.join(KINDS)}")
    grades: dict[int, int] = {}
    for grade in GRADES:
        for name in said.get(grade, ()):
            if name not in titles:
                raise ValueError(f"no such book in the sample: {name}")
            if titles[name] in grades:
                raise ValueError(f"two grades for one book: {name}")
            grades[titles[name]] = int(grade)
    if said["kind"] != NOTHING and 3 not in grades.values():
        raise ValueError("nothing in it has grade 3")
    return Judged(said["text"], said["kind"], said.get("known", False), grades)
