"""The list of notices for staff, with states and attempts; the counts, refused addresses and health of channels."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.database.sql import insert_ignore, insert_into
from chassis.errors import Invalid, NotFound, Refused, Unavailable
from chassis.ids import parse_id, parse_or_nil
from chassis.models import choices
from chassis.security.encryption import MasterKey
from rangkiang.notifications.v1 import notices_pb2 as wire
from services.notifications.channels.port import Channel, usable_by
from services.notifications.members import TEXT_KEY_DAMAGED, forget_damaged_key, kept_id, keys_of, open_text
from services.notifications.notices import settle
from services.notifications.tables import (
    Attempt,
    ChannelDay,
    ChannelState,
    Institution,
    Member,
    Message,
    Notice,
    RefusedAddress,
)

STATES = choices(wire.Notice, "state")
RESENDABLE = ("failed", "unknown", "print", "printed")
USUAL_PAGE, LONGEST_PAGE = 50, 500
DAYS_SHOWN = 30
# The list may have hundreds of thousands of rows, and nobody needs an exact total above this number.
MOST_COUNTED = 1_000
# Older receipts would only confuse.
UNKNOWN_RESENT = timedelta(days=7)
MOST_RESENT = 1_000
# (institution, channel, day, state) -> attempts
AttemptCounts = Counter[tuple[UUID, str, date, str]]


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Conditions of a list of notices; "" for any. Without `counts` the total is 0."""

    member: str = ""
    state: str = ""
    kind: str = ""
    limit: int = 0
    cursor: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A page of notices with their messages, the newest first. cursor: of the next page; "" on the last page.

    total     at most MOST_COUNTED
    has_more  there are more than `total`
    """

    rows: list[tuple[Notice, Message | None]]
    total: int
    has_more: bool
    cursor: str


def list_notices(session: Session, institution_id: UUID, notice_filter: NoticeFilter) -> Page:
    """List notices of an institution.

    raises  NotFound  NOTICE_MEMBER_NOT_FOUND  `member` is no id; an unknown member has no notices
            Invalid   NOTICE_STATE_UNKNOWN, CURSOR_INVALID
    """
    if notice_filter.state and notice_filter.state not in STATES:
        raise Invalid("NOTICE_STATE_UNKNOWN", state=notice_filter.state[:32], known=[*STATES])
    conditions = [Notice.institution_id == institution_id]
    if notice_filter.member:
        try:
            conditions.append(Notice.member_id == parse_id(notice_filter.member))
        except Invalid:
            raise NotFound("NOTICE_MEMBER_NOT_FOUND", id=notice_filter.member[:40]) from None
    if notice_filter.state:
        conditions.append(Notice.state == notice_filter.state)
    if notice_filter.kind:
        conditions.append(Notice.kind == notice_filter.kind)
    total = 0
    if notice_filter.counts:
        counted = select(Notice.id).where(*conditions).limit(MOST_COUNTED + 1).subquery()
        total = session.scalar(select(func.count()).select_from(counted)) or 0
    limit = min(notice_filter.limit or USUAL_PAGE, LONGEST_PAGE)
    query = select(Notice, Message).outerjoin(Message, Message.id == Notice.message_id).where(*conditions)
    if notice_filter.cursor:
        query = query.where(Notice.id < read_cursor(notice_filter.cursor, "notices", UUID)[0])
    page = session.execute(query.order_by(Notice.id.desc()).limit(limit + 1))
    rows: list[tuple[Notice, Message | None]] = [(row[0], row[1]) for row in page]
    return Page(
        rows[:limit],
        min(total, MOST_COUNTED),
        total > MOST_COUNTED,
        write_cursor("notices", rows[limit - 1][0].id) if len(rows) > limit else "",
    )


def find_notice(session: Session, institution_id: UUID, notice_id: str) -> tuple[Notice, Message | None]:
    """Return a notice of an institution. Raises NotFound NOTICE_NOT_FOUND."""
    query = select(Notice, Message).outerjoin(Message, Message.id == Notice.message_id)
    row = session.execute(
        query.where(Notice.id == parse_or_nil(notice_id), Notice.institution_id == institution_id)
    ).first()
    if row is None:
        raise NotFound("NOTICE_NOT_FOUND", id=notice_id[:40])
    return row[0], row[1]


def attempts_of(session: Session, message_id: UUID | None) -> list[Attempt]:
    """Return the attempts of a message, the oldest first."""
    if message_id is None:
        return []
    return list(session.scalars(select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.id)))


def open_message(session: Session, message: Message | None, master: MasterKey) -> tuple[str, str]:
    """Return the subject and text that were handed over; "" without a text, and after the member's erasure.

    raises  Unavailable  SEALED_UNREADABLE
    """
    if message is None or message.sealed is None or message.member_id is None:
        return "", ""
    owner_id = message.key_member_id or message.member_id
    keys = keys_of(session, master, {owner_id: message.institution_id}, make=False)
    if owner_id not in keys:
        return "", ""
    key = keys[owner_id]
    if key is None:
        raise Unavailable("SEALED_UNREADABLE")
    content = json.loads(open_text(key, message.sealed))
    return content["subject"], content["text"]


def needs_key(session: Session, institution_id: UUID, notice_id: str) -> bool:
    """Return whether sending a notice again needs the master key: the key of its member was damaged."""
    notice, _ = find_notice(session, institution_id, notice_id)
    return notice.reason == TEXT_KEY_DAMAGED


def is_resendable(notice: Notice) -> bool:
    return notice.state in RESENDABLE and notice.member_id is not None


def resend(
    session: Session, institution_id: UUID, notice_id: str, *, context: Context, master: MasterKey | None = None
) -> Notice:
    """Queue a notice again, in a new message. Refused addresses of its member are tried again.

    master  to replace a damaged key of the member; None when `needs_key` is False
    raises  NotFound  NOTICE_NOT_FOUND
            Refused   NOTICE_NOT_RESENDABLE  it is not resendable, because of its state or an erased member
    """
    notice, _ = find_notice(session, institution_id, notice_id)
    if not is_resendable(notice):
        raise Refused("NOTICE_NOT_RESENDABLE", state=notice.state)
    assert notice.member_id is not None  # is_resendable
    session.execute(delete(RefusedAddress).where(RefusedAddress.member_id == notice.member_id))
    if master is not None:
        forget_damaged_key(session, master, notice.member_id)
    audit.record(session, context, "notifications.resend", kind="notice", object_id=notice.id)
    settle(session, [notice.id], "waiting", message_id=None, due_at=clock.now())
    session.refresh(notice)
    return notice


def resend_unknown(session: Session, institution_id: UUID, *, context: Context) -> int:
    """Queue the institution's unknown notices of the last week again, at most MOST_RESENT. Returns their number."""
    query = select(Notice.id).where(
        Notice.institution_id == institution_id,
        Notice.state == "unknown",
        Notice.member_id.is_not(None),
        Notice.changed_at > clock.now() - UNKNOWN_RESENT,
    )
    ids = session.scalars(query.order_by(Notice.id).limit(MOST_RESENT).with_for_update()).all()
    facts = {"count": len(ids)}
    audit.record(
        session, context, "notifications.resend_unknown", kind="institution", object_id=institution_id, facts=facts
    )
    settle(session, ids, "waiting", message_id=None, due_at=clock.now())
    return len(ids)


