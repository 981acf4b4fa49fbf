"""Handlers of events of the catalogue and members. Each event has the complete state; an older one changes nothing."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, ItemsChanged
from rangkiang.members.v1.events_pb2 import MemberErased, MembersChanged
from services.circulation import borrowers, copies, institutions

NEWEST = 2**62  # version of an erased member: no event has a newer version


def copy_institutions(session: Session, event: InstitutionsChanged, _context: Context) -> None:
    """Store institutions and branches that the catalogue added or changed."""
    institutions.copy_institutions(session, event.institutions)


def copy_items(session: Session, event: ItemsChanged, _context: Context) -> None:
    """Store items that the catalogue added, changed or deleted; their loans stay."""
    copies.copy_items(session, event.items)


def copy_members(session: Session, event: MembersChanged, _context: Context) -> None:
    """Store members that were added, changed or merged; the loans of a merged member move to the kept member."""
    borrowers.copy_members(session, event.members)


def erase_member(session: Session, event: MemberErased, context: Context) -> None:
    """Remove an erased member from every loan."""
    institution_id = copies.read_id(context.institution)
    borrowers.erase_member(session, UUID(event.id), event.version, institution_id=institution_id)


def erase_known_member(session: Session, member_id: UUID) -> None:
    """Remove a member, who members lists as erased, from every loan; an unknown member has none."""
    borrowers.erase_member(session, member_id, NEWEST)
