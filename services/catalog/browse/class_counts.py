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
from chassis.db import Database
from chassis.errors import Invalid, NotFound
from chassis.sentences import LocalText, sentence
from chassis.toml_files import parse_toml
from services.catalog import queries
from services.catalog.index.matches import And
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.record.classes import NONE, Class, class_path, is_under, notation, value_of
from services.catalog.tables import ClassCaption, Institution

MAIN = tuple("0123456789")
MOST_CLASSES = 5_000  # ten, a hundred, a thousand, and those under 2X
MOST_CAPTIONS = 5_000
LONGEST_CAPTION = 200


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes under a class, in shelf order; path: from the main class to it; without: records without a class."""

    classes: list[Class]
    path: list[Class]
    without: int


def classes(database: Database, index: Index, *, context: Context, parent: str = "") -> Classes:
    """List the classes directly under `parent` that have records; under "" the ten main ones, and 2X if it has some.

    2X is a class of its own, and its records count under 297 too.
    raises  NotFound     CLASS_UNKNOWN
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING, DATABASE_UNAVAILABLE
    """
    value = value_of(parent) if parent else ""
    if value is None:
        raise NotFound("CLASS_UNKNOWN", given=parent[:80])
    hits = index.search(Request(match=And(()), facets=("class",), facet_size=MOST_CLASSES, limit=0))
    counts = dict(hits.facets["class"])
    with database.reading(context) as session:
        captions = queries.class_captions(session)
    children = {code for code in counts if is_under(code, value)} | (set() if value else set(MAIN))
    divided_classes = {class_path(code)[-2] for code in counts if len(class_path(code)) > 1}

    def build_class(code: str) -> Class:
        return Class(code, captions.get(code) or caption("class", code), counts.get(code, 0), code in divided_classes)

    return Classes(
        classes=[build_class(child) for child in sorted(children, key=notation)],
        path=[build_class(code) for code in class_path(value)] if value else [],
        without=counts.get(NONE, 0),
    )


def read_captions(path: Path) -> tuple[str, dict[str, LocalText]]:
    """Read and check a file of captions: the institution's code ("" when it names none), and class -> caption.

        institution = "PKS"
        [classes]
        "810" = { id = "Sastra Amerika", en = "American literature" }
        "2X4" = { id = "Fikih", en = "Islamic law" }

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
    captions: dict[str, LocalText] = {}
    for key, name in table.items():
        value = value_of(key)
        if value is None or ("." in key and "." not in value):
            raise _file_error(path, sentence("CLASSES_FILE_CLASS", written=key))
        if value in captions:
            raise _file_error(path, sentence("CLASSES_FILE_DUPLICATE", written=key))
        captions[value] = _caption(path, key, name)
    return institution, captions


def load_captions(session: Session, institution: str, captions: Mapping[str, LocalText]) -> int:
    """Replace the captions of an institution; returns how many it has now.

    raises  NotFound  INSTITUTION_NOT_FOUND
    """
    owner = session.scalar(select(Institution.id).where(Institution.code == institution))
    if owner is None:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=institution)
    session.execute(delete(ClassCaption).where(ClassCaption.institution_id == owner))
    rows = [
        {"institution_id": owner, "notation": value, "name_id": name.id, "name_en": name.en}
        for value, name in captions.items()
    ]
    session.execute(insert(ClassCaption), rows)
    return len(rows)


def _caption(path: Path, key: str, name: Any) -> LocalText:
    texts: Iterable[Any] = (name.get("id"), name.get("en")) if isinstance(name, dict) else ()
    texts = [text.strip() for text in texts if isinstance(text, str)]
    if len(texts) != 2 or not all(0 < len(text) <= LONGEST_CAPTION for text in texts):
        raise _file_error(path, sentence("CLASSES_FILE_CAPTION", written=key, most=LONGEST_CAPTION))
    return LocalText(*texts)


def _file_error(path: Path, why: LocalText) -> Invalid:
    return Invalid("CLASSES_FILE", path=str(path), why=why)
