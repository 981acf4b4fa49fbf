"""Statuses from a provider's callback; a state never changes to an earlier one."""

from __future__ import annotations

from collections import Counter
from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.ids import parse_or_nil
from services.notifications.channels.whatsapp import outcome_of_error
from services.notifications.conversations.callbacks import Status
from services.notifications.ledger import count_attempts, refuse_address
from services.notifications.tables import Attempt, Message, Notice

# Higher ranks replace lower ones. A delivered message cannot fail later.
_RANK = {
    "started": 0, "unknown": 1, "temporary": 1, "accepted": 2, "sent": 2, "failed": 3, "delivered": 4, "read": 5,
}  # fmt: skip
# A late status does not change notices that staff or rules have ended.
_LIVE = ("open", "sending", "sent", "unknown", "failed", "delivered")


def record_status(session: Session, status: Status, *, channel: str, day: date) -> bool:
    """Store a status for an attempt, its message and its notices. Returns whether anything changed.

    channel  name of the channel of the status' number
    day      today, for the counts of the channel
    """
    attempt = _find_attempt(session, status, channel)
    if attempt is None or status.status == "sent":
        return False
    if _RANK[status.status] <= _RANK.get(attempt.state, 9):
        return False
    outcome = outcome_of_error(status.code) if status.status == "failed" else None
    attempt.state = status.status
    attempt.reason = outcome.reason if outcome else ""
    attempt.ended_at = status.at
    if not attempt.provider_id:
        attempt.provider_id = status.provider_id
    if outcome and outcome.is_address_bad:
        member_id = session.scalar(select(Message.member_id).where(Message.id == attempt.message_id))
        if member_id is not None:
            refuse_address(
                session, attempt.address_hash, institution_id=attempt.institution_id, member_id=member_id,
                channel=channel, reason=outcome.reason, at=status.at,
            )  # fmt: skip
    count_attempts(session, Counter({(attempt.institution_id, channel, day, status.status): 1}))
    if outcome:
        _try_next_channel(session, attempt)
        return True
    values = {"state": status.status, "reason": ""}
    of_message = Message.id == attempt.message_id
    session.execute(update(Message).where(of_message, Message.state.in_(_LIVE)).values(**values))
    notices = update(Notice).where(Notice.message_id == attempt.message_id, Notice.state.in_(_LIVE))
    session.execute(notices.values(**values, changed_at=status.at))
    return True


def _try_next_channel(session: Session, attempt: Attempt) -> None:
    """Continue with the next channel, or with a letter, unless the sender has already done so."""
    newest = select(Attempt.id).where(Attempt.message_id == attempt.message_id).order_by(Attempt.id.desc()).limit(1)
    if session.scalar(newest) != attempt.id:
        return
    now = clock.now()
    # Tried channels are not tried again, except the channel in the message's row, which is therefore cleared.
    again = {"state": "open", "reason": attempt.reason, "channel": "", "tries": 0, "next_at": now, "since": now}
    is_undecided = Message.state.in_(("open", "sent", "unknown"))
    message = update(Message).where(Message.id == attempt.message_id, is_undecided).values(**again)
    if session.scalar(message.returning(Message.id)) is None:
        return
    notices = update(Notice).where(
        Notice.message_id == attempt.message_id, Notice.state.in_(("sending", "sent", "unknown"))
    )
    session.execute(notices.values(state="sending", reason=attempt.reason, changed_at=now))


def _find_attempt(session: Session, status: Status, channel: str) -> Attempt | None:
    """Find the attempt by the provider's id, or by our id if the answer to the hand-over was lost."""
    of_channel = Attempt.channel == channel
    attempt = session.scalar(select(Attempt).where(of_channel, Attempt.provider_id == status.provider_id).limit(1))
    if attempt is not None or not status.message_id:
        return attempt
    message_id = parse_or_nil(status.message_id)
    query = select(Attempt).where(of_channel, Attempt.message_id == message_id, Attempt.provider_id == "")
    return session.scalar(query.order_by(Attempt.id.desc()).limit(1))
