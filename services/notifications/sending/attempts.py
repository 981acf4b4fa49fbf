"""Writes an attempt before each hand-over of a message and its outcome afterwards, and ends attempts after a crash."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import update_many
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, MemberKey
from services.notifications.channels.limits import NOT_HANDED_OVER
from services.notifications.channels.port import Channel, Outcome
from services.notifications.channels.port import Message as OutgoingMessage
from services.notifications.institutions import BranchDirectory, local_day
from services.notifications.ledger import AttemptCounts, count_attempts, refuse_address
from services.notifications.members import TEXT_KEY_DAMAGED, keys_of, seal_text
from services.notifications.notices import settle
from services.notifications.push_devices import forget_endpoints
from services.notifications.sending.decisions import ALL_CHANNELS_FAILED, next_try
from services.notifications.sending.recipients import PRINT
from services.notifications.sending.texts import Draft
from services.notifications.tables import Attempt, Message, Notice
from services.notifications.templates.kinds import KINDS

log = logging.getLogger(__name__)

RESEND_SECONDS = 60
# A pending outcome comes earlier; see smtp.REPLY_SECONDS.
LONGEST_PENDING = timedelta(hours=2)
NO_ANSWER = "NO_ANSWER"
# Statements on these cost less than on the classes, and a sender writes thousands.
_notices: Any = Notice.__table__
_messages: Any = Message.__table__
_attempts: Any = Attempt.__table__
# Built once, because SQLAlchemy takes longer to build these statements than to execute them.
_ids: Any = bindparam("ids", expanding=True)
_LOCKED_NOTICES = (
    select(_notices.c.id, _notices.c.state, _notices.c.message_id).where(_notices.c.id.in_(_ids)).with_for_update()
)
_LOCKED_STARTED = (
    select(_attempts.c.id).where(_attempts.c.id.in_(_ids), _attempts.c.state == "started").with_for_update()
)
_ending: dict[str, Any] = {"state": bindparam("new_state"), "reason": bindparam("new_reason")}
_END_MESSAGES = update(_messages).where(_messages.c.id.in_(_ids), _messages.c.state == "open").values(_ending)
_END_NOTICES = (
    update(_notices)
    .where(_notices.c.message_id.in_(_ids), _notices.c.state == "sending")
    .values(_ending | {"changed_at": bindparam("at")})
)
_INSERT_MESSAGES, _INSERT_ATTEMPTS = insert(_messages), insert(_attempts)


@dataclass(frozen=True, slots=True)
class StartedAttempt:
    """A message that may be handed over now, because its attempt is committed."""

    draft: Draft
    outgoing: OutgoingMessage
    attempt_id: UUID


def begin_attempts(
    session: Session, pairs: Sequence[tuple[Draft, OutgoingMessage]], master: MasterKey
) -> list[StartedAttempt]:
    """Write messages and attempts, which are handed over after the commit.

    A message is left out if its notices were dropped or its member was erased since they were read; the next round
    reads them again. A message fails if its text cannot be sealed, because the key of its member is damaged.
    """
    now = clock.now()
    ids = [notice.id for draft, _ in pairs for notice in draft.notices]
    rows = session.execute(_LOCKED_NOTICES, {"ids": ids})
    states = {row.id: (row.state, row.message_id) for row in rows}
    keys = keys_of(session, master, {draft.member_id: draft.institution_id for draft, _ in pairs})
    started: list[StartedAttempt] = []
    messages: list[dict[str, Any]] = []
    for draft, outgoing in pairs:
        allowed = {("waiting", None), ("sending", draft.message_id)}
        if draft.member_id not in keys or any(states.get(notice.id) not in allowed for notice in draft.notices):
            continue
        key = keys[draft.member_id]
        if key is None:
            end_draft(session, draft, "failed", TEXT_KEY_DAMAGED)
            continue
        values = _message_values(draft, outgoing, key)
        if draft.is_new:
            messages.append(_new_message(draft, now) | values)
        else:
            session.execute(update(_messages).where(_messages.c.id == draft.message_id).values(**values))
        started.append(StartedAttempt(draft, outgoing, new_id()))
    if messages:
        # Before the other rows, which refer to them.
        session.execute(_INSERT_MESSAGES, messages)
    if started:
        session.execute(_INSERT_ATTEMPTS, [_new_attempt(attempt, now) for attempt in started])
    sending = {"state": "sending", "reason": "", "changed_at": now}
    notices = [
        {"id": notice.id, "message_id": attempt.draft.message_id, **sending}
        for attempt in started
        for notice in attempt.draft.notices
    ]
    update_many(session, _notices, notices, key="id")
    return started


def _message_values(draft: Draft, outgoing: OutgoingMessage, key: MemberKey) -> dict[str, Any]:
    """Return the columns of a message that each attempt writes. The text of a message with a code is not stored."""
    sealed = None
    if not KINDS[draft.kind].has_code:
        sealed = seal_text(key, json.dumps({"subject": outgoing.subject, "text": outgoing.text}, ensure_ascii=False))
    return {
        "kind": draft.kind,
        "day": draft.today if draft.is_digest else None,
        "language": draft.recipient.language,
        "channel": draft.option.channel.name,
        "sealed": sealed,
        "key_member_id": None,
    }


def _new_message(draft: Draft, now: datetime) -> dict[str, Any]:
    return {
        "id": draft.message_id, "institution_id": draft.institution_id, "member_id": draft.member_id,
        "is_digest": draft.is_digest, "state": "open", "reason": "", "tries": 0, "next_at": now, "since": now,
        "made_at": now,
    }  # fmt: skip


def _new_attempt(attempt: StartedAttempt, now: datetime) -> dict[str, Any]:
    draft = attempt.draft
    return {
        "id": attempt.attempt_id, "institution_id": draft.institution_id, "message_id": draft.message_id,
        "channel": draft.option.channel.name, "provider_id": "", "address_hash": draft.option.address_hash,
        "state": "started", "reason": "", "started_at": now, "ended_at": None,
    }  # fmt: skip


def end_draft(session: Session, draft: Draft, state: str, reason: str) -> None:
    """End the notices of a draft, and its message if it was tried before."""
    settle(session, [notice.id for notice in draft.notices], state, reason=reason)
    if not draft.is_new:
        ended = update(Message).where(Message.id == draft.message_id, Message.state == "open")
        session.execute(ended.values(state=state, reason=reason))


def record_outcomes(session: Session, results: Sequence[tuple[StartedAttempt, Outcome]]) -> None:
    """Write the outcomes of attempts, and the new states of their messages. Messages with pending outcomes wait."""
    now = clock.now()
    postpone(session, [attempt for attempt, outcome in results if outcome.is_pending])
    # A callback may have been first; its status is later than the provider's answer. Locked, so that a callback, which
    # changes the attempt first, comes before this read or after the commit.
    started = _lock_started(session, [attempt.attempt_id for attempt, outcome in results if not outcome.is_pending])
    ended: list[tuple[StartedAttempt, Outcome]] = []
    for attempt, outcome in results:
        if attempt.attempt_id not in started:
            continue
        if outcome.state == "temporary" and outcome.reason in NOT_HANDED_OVER:
            _delete_unsent(session, attempt, outcome, now)
        else:
            ended.append((attempt, outcome))
    update_many(session, _attempts, [_ended(attempt.attempt_id, outcome, now) for attempt, outcome in ended], key="id")
    accepted: list[UUID] = []
    counts: AttemptCounts = Counter()
    for attempt, outcome in ended:
        draft, channel = attempt.draft, attempt.draft.option.channel
        counts[draft.institution_id, channel.name, local_day(now, draft.zone), outcome.state] += 1
        if outcome.ended_endpoints:
            forget_endpoints(session, draft.member_id, outcome.ended_endpoints)
        if outcome.state == "accepted":
            # Nearly every message: written together, without reading its row.
            accepted.append(draft.message_id)
        elif (message := _lock_open(session, draft.message_id)) is not None:
            # Ended devices are deleted instead; the address for web push is the list of the remaining devices.
            if outcome.is_address_bad and channel.address_kind != "push":
                refuse_address(
                    session, draft.option.address_hash, institution_id=draft.institution_id,
                    member_id=draft.member_id, channel=channel.name, reason=outcome.reason, at=now,
                )  # fmt: skip
            others = [option.channel.name for option in draft.options if option.channel.name != channel.name]
            _settle_message(session, message, outcome, now=now, others=others, may_repeat=channel.deduplicates)
    if accepted:
        _end_messages(session, accepted, "sent", "")
    count_attempts(session, counts)


def _delete_unsent(session: Session, attempt: StartedAttempt, outcome: Outcome, now: datetime) -> None:
    """Delete the attempt of a message that was not handed over, and postpone the message."""
    session.execute(delete(_attempts).where(_attempts.c.id == attempt.attempt_id))
    next_at = now + timedelta(seconds=outcome.retry_after_seconds or RESEND_SECONDS)
    draft = attempt.draft
    if outcome.reason == "CIRCUIT_OPEN" and draft.option.channel.address_kind == "push" and not draft.is_digest:
        # If web push is unavailable, the next channel is used at once.
        next_at = now
    session.execute(update(Message).where(Message.id == draft.message_id).values(next_at=next_at))


def postpone(session: Session, pending: Collection[StartedAttempt]) -> None:
    """Keep messages from being sent again while the outcomes of their attempts are pending."""
    if pending:
        ids = [attempt.draft.message_id for attempt in pending]
        later = clock.now() + LONGEST_PENDING
        session.execute(update(Message).where(Message.id.in_(ids), Message.state == "open").values(next_at=later))


def _lock_started(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return the attempts without an outcome among these ids, locked until the commit."""
    return set(session.scalars(_LOCKED_STARTED, {"ids": ids}))


