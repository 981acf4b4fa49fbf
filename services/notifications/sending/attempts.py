"""Attempts: a row before each hand-over, the outcome after it, and recovery of attempts without an outcome."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import new_id
from chassis.sealing import MasterKey
from chassis.sql import insert_for, insert_ignore, update_many
from services.notifications.channels.limits import NOT_HANDED_OVER
from services.notifications.channels.port import Channel, Outcome
from services.notifications.channels.port import Message as Handed
from services.notifications.institutions import Places, local_day
from services.notifications.members import TEXT_KEY_DAMAGED, keys_of, seal_text
from services.notifications.notices import settle
from services.notifications.push_devices import forget_endpoints
from services.notifications.sending.decisions import ALL_CHANNELS_FAILED, next_try
from services.notifications.sending.recipients import PRINT
from services.notifications.sending.texts import Draft
from services.notifications.tables import Attempt, ChannelDay, Message, Notice, RefusedAddress
from services.notifications.templates.kinds import KINDS

log = logging.getLogger(__name__)

RESEND_SECONDS = 60
# A pending outcome comes earlier; see smtp.REPLY_SECONDS.
LONGEST_PENDING = timedelta(hours=2)
NO_ANSWER = "NO_ANSWER"
_days: Any = ChannelDay.__table__
_notices: Any = Notice.__table__
_messages: Any = Message.__table__
_attempts: Any = Attempt.__table__
# (new state, reason) -> notices
Settled = defaultdict[tuple[str, str], list[UUID]]


@dataclass(frozen=True, slots=True)
class Begun:
    """A message that may be handed over now, because its attempt is committed."""

    draft: Draft
    handed: Handed
    attempt_id: UUID


def begin_attempts(session: Session, pairs: Sequence[tuple[Draft, Handed]], master: MasterKey) -> list[Begun]:
    """Write messages and attempts, which are handed over after the commit.

    A message is left out if its notices were dropped or its member was erased since they were read; the next round
    reads them again. A message fails if its text cannot be sealed, because the key of its member is damaged.
    """
    now = clock.now()
    ids = [notice.id for draft, _ in pairs for notice in draft.notices]
    columns = select(_notices.c.id, _notices.c.state, _notices.c.message_id)
    rows = session.execute(columns.where(_notices.c.id.in_(ids)).with_for_update())
    states = {row.id: (row.state, row.message_id) for row in rows}
    keys = keys_of(session, master, {draft.member_id: draft.institution_id for draft, _ in pairs})
    begun: list[Begun] = []
    attempts: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    notices: list[dict[str, Any]] = []
    for draft, handed in pairs:
        allowed = {("waiting", None), ("sending", draft.message_id)}
        if draft.member_id not in keys or any(states.get(one.id) not in allowed for one in draft.notices):
            continue
        key = keys[draft.member_id]
        if key is None:
            end_draft(session, draft, "failed", TEXT_KEY_DAMAGED)
            continue
        sealed = None
        if not KINDS[draft.kind].has_code:
            content = json.dumps({"subject": handed.subject, "text": handed.text}, ensure_ascii=False)
            sealed = seal_text(key, content)
        _write_message(session, draft, sealed, now, messages)
        changed = {"state": "sending", "reason": "", "message_id": draft.message_id, "changed_at": now}
        notices += [{"id": notice.id, **changed} for notice in draft.notices]
        attempt_id = new_id()
        attempts.append({
            "id": attempt_id, "institution_id": draft.institution_id, "message_id": draft.message_id,
            "channel": draft.option.channel.name, "provider_id": "", "address_hash": draft.option.address_hash,
            "state": "started", "reason": "", "started_at": now, "ended_at": None,
        })  # fmt: skip
        begun.append(Begun(draft, handed, attempt_id))
    # Messages first, because the other rows refer to them.
    if messages:
        session.execute(insert(_messages), messages)
    if attempts:
        session.execute(insert(_attempts), attempts)
    update_many(session, Notice, notices, key="id")
    return begun


def end_draft(session: Session, draft: Draft, state: str, reason: str) -> None:
    """End the notices of a draft, and its message if it was tried before."""
    settle(session, [notice.id for notice in draft.notices], state, reason=reason)
    if not draft.is_new:
        ended = update(Message).where(Message.id == draft.message_id, Message.state == "open")
        session.execute(ended.values(state=state, reason=reason))


def _write_message(
    session: Session, draft: Draft, sealed: bytes | None, now: datetime, added: list[dict[str, Any]]
) -> None:
    """Update the row of a message, or add a new row to `added`, for one insert of many rows."""
    values: dict[str, Any] = {
        "kind": draft.kind,
        "day": draft.today if draft.is_digest else None,
        "language": draft.recipient.language,
        "channel": draft.option.channel.name,
        "sealed": sealed,
        "key_member_id": None,
    }
    if not draft.is_new:
        session.execute(update(Message).where(Message.id == draft.message_id).values(**values))
        return
    added.append(
        {
            "id": draft.message_id,
            "institution_id": draft.institution_id,
            "member_id": draft.member_id,
            "is_digest": draft.is_digest,
            "state": "open",
            "reason": "",
            "tries": 0,
            "next_at": now,
            "since": now,
            "made_at": now,
            **values,
        }
    )


def record_outcomes(session: Session, results: Sequence[tuple[Begun, Outcome]]) -> None:
    """Write the outcomes of attempts, and the new states of their messages. Messages with pending outcomes wait."""
    now = clock.now()
    if any(outcome.is_pending for _, outcome in results):
        postpone(session, [one for one, outcome in results if outcome.is_pending])
        results = [(one, outcome) for one, outcome in results if not outcome.is_pending]
    counts: Counter[tuple[UUID, str, date, str]] = Counter()
    # A callback may have been first. Its status is later than the provider's answer.
    # Locked, so that a callback, which changes the attempt first, comes before these reads or after the commit.
    of_results = _attempts.c.id.in_([one.attempt_id for one, _ in results])
    query = select(_attempts.c.id).where(_attempts.c.state == "started", of_results)
    started = set(session.scalars(query.with_for_update()))
    results = [(one, outcome) for one, outcome in results if one.attempt_id in started]
    of_messages = _messages.c.id.in_([one.draft.message_id for one, _ in results])
    rows = session.execute(select(_messages.c.id, _messages.c.state).where(of_messages))
    states = {row.id: row.state for row in rows}
    ended: list[dict[str, Any]] = []
    for begun, outcome in results:
        if outcome.state != "temporary" or outcome.reason not in NOT_HANDED_OVER:
            ended.append(_ended(begun.attempt_id, outcome, now))
    update_many(session, Attempt, ended, key="id")
    settled: Settled = defaultdict(list)
    sent: list[UUID] = []
    for begun, outcome in results:
        draft = begun.draft
        if states.get(draft.message_id) != "open":
            continue
        channel = draft.option.channel
        if outcome.state == "temporary" and outcome.reason in NOT_HANDED_OVER:
            session.execute(delete(Attempt).where(Attempt.id == begun.attempt_id))
            next_at = now + timedelta(seconds=outcome.retry_after_seconds or RESEND_SECONDS)
            if outcome.reason == "CIRCUIT_OPEN" and channel.address_kind == "push" and not draft.is_digest:
                # If web push is unavailable, the next channel is used at once.
                next_at = now
            session.execute(update(Message).where(Message.id == draft.message_id).values(next_at=next_at))
            continue
        counts[draft.institution_id, channel.name, local_day(now, draft.zone), outcome.state] += 1
        if outcome.ended_endpoints:
            forget_endpoints(session, draft.member_id, outcome.ended_endpoints)
        # Ended devices are deleted instead; the address for web push is the list of the remaining devices.
        if outcome.is_address_bad and channel.address_kind != "push":
            _mark_address(session, draft, outcome, now)
        notice_ids = [notice.id for notice in draft.notices]
        if outcome.state == "accepted":
            # Nearly every message: updated together, without reading its row.
            sent.append(draft.message_id)
            settled["sent", ""] += notice_ids
            continue
        message = _lock_open(session, draft.message_id)
        if message is None:
            continue
        _settle_message(
            session,
            message,
            outcome,
            now=now,
            notice_ids=notice_ids,
            others=[option.channel.name for option in draft.options if option.channel.name != channel.name],
            may_repeat=channel.deduplicates,
            settled=settled,
        )
    are_sent = update(_messages).where(_messages.c.id.in_(sent), _messages.c.state == "open")
    session.execute(are_sent.values(state="sent", reason=""))
    _write_settled(session, settled)
    _count(session, counts)


def postpone(session: Session, pending: Iterable[Begun]) -> None:
    """Keep messages from being sent again while the outcomes of their attempts are pending."""
    ids = [one.draft.message_id for one in pending]
    later = clock.now() + LONGEST_PENDING
    session.execute(update(Message).where(Message.id.in_(ids), Message.state == "open").values(next_at=later))


def _lock_open(session: Session, message_id: UUID) -> Message | None:
    """Return an open message, locked until the commit; None when it has ended."""
    query = select(Message).where(Message.id == message_id, Message.state == "open").with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def recover(session: Session, channels: Sequence[Channel], answers: dict[UUID, Outcome | None], places: Places) -> int:
    """End attempts that a crash left without an outcome. Returns their number.

    Reminders are handed over once more; receipts and codes are unknown, and staff may send them again.

    answers  attempt -> outcome from the provider; None if the provider cannot be queried
    """
    now = clock.now()
    by_name = {channel.name: channel for channel in channels}
    counts: Counter[tuple[UUID, str, date, str]] = Counter()
    unended = select(Attempt).where(Attempt.id.in_(list(answers)), Attempt.state == "started")
    rows = session.scalars(unended.with_for_update()).all()
    settled: Settled = defaultdict(list)
    for attempt in rows:
        outcome = answers[attempt.id] or Outcome("unknown", reason=NO_ANSWER)
        message = _lock_open(session, attempt.message_id)
        update_many(session, Attempt, [_ended(attempt.id, outcome, now)], key="id")
        zone = places.zone_of(attempt.institution_id, None)
        counts[attempt.institution_id, attempt.channel, local_day(now, zone), outcome.state] += 1
        if message is None:
            continue
        notice_ids = list(
            session.scalars(select(Notice.id).where(Notice.message_id == message.id, Notice.state == "sending"))
        )
        channel = by_name.get(attempt.channel)
        _settle_message(
            session,
            message,
            outcome,
            now=now,
            notice_ids=notice_ids,
            others=[name for name in by_name if name != attempt.channel],
            # A reminder that comes twice is better than none.
            may_repeat=_is_reminder(message) or (channel is not None and channel.deduplicates),
            settled=settled,
        )
    _write_settled(session, settled)
    _count(session, counts)
    return len(rows)


def unanswered(session: Session) -> list[Attempt]:
    """Return the attempts without an outcome, whose process has died."""
    return list(session.scalars(select(Attempt).where(Attempt.state == "started").order_by(Attempt.id)))


def _settle_message(
    session: Session,
    message: Message,
    outcome: Outcome,
    *,
    now: datetime,
    notice_ids: Collection[UUID],
    others: Sequence[str],
    may_repeat: bool,
    settled: Settled,
) -> None:
    """Write the state of a message after an attempt, and add the states of its notices to `settled`.

    others      the other channels, besides the channel of the attempt
    may_repeat  the message is handed over once more when the outcome is unknown
    """
    match outcome.state:
        case "accepted":
            message.state, message.reason = "sent", ""
            settled["sent", ""] += notice_ids
        case "unknown":
            query = select(func.count()).where(
                Attempt.message_id == message.id, Attempt.channel == message.channel, Attempt.state == "unknown"
            )
            # The count includes this attempt.
            if may_repeat and (session.scalar(query) or 0) <= 1:
                message.next_at = now + timedelta(seconds=RESEND_SECONDS)
                return
            message.state, message.reason = "unknown", outcome.reason or NO_ANSWER
            settled["unknown", message.reason] += notice_ids
        case "temporary":
            message.tries += 1
            message.reason = outcome.reason
            untried = _untried(session, message, others)
            is_quick = bool(untried) and not message.is_digest
            next_at = next_try(outcome, tries=message.tries, since=message.since, is_quick=is_quick, now=now)
            if next_at is None:
                _leave_channel(message, untried, notice_ids, now, settled)
            else:
                message.next_at = next_at
        case "permanent":
            message.reason = outcome.reason
            _leave_channel(message, _untried(session, message, others), notice_ids, now, settled)


def _is_reminder(message: Message) -> bool:
    return message.is_digest or (message.kind in KINDS and KINDS[message.kind].waits)


def _untried(session: Session, message: Message, others: Sequence[str]) -> list[str]:
    tried = set(session.scalars(select(Attempt.channel).where(Attempt.message_id == message.id)))
    return [name for name in others if name not in tried]


def _leave_channel(
    message: Message, untried: Sequence[str], notice_ids: Collection[UUID], now: datetime, settled: Settled
) -> None:
    """Continue with the next channel; without one the notices are printed or fail."""
    if untried:
        message.channel, message.tries, message.since, message.next_at = untried[0], 0, now, now
        return
    may_print = PRINT in KINDS[message.kind].channels if message.kind in KINDS else False
    message.state = PRINT if may_print else "failed"
    settled[message.state, message.reason or ALL_CHANNELS_FAILED] += notice_ids


def _write_settled(session: Session, settled: Settled) -> None:
    changed_at = clock.now()
    for (state, reason), ids in settled.items():
        # Another transaction may have dropped the notice or erased its member; then that later state stays.
        are_sending = update(_notices).where(_notices.c.id.in_(ids), _notices.c.state == "sending")
        session.execute(are_sending.values(state=state, reason=reason, changed_at=changed_at))


def _ended(attempt_id: UUID, outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "id": attempt_id,
        "state": outcome.state,
        "provider_id": outcome.provider_id[:128],
        "reason": outcome.reason[:64],
        "ended_at": now,
    }


def _mark_address(session: Session, draft: Draft, outcome: Outcome, now: datetime) -> None:
    row = {
        "address_hash": draft.option.address_hash,
        "institution_id": draft.institution_id,
        "member_id": draft.member_id,
        "channel": draft.option.channel.name,
        "reason": outcome.reason[:64],
        "at": now,
    }
    insert_ignore(session, RefusedAddress, [row])


def _count(session: Session, counts: Counter[tuple[UUID, str, date, str]]) -> None:
    keys = [column.name for column in _days.primary_key]
    for (institution_id, channel, day, state), count in counts.items():
        insert = insert_for(session, _days).values(
            institution_id=institution_id, channel=channel, day=day, state=state, count=count
        )
        total = {"count": _days.c.count + insert.excluded.count}
        session.execute(insert.on_conflict_do_update(index_elements=keys, set_=total))
