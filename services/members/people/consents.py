"""Consents that members give and withdraw for themselves, and guardians for their children."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.errors import Invalid, NotFound, Refused
from chassis.models import choices
from chassis.security.encryption import MasterKey
from rangkiang.members.v1 import people_pb2 as wire
from services.members.people import categories, drafts, store
from services.members.people.rules import ADULT_YEARS, MemberInputs
from services.members.tables import Category, Consent, Member

# Purposes that members can consent to; the gateway has the texts.
PURPOSES = choices(wire.Consent, "purpose")


@dataclass(frozen=True, slots=True)
class PersonConsents:
    """The answers of one person, the oldest first."""

    member: Member
    is_child: bool
    answers: list[Consent]


def own(session: Session, caller_id: str, *, master: MasterKey) -> list[PersonConsents]:
    """Return the answers of a member and of the children whose guardian they are. Raises NotFound MEMBER_NOT_FOUND."""
    caller = store.get(session, caller_id)
    people = [(caller, _is_child(session, caller, master))]
    people += [(child, True) for child in _children(session, caller, master)]
    return [PersonConsents(member, is_child, _answers(session, member)) for member, is_child in people]


def answer(
    session: Session, caller_id: str, member_id: str, *, purpose: str, text_version: str, given: bool,
    context: Context, master: MasterKey,
) -> None:  # fmt: skip
    """Add an answer of the caller, or of a child whose guardian the caller is.

    member_id  "" for the caller
    raises     NotFound  MEMBER_NOT_FOUND    also when the caller is not the member's guardian
               Invalid   MEMBER_FIELD_NOT_A_CHOICE, MEMBER_FIELD_UNREADABLE
               Refused   CONSENT_OF_A_CHILD  members under 18 may withdraw a consent, but not give one
    emits      MembersChanged
    """
    caller = store.get(session, caller_id)
    by_guardian = member_id not in ("", str(caller.id))
    member = caller
    if by_guardian:
        children = {str(child.id): child for child in _children(session, caller, master)}
        if member_id not in children:
            raise NotFound("MEMBER_NOT_FOUND", id=member_id[:40])
        member = children[member_id]
    if purpose not in PURPOSES:
        raise Invalid("MEMBER_FIELD_NOT_A_CHOICE", field="purpose", choices=[*PURPOSES])
    if given and not by_guardian and _is_child(session, member, master):
        raise Refused("CONSENT_OF_A_CHILD", age=ADULT_YEARS)
    row = wire.Consent(purpose=purpose, text_version=text_version, given=given, how="web", by_guardian=by_guardian)
    version = store.locked(session, str(member.id)).version
    store.change(session, str(member.id), version, {}, consents=[row], context=context, master=master)


def _children(session: Session, guardian: Member, master: MasterKey) -> list[Member]:
    wards = session.scalars(
        select(Member)
        .where(Member.guardian_id == guardian.id, Member.erased_at.is_(None), Member.merged_into.is_(None))
        .order_by(Member.name, Member.id)
    )
    return [ward for ward in wards if _is_child(session, ward, master)]


def _is_child(session: Session, member: Member, master: MasterKey) -> bool:
    rows = categories.categories_of(session, member.institution_id)
    category = categories.find_category(rows, member.category) or Category(kind="person")
    return MemberInputs(str(member.id), drafts.all_values(member, master), category, clock.now().date()).is_child


def _answers(session: Session, member: Member) -> list[Consent]:
    rows = session.scalars(select(Consent).where(Consent.member_id == member.id).order_by(Consent.at, Consent.id))
    return list(rows)
