"""Loads institutions and branches from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.errors import Invalid, NotFound
from chassis.events import emit
from chassis.ids import new_id
from chassis.sentences import LocalText, sentence
from chassis.sql import update_many
from chassis.toml_files import parse_toml
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, InstitutionsChanged
from rangkiang.common.v1.text_pb2 import LocalText as WireText
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
        entries = parse_toml(path.read_text(encoding="utf-8")).get("institution", [])
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise _file_error(path, sentence("FILE_CONTENT_UNREADABLE", message=str(problem))) from None
    if not entries:
        raise _file_error(path, sentence("INSTITUTIONS_FILE_EMPTY"))
    institutions = _tables(path, entries, "institution")
    for institution in institutions:
        _check(path, institution, f"institution {institution.get('code', '?')}")
        branches = _tables(path, institution.get("branch", []), f"branch {institution['code']}")
        for branch in branches:
            branch.setdefault("zone", institution["zone"])
            _check(path, branch, f"branch {institution['code']}/{branch.get('code', '?')}")
        _refuse_duplicates(path, branches, f"branch {institution['code']}/")
    _refuse_duplicates(path, institutions, "institution ")
    return institutions


def load_institutions(session: Session, entries: list[dict[str, Any]], *, context: Context) -> LoadCounts:
    """Store institutions and branches of the file; others stay unchanged.

    Branches that an import created become confirmed. Branch names in holdings are updated.

    emits  InstitutionsChanged  with those that came or changed, or have a branch that did
    """
    loaded = LoadCounts()
    changed_ids: list[UUID] = []
    for entry in entries:
        institution = session.scalars(select(Institution).where(Institution.code == entry["code"])).first()
        if institution is None:
            institution = Institution(id=new_id(), code=entry["code"], version=0)
            session.add(institution)
        is_changed = _describe(institution, entry)
        loaded.changed += is_changed
        loaded.institutions += 1
        session.flush()
        renamed: dict[str, dict[str, str]] = {}
        for branch_entry in entry.get("branch", []):
            branch = session.scalars(
                select(Branch).where(Branch.institution_id == institution.id, Branch.code == branch_entry["code"])
            ).first()
            if branch is None:
                branch = Branch(id=new_id(), institution_id=institution.id, code=branch_entry["code"], confirmed=True)
                session.add(branch)
            elif (branch.name_id, branch.name_en) != (branch_entry["name"]["id"], branch_entry["name"]["en"]):
                renamed[branch.code] = {"id": branch_entry["name"]["id"], "en": branch_entry["name"]["en"]}
            changed = _describe(branch, branch_entry) or not branch.confirmed
            branch.confirmed = True
            is_changed |= changed
            loaded.changed += changed
            loaded.branches += 1
        session.flush()
        if is_changed:
            changed_ids.append(institution.id)
        if renamed:
            _rename_in_holdings(session, institution, renamed)
    change_institutions(session, changed_ids, context=context)
    return loaded


def change_institutions(session: Session, ids: Sequence[UUID], *, context: Context) -> None:
    """Give institutions a new version, after a change of them or of their branches.

    emits  InstitutionsChanged
    """
    if not ids:
        return
    changed = update(Institution).where(Institution.id.in_(ids)).values(version=Institution.version + 1)
    session.execute(changed.execution_options(synchronize_session=False))
    fact = InstitutionsChanged(institutions=copies_of_institutions(session, ids))
    emit(session, fact, aggregate_id=f"institutions:{new_id()}", version=1, context=context)


def copies_of_institutions(session: Session, ids: Sequence[UUID] | None = None) -> list[InstitutionCopy]:
    """Return what other services may copy of these institutions, or of all: each with its branches."""
    institutions = select(Institution).order_by(Institution.code)
    branches = select(Branch).order_by(Branch.code)
    if ids is not None:
        institutions, branches = (
            institutions.where(Institution.id.in_(ids)),
            branches.where(Branch.institution_id.in_(ids)),
        )
    by_institution: dict[UUID, list[BranchCopy]] = {}
    for branch in session.scalars(branches):
        copy = BranchCopy(
            id=str(branch.id),
            code=branch.code,
            name=WireText(id=branch.name_id, en=branch.name_en),
            zone=branch.zone,
        )
        by_institution.setdefault(branch.institution_id, []).append(copy)
    populated = institutions.execution_options(populate_existing=True)
    return [_copy_of(row, by_institution.get(row.id, [])) for row in session.scalars(populated)]


def _copy_of(institution: Institution, branches: list[BranchCopy]) -> InstitutionCopy:
    return InstitutionCopy(
        id=str(institution.id),
        version=institution.version,
        code=institution.code,
        name=WireText(id=institution.name_id, en=institution.name_en),
        kind=institution.kind,
        zone=institution.zone,
        branches=branches,
    )


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
            for holding in touched:
                holding["branch_name"] = renamed[holding["branch"]]
            if touched:
                changes.append({"number": row.number, "holdings": orjson.dumps(entries)})
        update_many(session, Record, changes, key="number")


def _describe(place: Institution | Branch, entry: dict[str, Any]) -> bool:
    """Copy the file's values to an institution or branch; return whether anything changed."""
    values = {
        "name_id": entry["name"]["id"],
        "name_en": entry["name"]["en"],
        **{name: entry.get(name, "") for name in TEXTS},
    }
    changed = {name: value for name, value in values.items() if getattr(place, name, None) != value}
    for name, value in changed.items():
        setattr(place, name, value)
    return bool(changed)


def _check(path: Path, entry: dict[str, Any], where: str) -> None:
    name = entry.get("name")
    if not isinstance(name, dict) or not all(name.get(lang) and isinstance(name[lang], str) for lang in ("id", "en")):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_NAME", where=where))
    for field, limit in LIMITS.items():
        value = entry.get(field, "")
        if not isinstance(value, str) or len(value) > limit:
            raise _file_error(path, sentence("INSTITUTIONS_FILE_TEXT", where=where, field=field, most=limit))
    if not entry.get("code"):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_CODE", where=where))
    try:
        ZoneInfo(entry.get("zone", ""))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _file_error(path, sentence("INSTITUTIONS_FILE_ZONE", where=where)) from None


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
