"""What facts of other services mean to members."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from services.members import institutions


def copy_institutions(session: Session, fact: InstitutionsChanged, _context: Context) -> None:
    """Keep the institutions that the catalogue added or changed."""
    institutions.copy_institutions(session, fact.institutions)
