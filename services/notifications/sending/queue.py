"""The queue of waiting notices: codes and receipts first, then digests; one message at a time for each member."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session

from services.notifications.institutions import BranchDirectory
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
# Receipts of one visit are sent in one message, so they wait for the end of the visit.
RECEIPTS = tuple(kind for kind in AT_ONCE if KINDS[kind].family)
VISIT = timedelta(minutes=2)


_notices: Any = Notice.__table__.c
_messages: Any = Message.__table__.c
_earlier: Any = Notice.__table__.alias("earlier").c


def _is(column: Any, *names: str) -> Any:
    """Return the condition that a column has one of these names, which stand in the statement: indexes name them."""
    literals: list[Any] = [literal_column(f"'{name}'") for name in names]
    return column.in_(literals) if len(literals) > 1 else column == literals[0]


def _has_open_message(is_digest: bool) -> Any:
    is_kind = _messages.is_digest if is_digest else ~_messages.is_digest
    return exists().where(_messages.member_id == _notices.member_id, _is(_messages.state, "open"), is_kind)


# Built once, because SQLAlchemy takes several times as long to build these queries as they need.
_now: Any = bindparam("now")
_is_waiting = _is(_notices.state, "waiting")
_RETRIES = (
    select(_messages.id, _messages.member_id, _messages.is_digest)
    .where(_is(_messages.state, "open"), _messages.next_at <= _now, _messages.member_id.is_not(None))
    .order_by(_messages.next_at, _messages.id)
    .limit(MEMBERS_A_ROUND)
)
_goes_after_another = exists().where(
    _earlier.member_id == _notices.member_id,
    _is(_earlier.state, "waiting"),
    _is(_earlier.kind, *_UNDELAYED),
    _earlier.id < _notices.id,
    _is(_earlier.kind, *RECEIPTS) == _is(_notices.kind, *RECEIPTS),
)
_NEW_AT_ONCE = (
    select(_notices.id, _notices.member_id)
    .where(_is_waiting, _is(_notices.kind, *AT_ONCE), _notices.due_at <= _now, _notices.member_id.is_not(None))
    .where(or_(~_is(_notices.kind, *RECEIPTS), _notices.made_at <= bindparam("visits_began")))
    .where(~_goes_after_another, ~_has_open_message(is_digest=False))
    .order_by(_notices.due_at, _notices.id)
    .limit(MEMBERS_A_ROUND)
)
# More rows than members, because some members have several notices. The rest follows in the next round.
_NEW_DIGESTS = (
    select(_notices.member_id)
    .where(_is_waiting, ~_is(_notices.kind, *AT_ONCE), _notices.due_at <= _now, _notices.member_id.is_not(None))
    .where(~_has_open_message(is_digest=True))
    .order_by(_notices.due_at, _notices.id)
    .limit(3 * MEMBERS_A_ROUND)
)
_is_waiting_digest = and_(_is_waiting, ~_is(_notices.kind, *AT_ONCE))
_is_waiting_receipt = and_(_is_waiting, _is(_notices.kind, *RECEIPTS))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member with work, of which only the ids were read.

    message_id  a message that is tried again
    notice_id   a notice that is sent at once; without both ids the work is a new digest
    """

    member_id: UUID
    is_digest: bool
    message_id: UUID | None = None
    notice_id: UUID | None = None


@dataclass(slots=True)
class Work:
    """The next work for one member: a digest, the receipts of a visit, or another notice that is sent at once.

    message         the message of the notices, when it was tried before
    tried_channels  channels of the message's attempts
    """

    member_id: UUID
    is_digest: bool
    notices: list[Notice]
    message: Message | None = None
    tried_channels: frozenset[str] = frozenset()


@dataclass(slots=True)
class SendingData:
    """The data for decisions about work, read in one transaction.

    marks      loan -> the columns id, due_on and returned_at of its LoanMark
    sent_days  (member, day) -> message of the digest on that day, from yesterday on
    devices    member -> address for web push
    """

    places: BranchDirectory
    marks: dict[UUID, Any]
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


def find_work(session: Session, now: datetime, *, visit: timedelta = timedelta(0)) -> list[Candidate]:
    """Return the next work: at most one digest and one other message for each member, even after a merge.

    visit  how long receipts wait for others of the same visit
    """
    retried = _retries(session, now)
    urgent = _new_at_once(session, now, visit)
    digests: list[Candidate] = []
    if len(retried) + len(urgent) < MEMBERS_A_ROUND:
        digests = _new_digests(session, now)
    next_work: dict[tuple[UUID, bool], Candidate] = {}
    for candidate in (*urgent, *retried, *digests):
        next_work.setdefault((candidate.member_id, candidate.is_digest), candidate)
    return list(next_work.values())


