"""Reads judged searches that a librarian wrote in TOML, and checks them against the sample library."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.catalog.sample.books_toml import books

FOLDER = Path(__file__).parent
HALVES = {"test": FOLDER / "test.toml", "tuning": FOLDER / "tuning.toml"}
# Written later, by people who did not tune the search. The fourth set is in the tuning half now.
_LATER = (
    "third fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth"
).split()
LATER_SETS = {name: FOLDER / f"{name}.toml" for name in _LATER}
NOTHING = "nothing"
KINDS = (
    "title", "half-remembered", "author", "name", "subject", "child", "typo", "old-spelling", "number", "stem",
    "phrase", "operators", "transliteration", "question", "cross-language", "minangkabau", "phone", NOTHING,
)  # fmt: skip
GRADES = ("3", "2", "1")
_KEYS = {"text", "kind", "known", "note", *GRADES}


@dataclass(frozen=True, slots=True)
class Judged:
    """One search and the relevance grades of books for it.

    kind    one of KINDS; a NOTHING search must not find books without a grade
    known   True for a search for one certain work
    grades  number of the book in the sample -> 1 to 3; all other books have 0
    """

    text: str
    kind: str
    known: bool
    grades: Mapping[int, int]


def read(path: Path) -> list[Judged]:
    """Return the searches of one file, in its order.

    raises  ValueError  with the search and the problem
    """
    titles = {f"{book.number} {book.title}": book.number for book in books()}
    searches: dict[str, Judged] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["query"]:
        text = entry.get("text", "")
        try:
            if text in searches:
                raise ValueError("it is there twice")
            searches[text] = _judged(entry, titles)
        except ValueError as problem:
            raise ValueError(f"{path.name}: {text!r}: {problem}") from None
    return list(searches.values())


def _judged(entry: Mapping[str, Any], titles: Mapping[str, int]) -> Judged:
    if unknown := entry.keys() - _KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if entry.get("kind") not in KINDS:
        raise ValueError(f"kind is none of {', '.join(KINDS)}")
    grades: dict[int, int] = {}
    for grade in GRADES:
        for name in entry.get(grade, ()):
            if name not in titles:
                raise ValueError(f"no such book in the sample: {name}")
            if titles[name] in grades:
                raise ValueError(f"two grades for one book: {name}")
            grades[titles[name]] = int(grade)
    if entry["kind"] != NOTHING and 3 not in grades.values():
        raise ValueError("nothing in it has grade 3")
    return Judged(entry["text"], entry["kind"], entry.get("known", False), grades)