def channel_health(session: Session, institution_id: UUID, names: Sequence[str]) -> list[wire.ChannelStatus]:
    """Return the health of channels: the states of their circuits, and the counts of the institution."""
    since = (clock.now() - timedelta(days=DAYS_SHOWN)).date()
    # Any, because protobuf takes a datetime for a Timestamp, which its types do not say.
    states: dict[str, Any] = {row.name: row for row in session.scalars(select(ChannelState))}
    is_waiting = (Message.institution_id == institution_id, Message.state == "open")
    waiting = _counts(session, select(Message.channel, func.count()).where(*is_waiting).group_by(Message.channel))
    refusals = select(RefusedAddress.channel, func.count()).where(RefusedAddress.institution_id == institution_id)
    refused = _counts(session, refusals.group_by(RefusedAddress.channel))
    query = select(ChannelDay).where(ChannelDay.institution_id == institution_id, ChannelDay.day >= since)
    days = list(session.scalars(query.order_by(ChannelDay.day, ChannelDay.state)))
    return [
        wire.ChannelStatus(
            name=name,
            state=_health(states.get(name)),
            waiting=waiting.get(name, 0),
            last_reason=states[name].reason if name in states else "",
            last_at=states[name].at if name in states else None,
            days=[
                wire.ChannelDay(day=row.day.isoformat(), state=row.state, count=row.count)
                for row in days
                if row.channel == name
            ],
            refused_addresses=refused.get(name, 0),
        )
        for name in names
    ]


def refuse_address(
    session: Session, address_hash: bytes, *, institution_id: UUID, member_id: UUID, channel: str, reason: str,
    at: datetime | None,
) -> None:  # fmt: skip
    """Store an address that a provider has refused permanently."""
    row = {
        "address_hash": address_hash, "institution_id": institution_id, "member_id": member_id, "channel": channel,
        "reason": reason[:64], "at": at,
    }  # fmt: skip
    insert_ignore(session, RefusedAddress, [row])


def count_attempts(session: Session, counts: AttemptCounts) -> None:
    """Add attempts to the counts of their channels and days."""
    keys = ("institution_id", "channel", "day", "state")
    rows = [dict(zip(keys, values, strict=True)) | {"count": count} for values, count in counts.items()]
    if rows:
        session.execute(_add_counts(session.get_bind().dialect.name, keys), rows)


@functools.lru_cache
def _add_counts(dialect_name: str, keys: Sequence[str]) -> Any:
    insert = insert_into(ChannelDay.__table__, dialect_name).inline()
    total = {"count": ChannelDay.count + insert.excluded.count}
    return insert.on_conflict_do_update(index_elements=keys, set_=total)


def channels_of(session: Session, institution_id: UUID, channels: Sequence[Channel]) -> tuple[Channel, ...]:
    """Return the channels that an institution uses."""
    row = session.get(Institution, institution_id)
    return usable_by(row.code if row is not None else "", channels)


def require_member(session: Session, member_id: str) -> Member:
    """Return a member of the caller's institution; for a merged member the kept member.

    raises  NotFound  NOTICE_MEMBER_NOT_FOUND
    """
    member = session.get(Member, kept_id(session, parse_or_nil(member_id)))
    if member is None or member.is_erased:
        raise NotFound("NOTICE_MEMBER_NOT_FOUND", id=member_id[:40])
    return member


def _counts(session: Session, query: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(query)}


def _health(state: ChannelState | None) -> str:
    if state is None or not state.failures:
        return "well"
    return "open" if state.circuit == "open" else "failing"
