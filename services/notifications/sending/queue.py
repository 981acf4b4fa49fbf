"""The queue of waiting notices: codes and receipts first, then digests; one message at a time for each member."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis.column_types import read_day, read_id, read_moment, read_required_id
from chassis.sql import fetch_among, fetch_sql
from services.notifications.institutions import Places
from services.notifications.preferences import answers_of
from services.notifications.tables import Attempt, Message, Notice
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


def _listed(kinds: Sequence[str]) -> str:
    """Return the names of kinds, which are letters, as a list in SQL."""
    return "(" + ", ".join(f"'{kind}'" for kind in kinds) + ")"


# In the databases' own SQL, because SQLAlchemy takes several times as long to build these queries as they need.
_RETRIES = f"""
    SELECT id, member_id, is_digest FROM messages WHERE state = 'open' AND next_at <= ? AND member_id IS NOT NULL
    ORDER BY next_at, id LIMIT {MEMBERS_A_ROUND}"""  # noqa: S608
_NO_OPEN_MESSAGE = """NOT EXISTS (
    SELECT 1 FROM messages WHERE messages.member_id = notices.member_id AND messages.state = 'open' AND {})"""
_NEW_AT_ONCE = f"""
    SELECT id, member_id FROM notices
    WHERE state = 'waiting' AND kind IN {_listed(AT_ONCE)} AND due_at <= ? AND member_id IS NOT NULL
    AND (kind NOT IN {_listed(RECEIPTS)} OR made_at <= ?) AND NOT EXISTS (
        SELECT 1 FROM notices AS earlier WHERE earlier.member_id = notices.member_id AND earlier.state = 'waiting'
        AND earlier.kind IN {_listed(_UNDELAYED)} AND earlier.id < notices.id
        AND (earlier.kind IN {_listed(RECEIPTS)}) = (notices.kind IN {_listed(RECEIPTS)})
    ) AND {_NO_OPEN_MESSAGE.format("NOT messages.is_digest")}
    ORDER BY due_at, id LIMIT {MEMBERS_A_ROUND}"""  # noqa: S608
# More rows than members, because some members have several notices. The rest follows in the next round.
_NEW_DIGESTS = f"""
    SELECT member_id FROM notices
    WHERE state = 'waiting' AND kind NOT IN {_listed(AT_ONCE)} AND due_at <= ? AND member_id IS NOT NULL
    AND {_NO_OPEN_MESSAGE.format("messages.is_digest")}
    ORDER BY due_at, id LIMIT {3 * MEMBERS_A_ROUND}"""  # noqa: S608
_IS_WAITING_DIGEST = f"state = 'waiting' AND kind NOT IN {_listed(AT_ONCE)} AND member_id"
_IS_WAITING_RECEIPT = f"state = 'waiting' AND kind IN {_listed(RECEIPTS)} AND member_id"
_COLUMNS = (
    "id, institution_id, member_id, kind, loan_id, branch_id, title, day, facts, state, message_id, traceparent,"
    " made_at"
)
_MARKS = "SELECT id, due_on, returned_at FROM loan_marks WHERE id"
_REFUSED = "SELECT member_id, address_hash FROM refused_addresses WHERE member_id"
_SENT_DAYS = "SELECT member_id, day, id FROM messages WHERE is_digest AND day >= ? AND member_id"


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


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice with the columns that decisions and texts need, which takes a fifth of the time of its whole row."""

    id: UUID
    institution_id: UUID
    member_id: UUID
    kind: str
    loan_id: UUID | None
    branch_id: UUID | None
    title: str
    day: date | None
    facts: dict[str, Any]
    state: str
    message_id: UUID | None
    traceparent: str
    made_at: datetime


@dataclass(slots=True)
class Work:
    """The next work for one member: a digest, the receipts of a visit, or another notice that is sent at once.

    message         the message of the notices, when it was tried before
    tried_channels  channels of the message's attempts
    """

    member_id: UUID
    is_digest: bool
    notices: list[DueNotice]
    message: Message | None = None
    tried_channels: frozenset[str] = frozenset()


class Mark(NamedTuple):
    """The state of a loan; see LoanMark."""

    due_on: date | None
    is_returned: bool


@dataclass(slots=True)
class Known:
    """The data for decisions about work, read in one transaction.

    sent_days  (member, day) -> message of the digest on that day, from yesterday on
    devices    member -> address for web push
    """

    places: Places
    marks: dict[UUID, Mark]
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
    retried = [one.message_id for one in candidates if one.message_id is not None]
    if retried:
        work += _read_retries(session, retried)
    urgent = [one.notice_id for one in candidates if one.notice_id is not None]
    if urgent:
        notices = _read_notices(session, "state = 'waiting' AND member_id IS NOT NULL AND id", urgent)
        visitors = [one.member_id for one in notices if one.kind in RECEIPTS]
        receipts = _grouped(_read_notices(session, _IS_WAITING_RECEIPT, visitors)) if visitors else {}
        for first in notices:
            others = receipts.get(first.member_id, []) if first.kind in RECEIPTS else []
            until = first.made_at + visit
            joined = [one for one in others if one.id != first.id and first.made_at <= one.made_at < until]
            work.append(Work(first.member_id, False, [first, *joined]))
    digests = [one.member_id for one in candidates if one.is_digest and one.message_id is None]
    work += [Work(member_id, True, notices) for member_id, notices in _waiting_digests(session, digests).items()]
    by_member = {(one.member_id, one.is_digest): one for one in work}
    keys = [(one.member_id, one.is_digest) for one in candidates]
    return [by_member[key] for key in keys if key in by_member]


