"""Handlers of facts of the catalogue and of members. Each fact has the complete state; an older one changes nothing."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from chassis.context import Context
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, ItemsChanged
from rangkiang.members.v1.events_pb2 import MemberErased, MembersChanged
from services.circulation import borrowers, copies, institutions

NEWEST = 2**62  # version of an erased member: no fact has a newer version


def copy_institutions(session: Session, fact: InstitutionsChanged, _context: Context) -> None:
    """Store institutions and branches that the catalogue added or changed."""
    institutions.copy_institutions(session, fact.institutions)


def copy_items(session: Session, fact: ItemsChanged, _context: Context) -> None:
    """Store items that the catalogue added, changed or deleted; their loans stay."""
    copies.copy_items(session, fact.items)


def copy_members(session: Session, fact: MembersChanged, _context: Context) -> None:
    """Store members that were added, changed or merged; the loans of a merged member move to the kept member."""
    borrowers.copy_members(session, fact.members)


def erase_member(session: Session, fact: MemberErased, context: Context) -> None:
    """Remove an erased member from every loan."""
    institution_id = copies.read_id(context.institution)
    borrowers.erase_member(session, UUID(fact.id), fact.version, institution_id=institution_id)


def erase_known_member(session: Session, member_id: UUID) -> None:
    """Remove a member, who members lists as erased, from every loan; an unknown member has none."""
    borrowers.erase_member(session, member_id, NEWEST)
