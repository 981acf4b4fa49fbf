"""Stored conversations: each is sealed under its own key and has at most ten messages."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.cursors import cursor_invalid, moment, read_cursor, write_cursor
from chassis.database.column_types import Id, UtcTime
from chassis.errors import Invalid, NotFound, Refused, Unavailable
from chassis.ids import new_id, parse_or_nil
from chassis.security.encryption import MasterKey, MemberKey
from services.notifications.conversations.inbound import WINDOW, Pending
from services.notifications.tables import Conversation, ConversationMessage

log = logging.getLogger(__name__)

KEPT_MESSAGES = 10
LONGEST_REPLY = 1_000
OPEN, DONE = "open", "done"
UNKNOWN = "unknown"  # of an answer
_TEXT, _ADDRESS = "conversation text", "conversation address"


@dataclass(frozen=True, slots=True)
class Line:
    """A decrypted message of a conversation.

    is_unreadable  the stored message is damaged: the text is ""
    """

    id: UUID
    is_inbound: bool
    text: str
    state: str
    at: datetime
    is_unreadable: bool = False


def add_message(
    session: Session,
    master: MasterKey,
    message: Pending,
    *,
    institution_id: UUID,
    address_hash: bytes,
    member_id: UUID | None,
    language: str,
    is_answered: bool,
) -> Conversation:
    """Add a message to its conversation, and open the conversation unless the message is answered."""
    where = (
        Conversation.institution_id == institution_id,
        Conversation.channel == message.channel,
        Conversation.address_hash == address_hash,
    )
    row = session.scalar(select(Conversation).where(*where).with_for_update())
    now = clock.now()
    if row is None:
        conversation_id = new_id()
        key, wrapped = MemberKey.new(master, member=_owner(conversation_id))
        row = Conversation(
            id=conversation_id,
            institution_id=institution_id,
            channel=message.channel,
            address_hash=address_hash,
            wrapped_key=wrapped,
            sealed_address=key.seal(message.address.encode(), use=_ADDRESS),
            state=DONE,
            last_at=message.at,
            handed_over_at=None,
            made_at=now,
        )
        session.add(row)
    else:
        _mend(master, row, message.address)
    row.member_id = member_id
    row.language = language
    row.last_at = max(row.last_at, message.at)
    if not is_answered:
        row.state = OPEN
    session.flush()
    _add_line(session, master, row, message.text, is_inbound=True, state="answered" if is_answered else "received")
    return row


def add_answer(session: Session, master: MasterKey, row: Conversation, text: str) -> UUID:
    """Add an answer that must be sent. Returns its id, which is also the id of the message at the provider."""
    return _add_line(session, master, row, text, is_inbound=False, state="waiting")


def reply(session: Session, read_master: Callable[[], MasterKey], conversation_id: UUID, text: str) -> Conversation:
    """Add an answer of staff, within 24 hours of the person's last message, and end the conversation.

    raises  NotFound  CONVERSATION_UNKNOWN
            Invalid   REPLY_EMPTY, REPLY_TOO_LONG
            Refused   WINDOW_CLOSED
    """
    row = _locked(session, conversation_id)
    text = text.strip()
    if not text:
        raise Invalid("REPLY_EMPTY")
    if len(text) > LONGEST_REPLY:
        raise Invalid("REPLY_TOO_LONG", longest=LONGEST_REPLY)
    if not is_window_open(row.last_at, clock.now()):
        raise Refused("WINDOW_CLOSED")
    add_answer(session, read_master(), row, text)
    _end(row)
    return row


def close(session: Session, conversation_id: UUID) -> Conversation:
    """End a conversation. Raises NotFound CONVERSATION_UNKNOWN."""
    row = _locked(session, conversation_id)
    _end(row)
    return row


def take(session: Session, conversation_id: UUID, account: str) -> Conversation:
    """Assign an open conversation to a staff account, also if another account had it.

    raises  NotFound  CONVERSATION_UNKNOWN
            Refused   CONVERSATION_DONE
    """
    row = _locked(session, conversation_id)
    if row.state != OPEN:
        raise Refused("CONVERSATION_DONE")
    row.taken_by, row.taken_at = account, clock.now()
    return row


@dataclass(frozen=True, slots=True)
class Page:
    """A page of conversations, the total number, and the cursor of the next page; "" on the last page."""

    rows: list[Conversation]
    total: int
    cursor: str


def list_conversations(session: Session, *, state: str, limit: int, cursor: str = "") -> Page:
    """List conversations: open ones the oldest first, done ones the newest first.

    cursor  cursor of the previous page with the same state
    raises  Invalid  CURSOR_INVALID
    """
    where = [Conversation.state == state] if state else []
    total = session.scalar(select(func.count()).select_from(Conversation).where(*where)) or 0
    place = tuple_(Conversation.last_at, Conversation.id)
    if cursor:
        of, its_state, last_at, last_id = read_cursor(cursor, "conversations", str, str, moment, UUID)
        if of != state:
            raise cursor_invalid()
        here = tuple_(literal(last_at, UtcTime), literal(last_id, Id))
        beyond = place < here if state == DONE else place > here
        where.append(or_(Conversation.state < its_state, and_(Conversation.state == its_state, beyond)))
    keys = (Conversation.last_at, Conversation.id)
    order = [key.desc() for key in keys] if state == DONE else [Conversation.state.desc(), *keys]
    rows = list(session.scalars(select(Conversation).where(*where).order_by(*order).limit(limit + 1)))
    return Page(rows[:limit], total, _cursor(state, rows[limit - 1]) if len(rows) > limit else "")


def _cursor(state: str, last: Conversation) -> str:
    return write_cursor("conversations", state, last.state, last.last_at, last.id)


def find(session: Session, conversation_id: str) -> Conversation:
    """Return a conversation of the caller's institution. Raises NotFound CONVERSATION_UNKNOWN."""
    row = session.get(Conversation, parse_or_nil(conversation_id))
    if row is None:
        raise NotFound("CONVERSATION_UNKNOWN", id=conversation_id[:40])
    return row


