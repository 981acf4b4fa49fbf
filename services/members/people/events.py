"""Events and snapshots of members for other services, without names and without sealed values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from datetime import date
from operator import itemgetter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus.events import emit
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.ids import new_id
from rangkiang.members.v1 import events_pb2 as wire
from services.members.people.drafts import Draft
from services.members.people.rules import age_band
from services.members.tables import Block, Card, Category, Consent, Member, PasswordCode, Tombstone

MOST_MEMBERS = 500
LOAN_HISTORY = "loan_history"  # purpose of a consent


def emit_changed(session: Session, members: Sequence[Member], context: Context) -> None:
    """Emit events with the state of members, at most 500 members in each.

    emits  MembersChanged
    """
    session.flush()
    for start in range(0, len(members), MOST_MEMBERS):
        batch = members[start : start + MOST_MEMBERS]
        message = wire.MembersChanged(members=copies_of(session, batch))
        aggregate, version = (batch[0].id, batch[0].version) if len(members) == 1 else (new_id(), 1)
        emit(session, message, aggregate_id=aggregate, version=version, context=context)


def emit_imported(session: Session, drafts: Sequence[Draft], organisations: Container[str], context: Context) -> None:
    """Emit events with the first state of members, who have neither blocks nor consents; at most 500 members in each.

    Their rows are not read back, which would take a fifth of the time of an import.

    drafts         the rows of members of one institution, with their cards
    organisations  codes of the institution's categories of organisations
    emits  MembersChanged
    """
    for start in range(0, len(drafts), MOST_MEMBERS):
        copies = [
            _copy(
                SimpleNamespace(**draft.member),
                [card["code"] for card in sorted(draft.cards, key=itemgetter("code"))],
                is_organisation=draft.member["category"] in organisations,
            )
            for draft in drafts[start : start + MOST_MEMBERS]
        ]
        aggregate = drafts[0].member["id"] if len(drafts) == 1 else new_id()
        message = wire.MembersChanged(members=copies)
        emit(session, message, aggregate_id=aggregate, version=1, context=context)


def emit_erased(session: Session, member_id: UUID, version: int, context: Context) -> None:
    """Emit that a member was erased.

    emits  MemberErased
    """
    message = wire.MemberErased(id=str(member_id), version=version)
    emit(session, message, aggregate_id=member_id, version=version, context=context)


def emit_registered(session: Session, member: Member, context: Context) -> None:
    """Emit that a member was registered at the desk.

    emits  MemberRegistered
    """
    message = wire.MemberRegistered(
        id=str(member.id), version=member.version, institution_id=str(member.institution_id),
        expires_on=day_text(member.expires_on),
    )  # fmt: skip
    emit(session, message, aggregate_id=member.id, version=member.version, context=context)


def emit_slip_issued(session: Session, code: PasswordCode, context: Context) -> None:
    """Emit that a password code must be sent, which does not exist yet.

    emits  SlipIssued
    """
    message = wire.SlipIssued(
        member_id=str(code.member_id), institution_id=str(code.institution_id), slip_id=str(code.id)
    )
    message.expires_at.FromDatetime(code.expires_at)
    emit(session, message, aggregate_id=str(code.id), version=1, context=context)


def emit_expiring(
    session: Session, member_id: UUID, version: int, expires_on: date, step: int, context: Context
) -> None:
    """Emit that a membership ends soon.

    emits  MembershipExpiring
    """
    message = wire.MembershipExpiring(
        member_id=str(member_id), version=version, institution_id=context.institution,
        expires_on=expires_on.isoformat(), days=step,
    )  # fmt: skip
    emit(session, message, aggregate_id=member_id, version=version, context=context)


def snapshot(session: Session, cursor: str) -> wire.SnapshotReply:
    """Return one page of the members of every institution, in the order of ids.

    raises  Invalid  CURSOR_INVALID
    """
    query = select(Member).where(Member.erased_at.is_(None)).order_by(Member.id).limit(MOST_MEMBERS)
    if cursor:
        (after,) = read_cursor(cursor, "snapshot", UUID)
        query = query.where(Member.id > after)
    page = list(session.scalars(query))
    if len(page) == MOST_MEMBERS:
        return wire.SnapshotReply(members=copies_of(session, page), cursor=write_cursor("snapshot", page[-1].id))
    erased = session.scalars(select(Tombstone.member_id).order_by(Tombstone.at))
    return wire.SnapshotReply(members=copies_of(session, page), erased_ids=[str(member_id) for member_id in erased])


def copies_of(session: Session, members: Sequence[Member]) -> list[wire.MemberCopy]:
    """Return the copies of these members for other services, in their order. It reads only columns of the members."""
    ids = [member.id for member in members]
    numbers: dict[UUID, list[str]] = defaultdict(list)
    cards = session.execute(
        select(Card.member_id, Card.code)
        .where(Card.member_id.in_(ids), Card.state == "active")
        .order_by(Card.issued_at, Card.code)
    )
    for member_id, code in cards:
        numbers[member_id].append(code)
    blocks: dict[UUID, list[wire.BlockCopy]] = defaultdict(list)
    for block in open_blocks(session, ids):
        blocks[block.member_id].append(wire.BlockCopy(reason=block.reason, ends_on=day_text(block.ends_on)))
    consents = session.execute(
        select(Consent.member_id, Consent.given)
        .where(Consent.member_id.in_(ids), Consent.purpose == LOAN_HISTORY)
        .order_by(Consent.at, Consent.id)
    )
    # The latest answer is valid.
    keeping = {row.member_id: row.given for row in consents}
    institutions = {member.institution_id for member in members}
    query = select(Category.institution_id, Category.code).where(
        Category.institution_id.in_(institutions), Category.kind == "organisation"
    )
    organisations = {(row.institution_id, row.code) for row in session.execute(query)}
    return [
        _copy(
            member,
            numbers[member.id],
            blocks=blocks[member.id],
            is_organisation=(member.institution_id, member.category) in organisations,
            keeps_history=keeping.get(member.id, False),
        )
        for member in members
    ]


def _copy(member: Any, numbers: Iterable[str], **values: Any) -> wire.MemberCopy:
    """Return the copy of a member; the number of the current card is the first."""
    return wire.MemberCopy(
        id=str(member.id),
        version=member.version,
        institution_id=str(member.institution_id),
        numbers=sorted(numbers, key=lambda code: code != member.number),
        category=member.category,
        expires_on=day_text(member.expires_on),
        age_band=age_band(member.birth_year, clock.now().year),
        sex=member.sex,
        region=region_of(member.kelurahan),
        group=member.group,
        merged_into=str(member.merged_into or ""),
        **values,
    )


def open_blocks(session: Session, member_ids: Iterable[UUID]) -> list[Block]:
    """Return the open blocks of members, the oldest first."""
    today = clock.now().date()
    return list(
        session.scalars(
            select(Block)
            .where(
                Block.member_id.in_(list(member_ids)),
                Block.ended_at.is_(None),
                or_(Block.ends_on.is_(None), Block.ends_on >= today),
            )
            .order_by(Block.at, Block.id)
        )
    )


def region_of(kelurahan: str) -> str:
    """Return the district (kecamatan) of a kelurahan code. A kelurahan with an age band would identify people."""
    digits = kelurahan[:6]
    return ".".join(digits[start : start + 2] for start in range(0, len(digits), 2))


def day_text(day: date | None) -> str:
    return day.isoformat() if day is not None else ""
