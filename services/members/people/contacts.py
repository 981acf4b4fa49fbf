"""Contact data of members, for sending notices. Sealed values are decrypted in memory only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import Invalid, Unavailable
from chassis.ids import parse_id
from chassis.security.encryption import MasterKey
from services.members.people import sealed, values
from services.members.people.facts import LOAN_HISTORY
from services.members.people.rules import Facts
from services.members.people.values import Rejected
from services.members.tables import Category, Consent, Institution, Member, MemberLookup

MOST_CONTACTS = 500
MOST_MERGES = 20  # length of a chain of merged members


@dataclass(frozen=True, slots=True)
class Reach:
    """Name and contact data of a person; "" for unknown values."""

    member_id: UUID | None
    name: str
    language: str
    email: str
    phone: str
    address: str


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


@dataclass(frozen=True, slots=True)
class Contact:
    """Contact data of a member.

    asked_id       the requested id; for a merged member it differs from the id of `member`
    guardian       guardian of a child; None when unknown
    consents       purpose -> latest answer
    is_unreadable  the key of the member or of a child's guardian is damaged, so that person's sealed values are ""
    """

    asked_id: UUID
    member: MemberRow
    reach: Reach
    is_child: bool = False
    is_organisation: bool = False
    guardian: Reach | None = None
    consents: dict[str, bool] = field(default_factory=dict)
    is_unreadable: bool = False

    @property
    def keeps_history(self) -> bool:
        return self.consents.get(LOAN_HISTORY, False)


def contacts(session: Session, member_ids: Sequence[str], *, master: MasterKey) -> list[Contact]:
    """Return contact data of members in the order of the ids; unknown and erased members are left out.

    One member and 500 members need the same number of statements, except for chains of merges.

    raises  Invalid  ID_NOT_READABLE, MEMBER_TOO_MANY
    """
    if len(member_ids) > MOST_CONTACTS:
        raise Invalid("MEMBER_TOO_MANY", field="ids", most=MOST_CONTACTS)
    ids = list(dict.fromkeys(parse_id(member_id) for member_id in member_ids))
    known = _members(session, ids)
    members_by_id = {member_id: member for member_id in ids if (member := _kept(known, member_id)) is not None}
    members = {member.id: member for member in members_by_id.values()}
    guardians = _members(session, {one.guardian_id for one in members.values() if one.guardian_id is not None})
    consents = _consents(session, members)
    kinds = _kinds(session, {member.institution_id for member in members.values()})
    categories = {kind: Category(kind=kind) for kind in {"person", *kinds.values()}}
    today = clock.now().date()
    contacts_by_id: dict[UUID, Contact] = {}
    for member in members.values():
        opened, is_unreadable = _open_values(member, master)
        category = categories[kinds.get((member.institution_id, member.category), "person")]
        is_child = Facts(str(member.id), opened, category, today).is_child
        is_organisation = category.kind == "organisation"
        reach = _reach(member, opened)
        guardian, is_guardian_unreadable = None, False
        if is_child and not is_organisation:
            guardian, is_guardian_unreadable = _guardian(member, opened, guardians, master)
        contacts_by_id[member.id] = Contact(
            member.id, member,
            _with_phone(reach, opened["responsible_phone"]) if is_organisation else reach,
            is_child and not is_organisation, is_organisation,
            guardian, consents.get(member.id, {}), is_unreadable or is_guardian_unreadable,
        )  # fmt: skip
    return [replace(contacts_by_id[members_by_id[one].id], asked_id=one) for one in ids if one in members_by_id]


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
            lookup.institution_id == one,
            lookup.hash == sealed.hash_of("phone", number, institution_id=one, master=master),
        )
        for one in ids
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
    known: dict[UUID, MemberRow] = {}
    missing = set(ids)
    for _ in range(MOST_MERGES):
        if not missing:
            break
        rows = [MemberRow._make(row) for row in session.execute(_MEMBERS.where(Member.id.in_(missing)))]
        known |= {row.id: row for row in rows}
        missing = {row.merged_into for row in rows if row.merged_into is not None} - known.keys()
    return known


def _kept(known: dict[UUID, MemberRow], member_id: UUID) -> MemberRow | None:
    """Follow merges to the kept member; None when it is unknown or erased."""
    member = known.get(member_id)
    for _ in range(MOST_MERGES):
        if member is None or member.merged_into is None:
            break
        member = known.get(member.merged_into)
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


def _reach(member: MemberRow, opened: dict[str, str]) -> Reach:
    name = " ".join(part for part in (member.title_before, member.name) if part)
    name = ", ".join(part for part in (name, member.title_after) if part)
    return Reach(member.id, name, member.language or "id", opened["email"], opened["phone"], opened["address"])


def _guardian(
    member: MemberRow, opened: dict[str, str], known: dict[UUID, MemberRow], master: MasterKey
) -> tuple[Reach | None, bool]:
    """Return the contact data of a child's guardian, and whether the guardian's own key is damaged."""
    guardian = _kept(known, member.guardian_id) if member.guardian_id is not None else None
    if guardian is not None:
        values_of_guardian, is_unreadable = _open_values(guardian, master)
        return _with_phone(_reach(guardian, values_of_guardian), opened["guardian_phone"]), is_unreadable
    if not member.guardian_name:
        return None, False
    language = member.language or "id"
    return Reach(None, member.guardian_name, language, "", opened["guardian_phone"], opened["address"]), False


def _with_phone(reach: Reach, phone: str) -> Reach:
    return replace(reach, phone=reach.phone or phone)