def read_lines(session: Session, master: MasterKey, row: Conversation) -> tuple[str, list[Line]]:
    """Return the number and the messages of a conversation, see `read_all_lines`."""
    return read_all_lines(session, master, [row])[0]


def read_all_lines(session: Session, master: MasterKey, rows: Sequence[Conversation]) -> list[tuple[str, list[Line]]]:
    """Return the number and the messages of each conversation, the oldest message first, with one statement.

    A damaged number is "", and a damaged message is marked as unreadable; neither hides the rest.
    """
    query = select(ConversationMessage).where(ConversationMessage.conversation_id.in_([row.id for row in rows]))
    sealed: dict[UUID, list[ConversationMessage]] = defaultdict(list)
    for message in session.scalars(query.order_by(ConversationMessage.id)):
        sealed[message.conversation_id].append(message)
    opened = []
    for row in rows:
        key = _read_key(master, row)
        lines = []
        for line in sealed[row.id]:
            text = _open(key, line.sealed, use=_TEXT)
            lines.append(Line(line.id, line.is_inbound, text or "", line.state, line.at, is_unreadable=text is None))
        opened.append((_open(key, row.sealed_address, use=_ADDRESS) or "", lines))
    return opened


def waiting_answers(session: Session, *, most: int = 100) -> list[tuple[UUID, UUID]]:
    """Return (answer, conversation) ids of answers that must be sent."""
    query = select(ConversationMessage.id, ConversationMessage.conversation_id)
    query = query.where(ConversationMessage.state == "waiting").order_by(ConversationMessage.id).limit(most)
    return [(row.id, row.conversation_id) for row in session.execute(query)]


def move_answer(session: Session, answer_id: UUID, *, before: str, after: str) -> bool:
    """Change the state of an answer. False if its state was not `before`."""
    moved = update(ConversationMessage).where(ConversationMessage.id == answer_id, ConversationMessage.state == before)
    return session.execute(moved.values(state=after)).rowcount == 1  # type: ignore[attr-defined, no-any-return]


