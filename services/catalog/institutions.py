"""Loads institutions and branches from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.errors import Invalid, NotFound
from chassis.ids import new_id
from chassis.sql import update_many
from services.catalog.tables import Branch, Institution, Record

TEXTS = ("kind", "npp", "isil", "zone")
LIMITS = {"code": 32, "kind": 32, "npp": 32, "isil": 16, "zone": 64}
PAGE = 500


@dataclass(slots=True)
class LoadCounts:
    """Number of institutions and branches in the file, and how many of both were new or changed."""

    institutions: int = 0
    branches: int = 0
    changed: int = 0


def read_institutions(path: Path) -> list[dict[str, Any]]:
    """Read and validate the whole file.

    raises  NotFound PATH_NOT_FOUND; Invalid INSTITUTIONS_FILE, with where and what
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("institution", [])
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise _wrong(path, str(problem)) from None
    if not found:
        raise _wrong(path, "no [[institution]] in it")
    institutions = _tables(path, found, "institution")
    for institution in institutions:
        _check(path, institution, f"institution {institution.get('code', '?')}")
        branches = _tables(path, institution.get("branch", []), f"branch of {institution['code']}")
        for branch in branches:
            branch.setdefault("zone", institution["zone"])
            _check(path, branch, f"branch {institution['code']}/{branch.get('code', '?')}")
        _once(path, branches, f"branch {institution['code']}/")
    _once(path, institutions, "institution ")
    return institutions


def load_institutions(session: Session, found: list[dict[str, Any]]) -> LoadCounts:
    """Store institutions and branches of the file; others stay unchanged.

    Branches that an import created become confirmed. Branch names in holdings are updated.
    """
    loaded = LoadCounts()
    for said in found:
        institution = session.scalars(select(Institution).where(Institution.code == said["code"])).first()
        if institution is None:
            institution = Institution(id=new_id(), code=said["code"])
            session.add(institution)
        loaded.changed += _describe(institution, said)
        loaded.institutions += 1
        session.flush()
        renamed: dict[str, dict[str, str]] = {}
        for one in said.get("branch", []):
            branch = session.scalars(
                select(Branch).where(Branch.institution_id == institution.id, Branch.code == one["code"])
            ).first()
            if branch is None:
                branch = Branch(id=new_id(), institution_id=institution.id, code=one["code"], confirmed=True)
                session.add(branch)
            elif (branch.name_id, branch.name_en) != (one["name"]["id"], one["name"]["en"]):
                renamed[branch.code] = {"id": one["name"]["id"], "en": one["name"]["en"]}
            changed = _describe(branch, one) or not branch.confirmed
            branch.confirmed = True
            loaded.changed += changed
            loaded.branches += 1
        session.flush()
        if renamed:
            _rename_in_holdings(session, institution, renamed)
    return loaded


def _rename_in_holdings(session: Session, institution: Institution, renamed: dict[str, dict[str, str]]) -> None:
    after = 0
    while True:
        rows = session.execute(
            select(Record.number, Record.holdings)
            .where(Record.institution_id == institution.id, Record.number > after)
            .order_by(Record.number)
            .limit(PAGE)
        ).all()
        if not rows:
            return
        after = rows[-1].number
        changes = []
        for row in rows:
            entries = orjson.loads(row.holdings)
            touched = [entry for entry in entries if entry["branch"] in renamed]
            for each in touched:
                each["branch_name"] = renamed[each["branch"]]
            if touched:
                changes.append({"number": row.number, "holdings": orjson.dumps(entries)})
        update_many(session, Record, changes, key="number")


def _describe(place: Institution | Branch, said: dict[str, Any]) -> bool:
    """Copy the file's values to an institution or branch; return whether anything changed."""
    wanted = {
        "name_id": said["name"]["id"],
        "name_en": said["name"]["en"],
        **{name: said.get(name, "") for name in TEXTS},
    }
    changed = {name: value for name, value in wanted.items() if getattr(place, name, None) != value}
    for name, value in changed.items():
        setattr(place, name, value)
    return bool(changed)


def _check(path: Path, said: dict[str, Any], where: str) -> None:
    name = said.get("name")
    if not isinstance(name, dict) or not all(name.get(lang) and isinstance(name[lang], str) for lang in ("id", "en")):
        raise _wrong(path, f'{where}: name needs id and en, such as name = {{ id = "…", en = "…" }}')
    for field, limit in LIMITS.items():
        value = said.get(field, "")
        if not isinstance(value, str) or len(value) > limit:
            raise _wrong(path, f"{where}: {field} must be a text of at most {limit} characters")
    if not said.get("code"):
        raise _wrong(path, f"{where}: it needs a code")
    try:
        ZoneInfo(said.get("zone", ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(path, f"{where}: zone must be one such as Asia/Jakarta, Asia/Makassar or Asia/Jayapura") from None


def _tables(path: Path, found: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _wrong(path, f"{where}: it must be a table, such as [[institution]] and [[institution.branch]]")
    return found


def _once(path: Path, said: list[dict[str, Any]], where: str) -> None:
    codes = [each["code"] for each in said]
    for code in codes:
        if codes.count(code) > 1:
            raise _wrong(path, f"{where}{code} is there twice")


def _wrong(path: Path, why: str) -> Invalid:
    return Invalid("INSTITUTIONS_FILE", path=str(path), why=why)
