"""Institutions and their branches as circulation knows them: copies of the catalogue's rows."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.ids import parse_id
from chassis.sql import insert_for
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from services.circulation.tables import Branch, Institution


def is_empty(session: Session) -> bool:
    """Return whether no institution has been copied yet."""
    return session.scalar(select(Institution.id).limit(1)) is None


def copy_institutions(session: Session, copies: Iterable[InstitutionCopy]) -> int:
    """Store institutions with their branches; the same and newer versions stay. Returns their number.

    A branch that is no longer in the copy stays: loans name it.
    """
    count = 0
    for copy in copies:
        count += 1
        institution_id = parse_id(copy.id)
        values = {
            "version": copy.version,
            "code": copy.code,
            "name_id": copy.name.id,
            "name_en": copy.name.en,
            "kind": copy.kind,
            "zone": copy.zone,
        }
        row = insert_for(session, Institution).values(id=institution_id, **values)
        changed = row.on_conflict_do_update(
            index_elements=["id"], set_=values, where=Institution.version < copy.version
        )
        if session.execute(changed.returning(Institution.id)).first() is None:
            continue
        for branch in copy.branches:
            values = {
                "institution_id": institution_id,
                "code": branch.code,
                "name_id": branch.name.id,
                "name_en": branch.name.en,
                "zone": branch.zone,
            }
            row = insert_for(session, Branch).values(id=parse_id(branch.id), **values)
            session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    return count


def branch_of(session: Session, institution_id: UUID, code: str) -> Branch:
    """Return a branch of an institution by its code.

    raises  NotFound  BRANCH_UNKNOWN
    """
    query = select(Branch).where(Branch.institution_id == institution_id, Branch.code == code)
    branch = session.scalars(query).first()
    if branch is None:
        raise NotFound("BRANCH_UNKNOWN", given=code[:64])
    return branch