def read_work(session: Session, candidates: Sequence[Candidate], *, visit: timedelta = timedelta(0)) -> list[Work]:
    """Read the work of candidates, in their order; work that another transaction has ended is left out.

    visit  see `find_work`; a receipt is joined by those that were made within this time after it
    """
    work: list[Work] = []
    retried = [candidate.message_id for candidate in candidates if candidate.message_id is not None]
    if retried:
        work += _read_retries(session, retried)
    urgent = [candidate.notice_id for candidate in candidates if candidate.notice_id is not None]
    if urgent:
        notices = _read_notices(session, _is_waiting, _notices.id, urgent)
        visitors = list(_grouped(notice for notice in notices if notice.kind in RECEIPTS))
        receipts = _grouped(_read_notices(session, _is_waiting_receipt, _notices.member_id, visitors))
        for member_id, [first, *_] in _grouped(notices).items():
            others = receipts[member_id] if first.kind in RECEIPTS else []
            until = first.made_at + visit
            joined = [notice for notice in others if notice.id != first.id and first.made_at <= notice.made_at < until]
            work.append(Work(member_id, False, [first, *joined]))
    digests = [candidate.member_id for candidate in candidates if candidate.is_digest and candidate.message_id is None]
    work += [Work(member_id, True, notices) for member_id, notices in _waiting_digests(session, digests).items()]
    by_member = {(item.member_id, item.is_digest): item for item in work}
    keys = [(candidate.member_id, candidate.is_digest) for candidate in candidates]
    return [by_member[key] for key in keys if key in by_member]


def read_sending_data(
    session: Session, work: Iterable[Work], now: datetime, *, places: BranchDirectory | None = None
) -> SendingData:
    """Read the data for decisions about this work.

    places  those that were read before; None to read them
    """
    all_work = list(work)
    members = list({item.member_id for item in all_work})
    loans = list({notice.loan_id for item in all_work for notice in item.notices if notice.loan_id is not None})
    # Earlier days are not needed; a zone is at most one day behind UTC.
    is_recent = and_(_messages.is_digest, _messages.day >= now.date() - timedelta(days=1))
    digests = select(_messages.member_id, _messages.day, _messages.id).where(
        _messages.member_id.in_(members), is_recent
    )
    marks = session.execute(select(LoanMark.id, LoanMark.due_on, LoanMark.returned_at).where(LoanMark.id.in_(loans)))
    refused = select(RefusedAddress.address_hash).where(RefusedAddress.member_id.in_(members))
    return SendingData(
        places=places or BranchDirectory(session),
        marks={mark.id: mark for mark in marks},
        answers=answers_of(session, members),
        refused=set(session.scalars(refused)),
        sent_days={(row.member_id, row.day): row.id for row in session.execute(digests)},
    )


def _retries(session: Session, now: datetime) -> list[Candidate]:
    rows = session.execute(_RETRIES, {"now": now})
    return [Candidate(row.member_id, row.is_digest, message_id=row.id) for row in rows]


def _read_retries(session: Session, ids: Sequence[UUID]) -> list[Work]:
    messages = session.scalars(select(Message).where(Message.id.in_(ids), Message.state == "open")).all()
    notices: dict[UUID, list[Notice]] = defaultdict(list)
    for notice in _read_notices(session, _is(_notices.state, "sending"), _notices.message_id, ids):
        if notice.message_id is not None:
            notices[notice.message_id].append(notice)
    tried: dict[UUID, set[str]] = defaultdict(set)
    for row in session.execute(select(Attempt.message_id, Attempt.channel).where(Attempt.message_id.in_(ids))):
        tried[row.message_id].add(row.channel)
    waiting = _waiting_digests(
        session, [message.member_id for message in messages if message.is_digest and message.member_id]
    )
    work: list[Work] = []
    for message in messages:
        if message.member_id is None:
            continue
        own = notices[message.id] + (waiting.get(message.member_id, []) if message.is_digest else [])
        work.append(Work(message.member_id, message.is_digest, own, message, frozenset(tried[message.id])))
    return work


def _new_at_once(session: Session, now: datetime, visit: timedelta) -> list[Candidate]:
    """Return the earliest notice of each member among those that are sent at once, which keeps their order."""
    first: dict[UUID, Candidate] = {}
    for row in session.execute(_NEW_AT_ONCE, {"now": now, "visits_began": now - visit}):
        first.setdefault(row.member_id, Candidate(row.member_id, False, notice_id=row.id))
    return list(first.values())


def _new_digests(session: Session, now: datetime) -> list[Candidate]:
    members = dict.fromkeys(session.scalars(_NEW_DIGESTS, {"now": now}))
    return [Candidate(member_id, True) for member_id in members][:MEMBERS_A_ROUND]


def _waiting_digests(session: Session, members: Sequence[UUID]) -> dict[UUID, list[Notice]]:
    """Return all waiting notices of these members that belong in a digest, also those that are not due yet."""
    return _grouped(_read_notices(session, _is_waiting_digest, _notices.member_id, members))


def _grouped(notices: Iterable[Notice]) -> dict[UUID, list[Notice]]:
    by_member: dict[UUID, list[Notice]] = {}
    for notice in notices:
        if notice.member_id is not None:
            by_member.setdefault(notice.member_id, []).append(notice)
    return by_member


def _read_notices(session: Session, condition: Any, column: Any, ids: Sequence[UUID]) -> list[Notice]:
    """Return the notices of members that satisfy a condition and have one of the ids in a column."""
    if not ids:
        return []
    query = select(Notice).where(condition, _notices.member_id.is_not(None), column.in_(ids))
    return list(session.scalars(query))
