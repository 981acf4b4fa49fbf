"""Institutions: copies of the catalogue's rows."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.institutions import InstitutionCopies
from services.members.tables import Institution

_copies = InstitutionCopies(Institution)
is_empty, copy_institutions = _copies.is_empty, _copies.copy


def institution_of(session: Session, code: str) -> Institution:
    """Return an institution by its code.

    raises  NotFound  INSTITUTION_UNKNOWN
    """
    institution = session.scalars(select(Institution).where(Institution.code == code)).first()
    if institution is None:
        codes = session.scalars(select(Institution.code).order_by(Institution.code).limit(20))
        raise NotFound("INSTITUTION_UNKNOWN", given=code[:40], known=[*codes])
    return institution
