"""Jobs of notifications: remove returned loans from notices, delete old rows, and settle a restored database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, literal, or_, select, tuple_, update

from chassis import clock
from chassis.context import system
from chassis.database.column_types import Id
from chassis.database.db import Database
from chassis.database.sql import delete_rows, update_many
from chassis.service import Resources
from services.notifications.conversations.store import DONE
from services.notifications.members import erase_member, forgotten_key, history_keepers
from services.notifications.notices import MARKS_KEPT
from services.notifications.staff_addresses import UNCONFIRMED_KEPT, UNUSED_KEPT
from services.notifications.tables import (
    Attempt,
    Conversation,
    ConversationMessage,
    InboundMessage,
    LoanMark,
    Message,
    Notice,
    StaffAddress,
)

KEPT = timedelta(days=14)
ROWS_KEPT = timedelta(days=400)
# A message whose sender named no institution cannot be answered after a day, and belongs to nobody.
UNNAMED_KEPT = timedelta(days=7)
# Providers repeat callbacks for some days. A message that waits longer, such as for an institution that does not exist,
# cannot be answered any more. Messages of people are not needed long after their answers.
CALLBACKS_KEPT, CONVERSATIONS_KEPT = timedelta(days=30), timedelta(days=90)
BATCH = 200
PAGE = 1_000
PAUSE_SECONDS = 0.005
FORGETTING, RESTORE = system("forgetting"), system("restore")
RESTORED = "RESTORED"


def forget_old_rows(resources: Resources, stop: threading.Event) -> None:
    """Remove loans that were returned 14 days ago from their notices, and delete rows that are no longer needed.

    Counts by channel and day stay.
    """
    now = clock.now()
    forget_loans(resources.database, now - KEPT, stop)
    oldest = now - ROWS_KEPT
    database = resources.database
    delete_rows(database, FORGETTING, LoanMark.__table__, LoanMark.returned_at <= now - MARKS_KEPT, stop)  # type: ignore[arg-type]
    for table, condition in (
        (Notice, and_(Notice.made_at <= oldest, Notice.state.not_in(("waiting", "sending", "print")))),
        (Attempt, Attempt.message_id.in_(select(Message.id).where(_unused()))),
        (Message, _unused()),
        (InboundMessage, InboundMessage.received_at <= now - CALLBACKS_KEPT),
        (InboundMessage, InboundMessage.asked_at <= now - UNNAMED_KEPT),
        (ConversationMessage, ConversationMessage.conversation_id.in_(select(Conversation.id).where(_ended(now)))),
        (Conversation, _ended(now)),
        (StaffAddress, or_(StaffAddress.at <= now - UNUSED_KEPT, _unconfirmed(now))),
    ):
        delete_rows(database, FORGETTING, table.__table__, condition, stop)  # type: ignore[arg-type]


def _unused() -> Any:
    """Return the condition for old messages whose notices are deleted."""
    has_notice = select(Notice.id).where(Notice.message_id == Message.id).exists()
    return and_(Message.made_at <= clock.now() - ROWS_KEPT, ~has_notice)


def _unconfirmed(now: datetime) -> Any:
    return and_(~StaffAddress.is_confirmed, StaffAddress.at <= now - UNCONFIRMED_KEPT)


def _ended(now: datetime) -> Any:
    """Return the condition for done conversations after CONVERSATIONS_KEPT, and for all after ROWS_KEPT."""
    is_done = and_(Conversation.state == DONE, Conversation.last_at <= now - CONVERSATIONS_KEPT)
    return or_(is_done, Conversation.last_at <= now - ROWS_KEPT)


def forget_loans(database: Database, until: datetime, stop: threading.Event) -> int:
    """Remove loan, item, title and text from the notices of loans that were returned before a moment.

    Notices of members who keep the history of their loans are not changed.

    returns  the number of changed notices
    """
    # A loan without a mark was returned long ago, or the notice is new and the mark does not exist yet.
    is_old = or_(LoanMark.returned_at <= until, and_(LoanMark.id.is_(None), Notice.made_at <= until))
    place = tuple_(Notice.loan_id, Notice.id)
    count, after = 0, (UUID(int=0), UUID(int=0))
    while not stop.is_set():
        # Reads all notices with a loan, page by page in the order of an index, because a query for members without a
        # history would take long when most members keep one. Read outside the write lock.
        query = (
            select(Notice.id, Notice.loan_id, Notice.member_id, Notice.message_id, is_old.label("is_old"))
            .outerjoin(LoanMark, LoanMark.id == Notice.loan_id)
            .where(place > tuple_(*(literal(key, Id) for key in after)))
            .order_by(Notice.loan_id, Notice.id)
            .limit(PAGE)
        )
        with database.reading(FORGETTING) as session:
            rows = session.execute(query).all()
            old = [row for row in rows if row.is_old]
            keepers = history_keepers(session, [row.member_id for row in old if row.member_id is not None])
        if not rows:
            break
        after = (rows[-1].loan_id, rows[-1].id)
        forgotten = [row for row in old if row.member_id not in keepers]
        for start in range(0, len(forgotten), BATCH):
            count += _forget(database, forgotten[start : start + BATCH])
        stop.wait(PAUSE_SECONDS)
    return count


def _forget(database: Database, rows: Sequence[Any]) -> int:
    """Remove loan, item, title and text from notices. Returns the number of notices.

    rows  (id, message_id)
    """
    # The subject key contains the loan too.
    gone: dict[str, Any] = {"loan_id": None, "item_id": None, "title": ""}
    values = [{"id": row.id, "subject_key": forgotten_key(row.id), **gone} for row in rows]
    messages = [row.message_id for row in rows if row.message_id is not None]
    with database.transaction(FORGETTING) as session:
        update_many(session, Notice, values, key="id")
        session.execute(update(Message).where(Message.id.in_(messages)).values(sealed=None))
    return len(rows)


def settle_restored(resources: Resources) -> None:
    """Erase members again who were erased after the backup, and mark due notices as unknown, in a restored database.

    Due notices may have been sent after the backup. The next step of a loan gives a new reminder; staff may send other
    notices again.
    """
    now = clock.now()
    with resources.database.transaction(RESTORE) as session:
        for erased in resources.erasures:
            erase_member(session, erased.id, institution_id=erased.institution_id)
        is_open = Notice.state.in_(("waiting", "sending"))
        unknown = {"state": "unknown", "reason": RESTORED, "changed_at": now}
        session.execute(update(Notice).where(is_open, Notice.due_at <= now).values(**unknown))
        session.execute(update(Message).where(Message.state == "open").values(state="unknown", reason=RESTORED))
