"""The queue of waiting notices: codes and receipts first, then digests; one message at a time for each member."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from services.notifications.institutions import Places
from services.notifications.preferences import answers_of
from services.notifications.tables import Attempt, LoanMark, Message, Notice, RefusedAddress
from services.notifications.templates.kinds import KINDS

MEMBERS_A_ROUND = 100

# Kinds that are sent at once, and those of them that wait during quiet hours. The others are sent in one message a day.
# Conditions name these: `kind IN (…)` is found in the index of waiting notices by kind, and `kind NOT IN (…)` keeps
# SQLite from using that index for reminders, which are found by their time or member.
AT_ONCE = tuple(kind.name for kind in KINDS.values() if kind.goes_at_once)
WAITING_KINDS = tuple(kind.name for kind in KINDS.values() if kind.goes_at_once and kind.waits)
_UNDELAYED = tuple(kind for kind in AT_ONCE if kind not in WAITING_KINDS)


@dataclass(slots=True)
class Work:
    """The next work for one member: either a digest or a notice that is sent at once.

    message         the message of the notices, when it was tried before
    tried_channels  channels of the message's attempts
    """

    member_id: UUID
    is_digest: bool
    notices: list[Notice]
    message: Message | None = None
    tried_channels: frozenset[str] = frozenset()


@dataclass(slots=True)
class Known:
    """The data for decisions about work, read in one transaction.

    sent_days  (member, day) -> message of the digest on that day, from yesterday on
    devices    member -> address for web push
    """

    places: Places
    marks: dict[UUID, LoanMark]
    answers: dict[UUID, dict[tuple[str, str], bool]]
    refused: set[bytes] = field(default_factory=set)
    sent_days: dict[tuple[UUID, date], UUID] = field(default_factory=dict)
    devices: dict[UUID, str] = field(default_factory=dict)


def next_moment(session: Session, now: datetime) -> datetime | None:
    """Return the moment of the next work when there is none now; None when nothing waits.

    Notices that are already due wait for another message to their member, so they do not count.
    """
    notice = session.scalar(select(func.min(Notice.due_at)).where(Notice.state == "waiting", Notice.due_at > now))
    message = session.scalar(select(func.min(Message.next_at)).where(Message.state == "open"))
    moments = [moment for moment in (notice, message) if moment is not None]
    return min(moments) if moments else None


def find_work(session: Session, now: datetime) -> list[Work]:
    """Return the next work: at most one digest and one other message for each member, even after a merge."""
    retried = _retries(session, now)
    urgent = _new_at_once(session, now)
    digests: list[Work] = []
    if len(retried) + len(urgent) < MEMBERS_A_ROUND:
        digests = _new_digests(session, now)
    next_work: dict[tuple[UUID, bool], Work] = {}
    for work in (*urgent, *retried, *digests):
        next_work.setdefault((work.member_id, work.is_digest), work)
    return list(next_work.values())


def read_known(session: Session, work: Iterable[Work], now: datetime) -> Known:
    """Read the data for decisions about this work."""
    all_work = list(work)
    members = list({one.member_id for one in all_work})
    loans = list({notice.loan_id for one in all_work for notice in one.notices if notice.loan_id is not None})
    refused = session.scalars(select(RefusedAddress.address_hash).where(RefusedAddress.member_id.in_(members)))
    days = session.execute(
        select(Message.member_id, Message.day, Message.id).where(
            # Earlier days are not needed; a zone is at most one day behind UTC.
            Message.member_id.in_(members),
            Message.is_digest,
            Message.day >= now.date() - timedelta(days=1),
        )
    )
    return Known(
        places=Places(session),
        marks={mark.id: mark for mark in session.scalars(select(LoanMark).where(LoanMark.id.in_(loans)))},
        answers=answers_of(session, members),
        refused=set(refused),
        sent_days={(row.member_id, row.day): row.id for row in days if row.member_id and row.day},
    )


def _retries(session: Session, now: datetime) -> list[Work]:
    query = select(Message).where(Message.state == "open", Message.next_at <= now).order_by(Message.next_at, Message.id)
    messages = list(session.scalars(query.limit(MEMBERS_A_ROUND)))
    if not messages:
        return []
    ids = [message.id for message in messages]
    notices: dict[UUID, list[Notice]] = defaultdict(list)
    for notice in session.scalars(select(Notice).where(Notice.message_id.in_(ids), Notice.state == "sending")):
        if notice.message_id is not None:
            notices[notice.message_id].append(notice)
    tried: dict[UUID, set[str]] = defaultdict(set)
    for row in session.execute(select(Attempt.message_id, Attempt.channel).where(Attempt.message_id.in_(ids))):
        tried[row.message_id].add(row.channel)
    waiting = _waiting_digests(session, [one.member_id for one in messages if one.is_digest and one.member_id])
    work: list[Work] = []
    for message in messages:
        if message.member_id is None:
            continue
        own = notices[message.id] + (waiting.get(message.member_id, []) if message.is_digest else [])
        work.append(Work(message.member_id, message.is_digest, own, message, frozenset(tried[message.id])))
    return work


def _new_at_once(session: Session, now: datetime) -> list[Work]:
    """Return the earliest notice of each member among those that are sent at once, which keeps their order."""
    later = aliased(Notice)
    is_ready = and_(Notice.state == "waiting", Notice.kind.in_(AT_ONCE), Notice.due_at <= now)
    earlier = (
        select(later.id)
        .where(
            later.member_id == Notice.member_id,
            later.state == "waiting",
            later.kind.in_(_UNDELAYED),
            later.id < Notice.id,
        )
        .exists()
    )
    query = select(Notice).where(is_ready, ~earlier, ~_has_open_message(is_digest=False))
    notices = session.scalars(query.order_by(Notice.due_at, Notice.id).limit(MEMBERS_A_ROUND))
    first: dict[UUID, Notice] = {}
    for notice in notices:
        if notice.member_id is not None:
            first.setdefault(notice.member_id, notice)
    return [Work(member_id, False, [notice]) for member_id, notice in first.items()]


def _new_digests(session: Session, now: datetime) -> list[Work]:
    is_ready = and_(Notice.state == "waiting", Notice.kind.not_in(AT_ONCE), Notice.due_at <= now)
    query = select(Notice.member_id).where(is_ready, ~_has_open_message(is_digest=True))
    # Read more rows than members, because some members have several notices. The rest follows in the next round.
    members = list(dict.fromkeys(session.scalars(query.order_by(Notice.due_at, Notice.id).limit(3 * MEMBERS_A_ROUND))))
    ids = [member_id for member_id in members if member_id is not None][:MEMBERS_A_ROUND]
    return [Work(member_id, True, notices) for member_id, notices in _waiting_digests(session, ids).items()]


def _waiting_digests(session: Session, members: list[UUID]) -> dict[UUID, list[Notice]]:
    """Return all waiting notices of these members that belong in a digest, also those that are not due yet."""
    notices: dict[UUID, list[Notice]] = {}
    if members:
        query = select(Notice).where(
            Notice.member_id.in_(members), Notice.state == "waiting", Notice.kind.not_in(AT_ONCE)
        )
        for notice in session.scalars(query):
            if notice.member_id is not None:
                notices.setdefault(notice.member_id, []).append(notice)
    return notices


def _has_open_message(*, is_digest: bool) -> Any:
    query = select(Message.id).where(
        Message.member_id == Notice.member_id, Message.state == "open", Message.is_digest.is_(is_digest)
    )
    return query.exists()