def end_begun_answers(session: Session) -> int:
    """Mark answers as unknown that were begun but have no outcome, because their process died. Returns their number.

    Their conversations open again for staff. The answers are not sent again, because the Cloud API would deliver both.
    """
    begun = update(ConversationMessage).where(ConversationMessage.state == "sending")
    conversations = session.scalars(begun.values(state=UNKNOWN).returning(ConversationMessage.conversation_id)).all()
    session.execute(update(Conversation).where(Conversation.id.in_(conversations)).values(state=OPEN))
    return len(conversations)


def is_window_open(last_at: datetime, now: datetime) -> bool:
    """Return whether WhatsApp accepts free text, because the person has written in the last 24 hours."""
    return now - last_at < WINDOW


def open_windows(session: Session, channel: str, address_hashes: Sequence[bytes]) -> set[bytes]:
    """Return the hashes of those numbers that wrote in the last 24 hours."""
    query = select(Conversation.address_hash).where(
        Conversation.channel == channel,
        Conversation.address_hash.in_(list(address_hashes)),
        Conversation.last_at > clock.now() - WINDOW,
    )
    return set(session.scalars(query))


def erase_member(session: Session, member_id: UUID) -> None:
    """Delete the conversations of an erased member, including their keys."""
    ids = select(Conversation.id).where(Conversation.member_id == member_id)
    session.execute(delete(ConversationMessage).where(ConversationMessage.conversation_id.in_(ids)))
    session.execute(delete(Conversation).where(Conversation.member_id == member_id))


def _add_line(
    session: Session, master: MasterKey, row: Conversation, text: str, *, is_inbound: bool, state: str
) -> UUID:
    key = MemberKey.unwrap(master, row.wrapped_key, member=_owner(row.id))
    line = ConversationMessage(
        id=new_id(),
        institution_id=row.institution_id,
        conversation_id=row.id,
        is_inbound=is_inbound,
        sealed=key.seal(text.encode(), use=_TEXT),
        state=state,
        at=clock.now(),
    )
    session.add(line)
    session.flush()
    newest = (
        select(ConversationMessage.id)
        .where(ConversationMessage.conversation_id == row.id)
        .order_by(ConversationMessage.id.desc())
        .limit(KEPT_MESSAGES)
    )
    newest_ids = list(session.scalars(newest))
    session.execute(
        delete(ConversationMessage).where(
            ConversationMessage.conversation_id == row.id, ConversationMessage.id.not_in(newest_ids)
        )
    )
    return line.id


def _end(row: Conversation) -> None:
    row.state, row.taken_by, row.taken_at = DONE, None, None


def _locked(session: Session, conversation_id: UUID) -> Conversation:
    row = session.scalar(select(Conversation).where(Conversation.id == conversation_id).with_for_update())
    if row is None:
        raise NotFound("CONVERSATION_UNKNOWN", id=str(conversation_id))
    return row


def _mend(master: MasterKey, row: Conversation, address: str) -> None:
    """Replace a damaged key and a damaged number. Earlier messages under a damaged key stay unreadable."""
    key = _read_key(master, row)
    if key is None:
        log.warning("conversation_key_replaced", extra={"conversation": str(row.id)})
        key, row.wrapped_key = MemberKey.new(master, member=_owner(row.id))
    if _open(key, row.sealed_address, use=_ADDRESS) is None:
        row.sealed_address = key.seal(address.encode(), use=_ADDRESS)


def _read_key(master: MasterKey, row: Conversation) -> MemberKey | None:
    """Return the key of a conversation; None when it is damaged."""
    try:
        return MemberKey.unwrap(master, row.wrapped_key, member=_owner(row.id))
    except Unavailable:
        return None


def _open(key: MemberKey | None, sealed: bytes, *, use: str) -> str | None:
    """Decrypt a value; None when it or the key is damaged."""
    try:
        return key.open(sealed, use=use).decode() if key else None
    except Unavailable:
        return None


def _owner(conversation_id: UUID) -> str:
    return f"conversation/{conversation_id}"
