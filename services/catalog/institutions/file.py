"""Reads institutions and branches from a TOML file; the pictures are files in its folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chassis.database.blobs import Rendition
from chassis.errors import Invalid, NotFound
from chassis.institutions import SANDBOX
from chassis.sentences import LocalText, sentence
from chassis.settings import parse_toml
from services.catalog.institutions.fields import (
    BRANCH_FIELDS,
    BRANCH_PICTURES,
    INSTITUTION_FIELDS,
    INSTITUTION_PICTURES,
    MOST_PHOTOS,
    Check,
    check_field,
)
from services.catalog.pictures import LONGEST_BYTES, renditions_of

LIMITS = {"code": 32, "kind": 32, "npp": 32, "isil": 16, "zone": 64}
_OWN_KEYS = ("code", "zone", "branch")


def read_institutions(path: Path) -> list[dict[str, Any]]:
    """Read and validate the whole file.

    returns  the tables of the file, each value as it is stored, each picture as its renditions
    raises   NotFound PATH_NOT_FOUND; Invalid INSTITUTIONS_FILE, with where and what
    """
    try:
        entries = parse_toml(path.read_text(encoding="utf-8")).get("institution", [])
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise _file_error(path, sentence("FILE_CONTENT_UNREADABLE", message=str(problem))) from None
    if not entries:
        raise _file_error(path, sentence("INSTITUTIONS_FILE_EMPTY"))
    institutions = _tables(path, entries, "institution")
    for institution in institutions:
        where = f"institution {institution.get('code', '?')}"
        _check(path, institution, where)
        _check_fields(path, institution, where, INSTITUTION_FIELDS, INSTITUTION_PICTURES)
        branches = _tables(path, institution.get("branch", []), f"branch {institution['code']}")
        for branch in branches:
            branch.setdefault("zone", institution["zone"])
            where = f"branch {institution['code']}/{branch.get('code', '?')}"
            _check(path, branch, where)
            _check_fields(path, branch, where, BRANCH_FIELDS, BRANCH_PICTURES)
        _refuse_duplicates(path, branches, f"branch {institution['code']}/")
    _refuse_duplicates(path, institutions, "institution ")
    return institutions


def _check(path: Path, entry: dict[str, Any], where: str) -> None:
    name = entry.get("name")
    if not isinstance(name, dict) or not all(name.get(lang) and isinstance(name[lang], str) for lang in ("id", "en")):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_NAME", where=where))
    for field, limit in LIMITS.items():
        value = entry.get(field, "")
        if not isinstance(value, str) or len(value) > limit:
            raise _file_error(path, sentence("INSTITUTIONS_FILE_TEXT", where=where, field=field, most=limit))
    if not entry.get("code") or entry["code"].startswith(SANDBOX):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_CODE", where=where))
    try:
        ZoneInfo(entry.get("zone", ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_ZONE", where=where)) from None


def _check_fields(
    path: Path, entry: dict[str, Any], where: str, fields: Mapping[str, Check], pictures: tuple[str, ...]
) -> None:
    """Replace each value of a table by the value as it is stored, and the paths of pictures by renditions."""
    for field, value in entry.items():
        try:
            if field in pictures:
                entry[field] = _read_pictures(path.parent, field, value)
            elif field == "links":
                entry[field] = check_field(fields, field, _links_of(value))
            elif field not in _OWN_KEYS:
                entry[field] = check_field(fields, field, value)
        except Invalid as problem:
            # The sentences about values name the field; those about pictures do not.
            place = f"{where}, {field}" if field in pictures else where
            raise _file_error(path, sentence("INSTITUTIONS_FILE_FIELD", where=place, why=problem.sentence)) from problem


def _links_of(value: Any) -> Any:
    """Convert links from kind -> URL, as the file has them, to the form of the field."""
    return [{"kind": kind, "url": url} for kind, url in value.items()] if isinstance(value, dict) else value


def _read_pictures(folder: Path, field: str, value: Any) -> list[list[Rendition]]:
    """Read one picture, or a list of pictures if the field is a list; "" and [] mean none."""
    paths = value if field == "photos" else [value] if value else []
    if not isinstance(paths, list) or len(paths) > MOST_PHOTOS or not all(isinstance(name, str) for name in paths):
        raise Invalid("DETAIL_LIST", field=field, most=MOST_PHOTOS)
    return [_read_picture(folder, field, name) for name in paths]


def _read_picture(folder: Path, field: str, name: str) -> list[Rendition]:
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise Invalid("PICTURE_ELSEWHERE", file=name)
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
    except (OSError, ValueError) as problem:
        raise Invalid("PICTURE_UNREADABLE", file=name, why=getattr(problem, "strerror", None) or str(problem)) from None
    return renditions_of("logo" if field == "logo" else "photo", content)


def _tables(path: Path, value: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_TABLE", where=where))
    return value


def _refuse_duplicates(path: Path, entries: list[dict[str, Any]], where: str) -> None:
    codes = [entry["code"] for entry in entries]
    for code in codes:
        if codes.count(code) > 1:
            raise _file_error(path, sentence("INSTITUTIONS_FILE_DUPLICATE", where=f"{where}{code}"))


def _file_error(path: Path, why: LocalText) -> Invalid:
    return Invalid("INSTITUTIONS_FILE", path=str(path), why=why)
