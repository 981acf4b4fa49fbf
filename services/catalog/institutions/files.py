"""Pictures of institutions and branches: marks files that nothing shows any more as unused."""

from __future__ import annotations

from collections.abc import Set
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.database import blobs
from services.catalog.institutions.descriptions import details_of
from services.catalog.tables import Branch, Institution


def files_of(session: Session, institution_id: UUID) -> set[str]:
    """Return the ids of the files that an institution or one of its branches shows."""
    institutions = session.scalars(select(Institution).where(Institution.id == institution_id))
    branches = session.scalars(select(Branch).where(Branch.institution_id == institution_id))
    all_details = [details_of(place) for place in (*institutions, *branches)]
    names = {details.get(field, "") for details in all_details for field in ("logo", "photo")}
    names |= {name for details in all_details for name in details.get("photos", [])}
    return names - {""}


def drop_unused_files(session: Session, institution_id: UUID, before: Set[str]) -> None:
    """Mark the files that the institution showed before and no longer shows as unused."""
    unused = before - files_of(session, institution_id)
    if unused:
        blobs.drop(session, institution_id, unused)
