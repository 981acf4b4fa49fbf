"""The tree of classes with their counts and the libraries' own captions."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.sentences import LocalText, sentence
from chassis.settings import parse_toml
from services.catalog import queries
from services.catalog.index.matches import And
from services.catalog.index.port import Index, Request
from services.catalog.index.stored_fields import FACET_FIELDS
from services.catalog.record.captions import caption
from services.catalog.record.class_table import LONGEST_WORDS, MOST_WORDS, ClassRow, Synonyms, key_of, parse_words
from services.catalog.record.classes import NONE, Class, class_path, notation, value_of
from services.catalog.tables import ClassCaption, Institution

MAIN = frozenset("0123456789")
MAIN_AND_ISLAM = (*sorted(MAIN), "2X")
MOST_CLASSES = 5_000  # classes of up to three digits and those under 2X; or numbers below a class of two digits
MOST_CAPTIONS = 5_000
LONGEST_CAPTION = 200


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes under a class.

    classes  in shelf order
    path     from the main class to this class
    without  number of records without a class
    """

    classes: list[Class]
    path: list[Class]
    without: int


def classes(database: Database, index: Index, *, context: Context, parent: str = "") -> Classes:
    """List the next classes under `parent` that have records; under "" the ten main ones, and 2X if it has some.

    After three digits the tree has the numbers that the records use. The list has the numbers directly under `parent`,
    with two exceptions. A number without a caption is replaced by the number below it, when that one has all its
    records. If `parent` has only one number below it, the list has the numbers below that one. 2X is a class of its
    own; its records count under 297 too.

    raises  NotFound     CLASS_UNKNOWN
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    value = value_of(parent) if parent else ""
    if value is None:
        raise NotFound("CLASS_UNKNOWN", given=parent[:80])
    counts, without = _counts(index, value)
    with database.reading(context) as session:
        captions = queries.class_captions(session)
    children_of: dict[str, list[str]] = {}
    for code in counts:
        if code != NONE and len(path := class_path(code)) > 1:
            children_of.setdefault(path[-2], []).append(code)

    def label_of(code: str) -> LocalText | None:
        return captions.get(code) or caption("class", code)

    def build_class(code: str) -> Class:
        label = label_of(code)
        under = None if label else next(filter(None, map(label_of, class_path(code)[-2::-1])), None)
        return Class(code, label, counts.get(code, 0), code in children_of, under)

    def pass_over(code: str) -> str:
        """Return the class to list for a class: itself, or the first below it with a caption or several classes."""
        below = children_of.get(code, ())
        while len(below) == 1 and "." in below[0] and counts[below[0]] == counts[code] and not label_of(code):
            code, below = below[0], children_of.get(below[0], ())
        return code

    top = [code for code in MAIN_AND_ISLAM if code in MAIN or code in counts]
    children = {pass_over(code) for code in children_of.get(value, ())} if value else set(top)
    # A list of one number offers no choice, so the list continues below it, down to the first class with several.
    below = children
    while len(below) == 1 and "." in (only := next(iter(below))) and counts[only] == counts.get(value):
        below = {pass_over(code) for code in children_of.get(only, ())}
    children = below if len(below) > 1 else children
    ways = [build_class(code) for code in class_path(value)] if value else []
    return Classes(
        classes=[build_class(child) for child in sorted(children, key=notation)],
        # A number with decimals and without a caption tells readers nothing.
        path=[way for way in ways if way.value == value or "." not in way.value or way.caption],
        without=without,
    )


def _counts(index: Index, value: str) -> tuple[dict[str, int], int]:
    """Count the records of each class at and below a class, and those without a class."""
    is_whole = len(value) < 2 or value[:2] == "2X"
    facet = "class" if is_whole else "class_path"
    filters = {} if is_whole else {"class": (value,)}
    hits = index.search(Request(match=And(()), filters=filters, facets=(facet,), facet_size=MOST_CLASSES, limit=0))
    counts = dict(hits.facets[facet])
    without = counts.get(NONE, 0)
    if not is_whole:
        without = index.count_values(FACET_FIELDS["class"], [NONE])[NONE]
    return counts, without


def read_captions(path: Path) -> tuple[str, dict[str, ClassRow]]:
    """Read and check a file of captions; returns the institution's code ("" when it names none), and class -> caption.

        institution = "PKS"
        [classes]
        "810" = { id = "Sastra Amerika", en = "American literature" }
        "636.5" = { id = "Unggas", en = "Poultry", words = ["ayam = chicken, hen", "itik, bebek = duck"] }

    `words` are the words that readers use for the class; a class without them keeps those of the release.

    raises  NotFound PATH_NOT_FOUND; Invalid CLASSES_FILE, with where and what
    """
    try:
        data = parse_toml(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise _file_error(path, sentence("FILE_CONTENT_UNREADABLE", message=str(problem))) from None
    if unknown := sorted(data.keys() - {"institution", "classes"}):
        raise _file_error(path, sentence("CLASSES_FILE_KEYS", unknown=", ".join(unknown)))
    institution, table = data.get("institution", ""), data.get("classes")
    if not isinstance(institution, str):
        raise _file_error(path, sentence("CLASSES_FILE_INSTITUTION"))
    if not isinstance(table, dict) or not table:
        raise _file_error(path, sentence("CLASSES_FILE_EMPTY"))
    if len(table) > MOST_CAPTIONS:
        raise _file_error(path, sentence("CLASSES_FILE_TOO_LONG", most=MOST_CAPTIONS))
    captions: dict[str, ClassRow] = {}
    for key, row in table.items():
        value = key_of(key)
        if value is None or ("." in key and "." not in value):
            raise _file_error(path, sentence("CLASSES_FILE_CLASS", written=key))
        if value in captions:
            raise _file_error(path, sentence("CLASSES_FILE_DUPLICATE", written=key))
        captions[value] = ClassRow(_caption(path, key, row), _words(path, key, row))
    return institution, captions


def load_captions(
    session: Session, institution: str, captions: Mapping[str, ClassRow], *, dry_run: bool = False
) -> int:
    """Replace the captions of an institution. Returns how many it now has.

    dry_run  only check the institution, and change nothing
    raises  NotFound  INSTITUTION_NOT_FOUND
    """
    owner = session.scalar(select(Institution.id).where(Institution.code == institution))
    if owner is None:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=institution)
    if dry_run:
        return len(captions)
    session.execute(delete(ClassCaption).where(ClassCaption.institution_id == owner))
    rows = [
        {
            "institution_id": owner,
            "notation": value,
            "name_id": row.caption.id,
            "name_en": row.caption.en,
            "words": "\n".join(map(str, row.words)),
        }
        for value, row in captions.items()
    ]
    session.execute(insert(ClassCaption), rows)
    return len(rows)


def _caption(path: Path, key: str, row: Any) -> LocalText:
    if isinstance(row, dict) and (unknown := sorted(row.keys() - {"id", "en", "words"})):
        raise _file_error(path, sentence("CLASSES_FILE_KEYS", unknown=", ".join(unknown)))
    texts: Iterable[Any] = (row.get("id"), row.get("en")) if isinstance(row, dict) else ()
    texts = [text.strip() for text in texts if isinstance(text, str)]
    if len(texts) != 2 or not all(0 < len(text) <= LONGEST_CAPTION for text in texts):
        raise _file_error(path, sentence("CLASSES_FILE_CAPTION", written=key, most=LONGEST_CAPTION))
    return LocalText(*texts)


def _words(path: Path, key: str, row: Any) -> tuple[Synonyms, ...]:
    texts = row.get("words", [])
    listed = texts if isinstance(texts, list) else [None]
    statements = [parse_words(text) if isinstance(text, str) else None for text in listed]
    words = tuple(statement for statement in statements if statement is not None)
    if len(words) != len(statements) or len(words) > MOST_WORDS:
        raise _file_error(path, sentence("CLASSES_FILE_WORDS", written=key, most=MOST_WORDS, longest=LONGEST_WORDS))
    return words


def _file_error(path: Path, why: LocalText) -> Invalid:
    return Invalid("CLASSES_FILE", path=str(path), why=why)
