"""Stores institutions and branches of a file; keeps fields that staff have edited on a page, unless `replace`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database import blobs
from chassis.database.sql import update_many
from chassis.ids import new_id
from services.catalog.institutions.descriptions import Place, change_fields, edited_fields, unmark, value_of
from services.catalog.institutions.events import change_institutions
from services.catalog.institutions.fields import COLUMNS
from services.catalog.institutions.files import drop_unused_files, files_of
from services.catalog.tables import Branch, Institution, Record

PAGE = 500
_PICTURES = {"logo", "photo", "photos"}


class EditedField(NamedTuple):
    """A field that staff have edited and for which the file has another value. branch: its code, or ""."""

    institution: str
    branch: str
    field: str


@dataclass(slots=True)
class LoadCounts:
    """Number of institutions and branches in the file, and how many of both were new or changed.

    edited  fields with other values than in the file, because staff edited them; they stayed or were replaced
    """

    institutions: int = 0
    branches: int = 0
    changed: int = 0
    edited: list[EditedField] = field(default_factory=list)


def load_institutions(
    session: Session, entries: list[dict[str, Any]], *, context: Context, replace: bool = False
) -> LoadCounts:
    """Store institutions and branches of the file; others stay unchanged, and so do fields that the file does not name.

    Branches that an import created become confirmed. Branch names in holdings are updated.

    entries  from file.read_institutions
    replace  replace the fields that staff have edited on a page too
    emits    InstitutionsChanged  with institutions that are new, changed, or have a new or changed branch
    """
    loaded = LoadCounts()
    changed_ids: list[UUID] = []
    now = clock.now()
    for entry in entries:
        institution = session.scalars(
            select(Institution).where(Institution.code == entry["code"]).with_for_update()
        ).first()
        files: set[str] = set()
        if institution is None:
            institution = Institution(id=new_id(), code=entry["code"], version=0)
            session.add(institution)
        else:
            files = files_of(session, institution.id)
        load = _Load(session, institution, loaded, at=now, replace=replace)
        is_changed = load.store(institution, entry)
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
            name = value_of(branch, "name")
            changed = load.store(branch, branch_entry) or not branch.confirmed
            if name != value_of(branch, "name") and name["id"] is not None:
                renamed[branch.code] = value_of(branch, "name")
            branch.confirmed = True
            is_changed |= changed
            loaded.changed += changed
            loaded.branches += 1
        session.flush()
        drop_unused_files(session, institution.id, files)
        loaded.changed += load.is_institution_changed
        if is_changed:
            changed_ids.append(institution.id)
        if renamed:
            _rename_in_holdings(session, institution, renamed)
    change_institutions(session, changed_ids, context=context)
    return loaded


class _Load:
    """The load of one institution with its branches."""

    def __init__(
        self, session: Session, institution: Institution, loaded: LoadCounts, *, at: datetime, replace: bool
    ) -> None:
        self._session, self._institution, self._loaded, self._at = session, institution, loaded, at
        self._replace = replace
        self.is_institution_changed = False

    def store(self, place: Place, entry: Mapping[str, Any]) -> bool:
        """Set the fields of a place from its table in the file. Returns whether anything changed."""
        values = {name: value for name, value in entry.items() if name not in _PICTURES | {"code", "branch"}}
        edited = edited_fields(place)
        values |= {name: "" for name in COLUMNS if name not in entry and name not in edited}
        pictures = {
            name: [blobs.id_of(renditions) for renditions in entry[name]] for name in _PICTURES if name in entry
        }
        values |= {name: ids if name == "photos" else "".join(ids) for name, ids in pictures.items()}
        branch = place.code if isinstance(place, Branch) else ""
        edited_names = [name for name in edited if name in values and value_of(place, name) != values[name]]
        self._loaded.edited += [EditedField(self._institution.code, branch, name) for name in edited_names]
        if not self._replace:
            values = {name: value for name, value in values.items() if name not in edited_names}
        changes = change_fields(place, values, at=self._at, edited=False)
        for name in _PICTURES:
            if name in changes:
                for renditions in entry[name]:
                    blobs.put(self._session, self._institution.id, renditions)
        if self._replace:
            unmark(place, values.keys())
        if place is self._institution:
            self.is_institution_changed = bool(changes)
        return bool(changes)


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