def _lock_open(session: Session, message_id: UUID) -> Message | None:
    """Return an open message, locked until the commit; None when it has ended."""
    query = select(Message).where(Message.id == message_id, Message.state == "open").with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def recover(
    session: Session,
    channels: Sequence[Channel],
    answers: Sequence[tuple[Attempt, Outcome | None]],
    places: BranchDirectory,
) -> int:
    """End attempts that a crash left without an outcome. Returns their number.

    Reminders are handed over once more; receipts and codes are unknown, and staff may send them again.

    answers  attempts with the outcomes from the provider; None if the provider cannot be queried
    """
    now = clock.now()
    by_name = {channel.name: channel for channel in channels}
    counts: AttemptCounts = Counter()
    started = _lock_started(session, [attempt.id for attempt, _ in answers])
    for attempt, answer in answers:
        if attempt.id not in started:
            continue
        outcome = answer or Outcome("unknown", reason=NO_ANSWER)
        message = _lock_open(session, attempt.message_id)
        update_many(session, _attempts, [_ended(attempt.id, outcome, now)], key="id")
        zone = places.zone_of(attempt.institution_id, None)
        counts[attempt.institution_id, attempt.channel, local_day(now, zone), outcome.state] += 1
        if message is None:
            continue
        channel = by_name.get(attempt.channel)
        # A reminder that comes twice is better than none.
        may_repeat = _is_reminder(message) or (channel is not None and channel.deduplicates)
        others = [name for name in by_name if name != attempt.channel]
        _settle_message(session, message, outcome, now=now, others=others, may_repeat=may_repeat)
    count_attempts(session, counts)
    return len(started)


