"""Institutions: copies of the catalogue's rows."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.ids import parse_id
from chassis.sql import insert_for
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from services.members.tables import Institution


def is_empty(session: Session) -> bool:
    """Return whether no institution has been copied yet."""
    return session.scalar(select(Institution.id).limit(1)) is None


def copy_institutions(session: Session, copies: Iterable[InstitutionCopy]) -> int:
    """Store institutions; the same or a newer version in the table stays. Returns the number of copies."""
    count = 0
    for copy in copies:
        values = {
            "code": copy.code,
            "name_id": copy.name.id,
            "name_en": copy.name.en,
            "kind": copy.kind,
            "zone": copy.zone,
            "version": copy.version,
        }
        row = insert_for(session, Institution).values(id=parse_id(copy.id), **values)
        newer = Institution.version < copy.version
        session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values, where=newer))
        count += 1
    return count


def institution_of(session: Session, code: str) -> Institution:
    """Return an institution by its code.

    raises  NotFound  INSTITUTION_UNKNOWN
    """
    institution = session.scalars(select(Institution).where(Institution.code == code)).first()
    if institution is None:
        known = session.scalars(select(Institution.code).order_by(Institution.code).limit(20))
        raise NotFound("INSTITUTION_UNKNOWN", given=code[:40], known=", ".join(known) or "-")
    return institution