def read_known(session: Session, work: Iterable[Work], now: datetime, *, places: Places | None = None) -> Known:
    """Read the data for decisions about this work.

    places  those that were read before; None to read them
    """
    all_work = list(work)
    members = list({one.member_id for one in all_work})
    loans = list({notice.loan_id for one in all_work for notice in one.notices if notice.loan_id is not None})
    # Earlier days are not needed; a zone is at most one day behind UTC.
    days = fetch_among(session, _SENT_DAYS, members, parameters=[now.date() - timedelta(days=1)])
    return Known(
        places=places or Places(session),
        marks={
            loan_id: Mark(read_day(due_on), returned_at is not None)
            for loan_id, due_on, returned_at in fetch_among(session, _MARKS, loans)
        },
        answers=answers_of(session, members),
        refused={address_hash for _, address_hash in fetch_among(session, _REFUSED, members)},
        sent_days={
            (member_id, day): read_required_id(message_id)
            for member_id, text, message_id in days
            if (day := read_day(text))
        },
    )


def _retries(session: Session, now: datetime) -> list[Candidate]:
    return [
        Candidate(read_required_id(member_id), bool(is_digest), message_id=read_required_id(message_id))
        for message_id, member_id, is_digest in fetch_sql(session, _RETRIES, [now])
    ]


def _read_retries(session: Session, ids: Sequence[UUID]) -> list[Work]:
    messages = session.scalars(select(Message).where(Message.id.in_(ids), Message.state == "open")).all()
    notices: dict[UUID, list[DueNotice]] = defaultdict(list)
    for notice in _read_notices(session, "state = 'sending' AND member_id IS NOT NULL AND message_id", ids):
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


def _new_at_once(session: Session, now: datetime, visit: timedelta) -> list[Candidate]:
    """Return the earliest notice of each member among those that are sent at once, which keeps their order."""
    first: dict[UUID, Candidate] = {}
    for notice_id, member in fetch_sql(session, _NEW_AT_ONCE, [now, now - visit]):
        member_id = read_required_id(member)
        first.setdefault(member_id, Candidate(member_id, False, notice_id=read_required_id(notice_id)))
    return list(first.values())


def _new_digests(session: Session, now: datetime) -> list[Candidate]:
    members = dict.fromkeys(read_required_id(member_id) for [member_id] in fetch_sql(session, _NEW_DIGESTS, [now]))
    return [Candidate(member_id, True) for member_id in members][:MEMBERS_A_ROUND]


def _waiting_digests(session: Session, members: Sequence[UUID]) -> dict[UUID, list[DueNotice]]:
    """Return all waiting notices of these members that belong in a digest, also those that are not due yet."""
    return _grouped(_read_notices(session, _IS_WAITING_DIGEST, members)) if members else {}


def _grouped(notices: Iterable[DueNotice]) -> dict[UUID, list[DueNotice]]:
    by_member: dict[UUID, list[DueNotice]] = {}
    for notice in notices:
        by_member.setdefault(notice.member_id, []).append(notice)
    return by_member


def _read_notices(session: Session, condition: str, ids: Sequence[UUID]) -> list[DueNotice]:
    """Return the notices that satisfy a condition, which ends with the name of the column that has one of the ids."""
    column = condition.rpartition(" ")[2]
    statement = f"SELECT {column}, {_COLUMNS} FROM notices WHERE {condition}"  # noqa: S608
    return [_notice(*row[1:]) for row in fetch_among(session, statement, ids)]


def _notice(
    notice_id: Any, institution_id: Any, member_id: Any, kind: str, loan_id: Any, branch_id: Any, title: str,
    day: Any, facts: Any, state: str, message_id: Any, traceparent: str, made_at: Any,
) -> DueNotice:  # fmt: skip
    """Return a notice from the driver's values of `_COLUMNS`."""
    return DueNotice(
        id=read_required_id(notice_id),
        institution_id=read_required_id(institution_id),
        member_id=read_required_id(member_id),
        kind=kind,
        loan_id=read_id(loan_id),
        branch_id=read_id(branch_id),
        title=title,
        day=read_day(day),
        facts=json.loads(facts) if isinstance(facts, str) else facts,
        state=state,
        message_id=read_id(message_id),
        traceparent=traceparent,
        made_at=read_moment(made_at),
    )
