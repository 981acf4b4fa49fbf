"""Creates notices from facts, once each, and drops those that are no longer needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_ignore, upsert_newer
from chassis.ids import new_id
from chassis.metrics import telemetry
from rangkiang.circulation.v1.events_pb2 import LoanFact
from services.notifications.institutions import USUAL
from services.notifications.members import addressee
from services.notifications.tables import LoanMark, Notice

# Kinds that facts about loans make or end. Only the handlers use other kinds.
DUE_SOON, OVERDUE, DUE_DATE_MOVED = "due_soon", "overdue", "due_date_moved"
LOAN_RECEIPT, RENEWAL_RECEIPT = "loan_receipt", "renewal_receipt"
REMINDERS = (DUE_SOON, OVERDUE)
# Notices about a due date, which a later due date makes obsolete.
OF_DUE_DATE = (*REMINDERS, DUE_DATE_MOVED)
LONGEST_TITLE = 120
# A mark is kept as long as a fact may be delivered again, which is the retention of the inbox.
MARKS_KEPT = timedelta(days=30)

_notices: Any = Notice.__table__
# Built once, because each fact about a due date needs it.
_REMINDERS = select(_notices.c.kind, _notices.c.facts).where(
    _notices.c.loan_id == bindparam("loan"),
    or_(_notices.c.kind == DUE_SOON, _notices.c.kind == OVERDUE),
    _notices.c.day == bindparam("due_on"),
)


def read_mark(session: Session, loan: LoanFact, *, returned: bool = False) -> LoanMark | None:
    """Store the state of a loan unless a later state is stored; return the stored state.

    returned  the loan has ended
    """
    row = {
        "id": UUID(loan.loan_id),
        "institution_id": UUID(loan.institution_id),
        "state_version": loan.state_version,
        "due_on": date.fromisoformat(loan.due_on) if loan.due_on else date.min,
        "returned_at": clock.now() if returned else None,
    }
    if upsert_newer(session, LoanMark, [row], key="id", version="state_version"):
        return LoanMark(**row)
    return session.get(LoanMark, row["id"], populate_existing=True)


def is_current(mark: LoanMark | None, loan: LoanFact) -> bool:
    """Return whether a loan is open and still has the due date of the fact."""
    return mark is not None and mark.returned_at is None and mark.due_on.isoformat() == loan.due_on


def make_notice(
    session: Session,
    kind: str,
    *,
    key: str,
    institution_id: str,
    member_id: str,
    loan: LoanFact | None = None,
    day: str = "",
    facts: Mapping[str, Any] | None = None,
    zone: str = "",
) -> bool:
    """Make a notice once. Returns False when a notice with this key exists, or the member was erased.

    key   subject and step; unique together with the kind
    day   the day that the notice is about, ISO 8601
    zone  the notice waits during quiet hours in this zone; "": it is due at once
    """
    member = addressee(session, UUID(member_id)) if member_id else None
    if member is None:
        return False
    now = clock.now()
    row = {
        "id": new_id(),
        "institution_id": UUID(institution_id),
        "member_id": member,
        "kind": kind,
        "subject_key": f"{kind}:{key}",
        "loan_id": UUID(loan.loan_id) if loan is not None and loan.loan_id else None,
        "item_id": UUID(loan.item_id) if loan is not None and loan.item_id else None,
        "branch_id": UUID(loan.branch_id) if loan is not None and loan.branch_id else None,
        "title": loan.title[:LONGEST_TITLE] if loan is not None else "",
        "day": date.fromisoformat(day) if day else None,
        "facts": dict(facts or {}),
        "due_at": USUAL.next_moment(now, zone) if zone else now,
        "state": "waiting",
        "reason": "",
        "message_id": None,
        "traceparent": telemetry.traceparent(),
        "made_at": now,
        "changed_at": now,
    }
    return insert_ignore(session, Notice, [row], key=["subject_key"]) == 1


def drop_waiting(
    session: Session, loan_id: str, kinds: tuple[str, ...], reason: str, *, keep: str = "", keep_day: str = ""
) -> None:
    """Drop notices of a loan that are waiting or on the print list.

    reason    LOAN_RETURNED, LOAN_RENEWED, DUE_DATE_MOVED or NEWER_NOTICE
    keep      subject key of a notice that stays
    keep_day  notices about this day stay, ISO 8601
    """
    values = {
        "of_loan": UUID(loan_id),
        "kept": keep,
        "kept_day": date.fromisoformat(keep_day) if keep_day else date.min,
        "why": reason,
        "moment": clock.now(),
    }
    session.execute(_drop(kinds), values)


@lru_cache(maxsize=16)
def _drop(kinds: tuple[str, ...]) -> Any:
    is_of_loan = and_(_notices.c.loan_id == bindparam("of_loan"), or_(*(_notices.c.kind == kind for kind in kinds)))
    is_waiting = or_(_notices.c.state == "waiting", _notices.c.state == "print")
    return (
        update(_notices)
        .where(is_of_loan, is_waiting, _notices.c.subject_key != bindparam("kept"))
        .where(or_(_notices.c.day.is_(None), _notices.c.day != bindparam("kept_day")))
        .values(state="dropped", reason=bindparam("why"), changed_at=bindparam("moment"))
    )


def has_later_step(session: Session, loan: LoanFact, step: int) -> bool:
    """Return whether a notice of a later step exists for the same due date."""
    return any(row.facts.get("step", 0) > step for row in _reminders(session, loan))


def has_reminder(session: Session, loan: LoanFact) -> bool:
    """Return whether a reminder or an overdue notice exists for the same due date."""
    return any(_reminders(session, loan))


def _reminders(session: Session, loan: LoanFact) -> Sequence[Any]:
    values = {"loan": UUID(loan.loan_id), "due_on": date.fromisoformat(loan.due_on)}
    return session.execute(_REMINDERS, values).all()


def drop_earlier(session: Session, member_id: str, kind: str, *, keep: str = "", reason: str) -> None:
    """Drop a member's notices of a kind that are waiting or on the print list, such as the code of an earlier slip."""
    drop = update(Notice).where(
        Notice.member_id == UUID(member_id),
        Notice.kind == kind,
        Notice.state.in_(("waiting", "print")),
        Notice.subject_key != f"{kind}:{keep}",
    )
    session.execute(drop.values(state="dropped", reason=reason, changed_at=clock.now()))


def settle(session: Session, ids: Collection[UUID], state: str, *, reason: str = "", **values: Any) -> None:
    """Store a state and its reason for notices."""
    changed = {"state": state, "reason": reason, "changed_at": clock.now(), **values}
    session.execute(update(Notice).where(Notice.id.in_(ids)).values(**changed))


def moment_of(text: str) -> datetime:
    """Read a moment in the facts of a notice."""
    return datetime.fromisoformat(text)
