"""Messages of people, from callbacks: stored until their institution is known and they are processed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.errors import Unavailable
from chassis.institutions import SANDBOX
from chassis.security.encryption import MasterKey
from services.notifications.conversations.callbacks import Inbound
from services.notifications.members import hash_address
from services.notifications.tables import Attempt, Conversation, InboundMessage, Institution

# WhatsApp accepts free text this long after the person's last message.
WINDOW = timedelta(hours=24)
WROTE_LATELY = timedelta(days=30)
# A person, or a machine that answers each message, is not asked more often in 24 hours for the institution.
MOST_QUESTIONS = 3
_INBOUND = "inbound message"


@dataclass(frozen=True, slots=True)
class Pending:
    """A message without an answer.

    institution_id  the institution that the sender named; None without one
    is_unreadable   the stored message is damaged: address and text are ""
    """

    provider_id: str
    channel: str
    address: str
    text: str
    at: datetime
    institution_id: UUID | None = None
    is_unreadable: bool = False


def add_inbound(
    session: Session, messages: Iterable[Inbound], *, channels: Mapping[str, str], master: MasterKey
) -> int:
    """Store the new messages of a callback. Returns their number.

    channels  phone_number_id -> name of the channel; messages to other numbers are left out
    """
    count = 0
    for message in messages:
        if message.number not in channels:
            continue
        content = json.dumps([message.sender, message.text]).encode()
        row = {
            "provider_id": message.provider_id,
            "channel": channels[message.number],
            "sender_hash": _hash_sender(master, message.sender),
            "sealed": master.seal(content, use=_INBOUND),
            "sent_at": message.at,
            "received_at": clock.now(),
        }
        statement = insert_for(session, InboundMessage).values(**row)
        statement = statement.on_conflict_do_nothing(index_elements=["provider_id"])
        count += len(session.scalars(statement.returning(InboundMessage.provider_id)).all())
    return count


def read_pending(
    session: Session,
    master: MasterKey,
    *,
    without: Collection[str] = (),
    after: Pending | None = None,
    most: int = 100,
) -> list[Pending]:
    """Return the oldest messages without an answer, without those whose sender was asked for the institution.

    Damaged messages are marked, so that they do not stop others.

    master   the master key of this database; with another key every message would seem damaged
    without  names of channels whose messages are left out
    after    the last message of the page before
    """
    sent_at, provider_id = InboundMessage.sent_at, InboundMessage.provider_id
    query = select(InboundMessage).where(
        InboundMessage.sealed.is_not(None),
        InboundMessage.asked_at.is_(None),
        InboundMessage.channel.not_in(without),
    )
    if after is not None:
        query = query.where(or_(sent_at > after.at, and_(sent_at == after.at, provider_id > after.provider_id)))
    pending = []
    for row in session.scalars(query.order_by(sent_at, provider_id).limit(most)):
        assert row.sealed is not None
        address, text, is_unreadable = "", "", False
        try:
            address, text = json.loads(master.open(row.sealed, use=_INBOUND))
        except Unavailable:
            is_unreadable = True
        pending.append(
            Pending(row.provider_id, row.channel, address, text, row.sent_at, row.institution_id, is_unreadable)
        )
    return pending


def end_pending(session: Session, provider_id: str) -> bool:
    """Delete the sealed content of an inbound message that is processed. False if another process was first."""
    done = update(InboundMessage).where(InboundMessage.provider_id == provider_id, InboundMessage.sealed.is_not(None))
    return session.execute(done.values(sealed=None)).rowcount == 1  # type: ignore[attr-defined, no-any-return]


def read_institutions(session: Session) -> list[Institution]:
    """Return the institutions, in order of code, without sandboxes: to them nobody writes."""
    is_sandbox = Institution.code.startswith(SANDBOX, autoescape=True)
    return list(session.scalars(select(Institution).where(~is_sandbox).order_by(Institution.code)))


def institutions_that_wrote(
    session: Session, master: MasterKey, channel: str, address: str, ids: Sequence[UUID]
) -> set[UUID]:
    """Return the institutions whose notices were sent to a number over a channel in the last 30 days."""
    hashes = [hash_address(master, institution_id, address) for institution_id in ids]
    query = select(Attempt.institution_id).where(
        Attempt.address_hash.in_(hashes), Attempt.channel == channel, Attempt.started_at > clock.now() - WROTE_LATELY
    )
    return set(session.scalars(query.distinct()))


def last_institution(
    session: Session, master: MasterKey, channel: str, address: str, ids: Sequence[UUID]
) -> UUID | None:
    """Return the institution with which a number has its latest conversation in the last 24 hours; None without one."""
    hashes = [hash_address(master, institution_id, address) for institution_id in ids]
    query = select(Conversation.institution_id).where(
        Conversation.channel == channel,
        Conversation.address_hash.in_(hashes),
        Conversation.last_at > clock.now() - WINDOW,
    )
    return session.scalar(query.order_by(Conversation.last_at.desc()).limit(1))


def set_aside(session: Session, master: MasterKey, message: Pending) -> bool | None:
    """Let a message wait until its sender names an institution.

    returns  whether the sender should be asked: not again for messages that were sent before the last question, and at
             most MOST_QUESTIONS times; None if another process was first
    """
    of_sender = (
        InboundMessage.sender_hash == _hash_sender(master, message.address),
        InboundMessage.channel == message.channel,
        InboundMessage.asked_at > clock.now() - WINDOW,
    )
    asked = session.scalars(select(InboundMessage.asked_at).where(*of_sender)).all()
    waits = update(InboundMessage).where(
        InboundMessage.provider_id == message.provider_id,
        InboundMessage.sealed.is_not(None),
        InboundMessage.asked_at.is_(None),
    )
    moment = clock.now()
    last = max((moment_asked for moment_asked in asked if moment_asked is not None), default=None)
    is_asked_already = last is not None and message.at <= last
    asked_at = last if is_asked_already else moment
    if session.execute(waits.values(asked_at=asked_at)).rowcount != 1:  # type: ignore[attr-defined]
        return None
    return not is_asked_already and len(set(asked)) < MOST_QUESTIONS


def ask_again(session: Session, provider_id: str) -> None:
    """Process a message again, because its sender could not be asked."""
    again = update(InboundMessage).where(InboundMessage.provider_id == provider_id)
    session.execute(again.values(asked_at=None))


def name_institution(session: Session, master: MasterKey, message: Pending, institution_id: UUID) -> None:
    """Give the waiting messages of a sender, including this one, to the institution that the sender named."""
    of_sender = update(InboundMessage).where(
        InboundMessage.sender_hash == _hash_sender(master, message.address),
        InboundMessage.channel == message.channel,
        InboundMessage.sealed.is_not(None),
    )
    session.execute(of_sender.values(institution_id=institution_id, asked_at=None))


def _hash_sender(master: MasterKey, address: str) -> bytes:
    """Return the keyed hash of a number, whose institution is not known."""
    return master.lookup("inbound/sender", address)
