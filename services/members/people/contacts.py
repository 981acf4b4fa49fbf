"""Contact data of members, for sending notices. Sealed values are decrypted in memory only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import Invalid, Unavailable
from chassis.ids import parse_id
from chassis.security.encryption import MasterKey
from rangkiang.members.v1 import contacts_pb2 as wire
from services.members.people import sealed, values
from services.members.people.events import LOAN_HISTORY
from services.members.people.rules import MemberInputs
from services.members.people.values import Rejected
from services.members.tables import Category, Consent, Institution, Member, MemberLookup

MOST_CONTACTS = 500
MOST_MERGES = 20  # length of a chain of merged members


class MemberRow(NamedTuple):
    """The columns of a member that notices need; see the table."""

    id: UUID
    institution_id: UUID
    number: str | None
    version: int
    category: str
    name: str
    title_before: str
    title_after: str
    language: str
    kelurahan: str
    school: str
    group: str
    guardian_id: UUID | None
    guardian_name: str
    guardian_relation: str
    wrapped_key: bytes
    sealed: bytes
    merged_into: UUID | None
    is_erased: bool


_own_columns = (Member.__table__.c[name] for name in MemberRow._fields if name != "is_erased")
_MEMBERS = select(*_own_columns, Member.__table__.c.erased_at.is_not(None).label("is_erased"))


def contacts(session: Session, member_ids: Sequence[str], *, master: MasterKey) -> list[wire.MemberContact]:
    """Return contact data of members in the order of the ids; unknown and erased members are left out.

    One member and 500 members need the same number of statements, except for chains of merges.

    raises  Invalid  ID_NOT_READABLE, MEMBER_TOO_MANY
    """
    if len(member_ids) > MOST_CONTACTS:
        raise Invalid("MEMBER_TOO_MANY", field="ids", most=MOST_CONTACTS)
    ids = list(dict.fromkeys(parse_id(member_id) for member_id in member_ids))
    rows = _members(session, ids)
    members_by_id = {member_id: member for member_id in ids if (member := _kept(rows, member_id)) is not None}
    members = {member.id: member for member in members_by_id.values()}
    guardian_ids = {member.guardian_id for member in members.values() if member.guardian_id is not None}
    guardians = _members(session, guardian_ids)
    consents = _consents(session, members)
    kinds = _kinds(session, {member.institution_id for member in members.values()})
    messages = {
        member.id: _contact(
            member, kinds.get((member.institution_id, member.category), "person"), consents.get(member.id, {}),
            guardians, master,
        )
        for member in members.values()
    }  # fmt: skip
    contacts_in_order = []
    for member_id, member in members_by_id.items():
        message = wire.MemberContact(id=str(member_id), merged_into=str(member.id) if member.id != member_id else "")
        message.MergeFrom(messages[member.id])
        contacts_in_order.append(message)
    return contacts_in_order


def _contact(
    member: MemberRow, kind: str, consents: Mapping[str, bool], guardians: Mapping[UUID, MemberRow], master: MasterKey
) -> wire.MemberContact:
    """Return the contact data of a member, without the requested id.

    kind       kind of the member's category
    consents   purpose -> latest answer
    guardians  guardians of members by id, with the members that they were merged into
    """
    opened, is_unreadable = _open_values(member, master)
    is_organisation = kind == "organisation"
    inputs = MemberInputs(str(member.id), opened, Category(kind=kind), clock.now().date())
    message = wire.MemberContact(
        institution_id=str(member.institution_id),
        version=member.version,
        name=_full_name(member),
        language=member.language or "id",
        email=opened["email"],
        phone=opened["phone"] or (opened["responsible_phone"] if is_organisation else ""),
        address=opened["address"],
        kelurahan=member.kelurahan,
        school=member.school,
        group=member.group,
        number=member.number or "",
        is_child=inputs.is_child and not is_organisation,
        consents=[wire.ConsentAnswer(purpose=purpose, given=given) for purpose, given in consents.items()],
        keeps_history=consents.get(LOAN_HISTORY, False),
        is_organisation=is_organisation,
        is_unreadable=is_unreadable,
    )
    if message.is_child:
        guardian, is_guardian_unreadable = _guardian(member, opened, guardians, master)
        message.is_unreadable |= is_guardian_unreadable
        if guardian is not None:
            message.guardian.CopyFrom(guardian)
    return message


def find_by_phone(
    session: Session, phone: str, *, institution_id: UUID | None, master: MasterKey
) -> tuple[Member | None, set[UUID]]:
    """Return the only member with a phone number, or None, and the institutions that have a member with this number.

    phone           in any usual notation
    institution_id  None for all institutions
    raises          Invalid  PHONE_INVALID
    """
    try:
        number = values.phone(phone[:40])
    except Rejected:
        raise Invalid("PHONE_INVALID", field="phone") from None
    ids = [institution_id] if institution_id is not None else list(session.scalars(select(Institution.id)))
    lookup = MemberLookup
    hashes = [
        and_(
            lookup.institution_id == institution_id,
            lookup.hash == sealed.hash_of("phone", number, institution_id=institution_id, master=master),
        )
        for institution_id in ids
    ]
    members = session.scalars(
        select(Member)
        .join(lookup, lookup.member_id == Member.id)
        .where(lookup.kind == "phone", or_(False, *hashes))
        .where(Member.erased_at.is_(None), Member.merged_into.is_(None))
    ).all()
    return members[0] if len(members) == 1 else None, {member.institution_id for member in members}


def _members(session: Session, ids: Iterable[UUID]) -> dict[UUID, MemberRow]:
    """Return members by id, together with the members that they were merged into."""
    members: dict[UUID, MemberRow] = {}
    missing = set(ids)
    for _ in range(MOST_MERGES):
        if not missing:
            break
        rows = [MemberRow._make(row) for row in session.execute(_MEMBERS.where(Member.id.in_(missing)))]
        members |= {row.id: row for row in rows}
        missing = {row.merged_into for row in rows if row.merged_into is not None} - members.keys()
    return members


def _kept(members: Mapping[UUID, MemberRow], member_id: UUID) -> MemberRow | None:
    """Follow merges to the kept member; None when it is unknown or erased."""
    member = members.get(member_id)
    for _ in range(MOST_MERGES):
        if member is None or member.merged_into is None:
            break
        member = members.get(member.merged_into)
    return member if member is not None and not member.is_erased else None


def _consents(session: Session, ids: Collection[UUID]) -> dict[UUID, dict[str, bool]]:
    answers: dict[UUID, dict[str, bool]] = {}
    query = select(Consent.member_id, Consent.purpose, Consent.given).where(Consent.member_id.in_(ids))
    # In the order of their moments, so that the latest answer decides.
    for member_id, purpose, given in session.execute(query.order_by(Consent.at, Consent.id)):
        answers.setdefault(member_id, {})[purpose] = given
    return answers


def _kinds(session: Session, institutions: Collection[UUID]) -> dict[tuple[UUID, str], str]:
    query = select(Category.institution_id, Category.code, Category.kind)
    rows = session.execute(query.where(Category.institution_id.in_(institutions)))
    return {(row.institution_id, row.code): row.kind for row in rows}


def _open_values(member: MemberRow, master: MasterKey) -> tuple[dict[str, str], bool]:
    """Return the sealed values of a member, "" for unknown ones, and whether the key is damaged or missing.

    This does not raise, so that one damaged key does not stop the notices of other members.
    """
    if member.sealed and not member.wrapped_key:
        return dict.fromkeys(values.SEALED, ""), True
    try:
        return sealed.open_values(member, master), False
    except Unavailable:
        return dict.fromkeys(values.SEALED, ""), True


def _full_name(member: MemberRow) -> str:
    name = " ".join(part for part in (member.title_before, member.name) if part)
    return ", ".join(part for part in (name, member.title_after) if part)


def _guardian(
    member: MemberRow, opened: dict[str, str], members: Mapping[UUID, MemberRow], master: MasterKey
) -> tuple[wire.GuardianContact | None, bool]:
    """Return the contact data of a child's guardian, None when unknown, and whether the guardian's key is damaged."""
    guardian = _kept(members, member.guardian_id) if member.guardian_id is not None else None
    if guardian is not None:
        own_values, is_unreadable = _open_values(guardian, master)
        contact = wire.GuardianContact(
            member_id=str(guardian.id), relation=member.guardian_relation, name=_full_name(guardian),
            language=guardian.language or "id", email=own_values["email"],
            phone=own_values["phone"] or opened["guardian_phone"], address=own_values["address"],
        )  # fmt: skip
        return contact, is_unreadable
    if not member.guardian_name:
        return None, False
    contact = wire.GuardianContact(
        relation=member.guardian_relation, name=member.guardian_name, language=member.language or "id",
        phone=opened["guardian_phone"], address=opened["address"],
    )  # fmt: skip
    return contact, False