def unanswered(session: Session) -> list[Attempt]:
    """Return the attempts without an outcome, whose process has died."""
    return list(session.scalars(select(Attempt).where(Attempt.state == "started").order_by(Attempt.id)))


def _settle_message(
    session: Session, message: Message, outcome: Outcome, *, now: datetime, others: Sequence[str], may_repeat: bool
) -> None:
    """Write the state of a message after an attempt, and those of its notices when it ends.

    others      the other channels, besides the channel of the attempt
    may_repeat  the message is handed over once more when the outcome is unknown
    """
    match outcome.state:
        case "accepted":
            _end_messages(session, [message.id], "sent", "")
        case "unknown":
            query = select(func.count()).where(
                Attempt.message_id == message.id, Attempt.channel == message.channel, Attempt.state == "unknown"
            )
            # The count includes this attempt.
            if may_repeat and (session.scalar(query) or 0) <= 1:
                message.next_at = now + timedelta(seconds=RESEND_SECONDS)
            else:
                _end_messages(session, [message.id], "unknown", outcome.reason or NO_ANSWER)
        case "temporary" | "permanent":
            message.reason = outcome.reason
            tried = set(session.scalars(select(Attempt.channel).where(Attempt.message_id == message.id)))
            untried = [name for name in others if name not in tried]
            next_at = None
            if outcome.state == "temporary":
                message.tries += 1
                is_quick = bool(untried) and not message.is_digest
                next_at = next_try(outcome, tries=message.tries, since=message.since, is_quick=is_quick, now=now)
            if next_at is not None:
                message.next_at = next_at
            elif untried:
                message.channel, message.tries, message.since, message.next_at = untried[0], 0, now, now
            else:
                may_print = message.kind in KINDS and PRINT in KINDS[message.kind].channels
                reason = message.reason or ALL_CHANNELS_FAILED
                _end_messages(session, [message.id], PRINT if may_print else "failed", reason)


def _end_messages(session: Session, ids: Sequence[UUID], state: str, reason: str) -> None:
    """End open messages, and their notices.

    Another transaction may have dropped a notice or erased its member; then that later state stays.
    """
    values = {"ids": ids, "new_state": state, "new_reason": reason}
    session.execute(_END_MESSAGES, values)
    session.execute(_END_NOTICES, values | {"at": clock.now()})


def _is_reminder(message: Message) -> bool:
    return message.is_digest or (message.kind in KINDS and KINDS[message.kind].waits)


def _ended(attempt_id: UUID, outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "id": attempt_id,
        "state": outcome.state,
        "provider_id": outcome.provider_id[:128],
        "reason": outcome.reason[:64],
        "ended_at": now,
    }
