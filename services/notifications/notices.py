"""Creates notices from events, once each, and drops those that are no longer needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_into, upsert_newer
from chassis.ids import new_id
from chassis.metrics import telemetry
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from services.notifications.institutions import USUAL
from services.notifications.members import addressees
from services.notifications.tables import LoanMark, Notice

# Kinds that events about loans make or end. Only the handlers use other kinds.
DUE_SOON, OVERDUE, DUE_DATE_MOVED = "due_soon", "overdue", "due_date_moved"
LOAN_RECEIPT, RENEWAL_RECEIPT = "loan_receipt", "renewal_receipt"
REMINDERS = (DUE_SOON, OVERDUE)
# Notices about a due date, which a later due date makes obsolete.
OF_DUE_DATE = (*REMINDERS, DUE_DATE_MOVED)
LONGEST_TITLE = 120
# A mark is kept as long as an event may be delivered again, which is the retention of the inbox.
MARKS_KEPT = timedelta(days=30)

_notices: Any = Notice.__table__
_marks: Any = LoanMark.__table__
# Built once, because each event of a loan needs them.
_REMINDERS = select(_notices.c.loan_id, _notices.c.day, _notices.c.facts).where(
    _notices.c.loan_id.in_(bindparam("loans", expanding=True)),
    or_(_notices.c.kind == DUE_SOON, _notices.c.kind == OVERDUE),
)
_MARKS = select(_marks.c.id, _marks.c.due_on, _marks.c.returned_at).where(
    _marks.c.id.in_(bindparam("loans", expanding=True))
)
_ADD = {
    name: insert_into(_notices, name)
    .on_conflict_do_nothing(index_elements=["subject_key"])
    .returning(_notices.c.subject_key)
    for name in ("sqlite", "postgresql")
}


class Mark(NamedTuple):
    """The newest state of a loan."""

    due_on: date
    returned_at: datetime | None

    def is_current(self, loan: LoanCopy) -> bool:
        """Return whether the loan is open and still has the due date of the event."""
        return self.returned_at is None and self.due_on.isoformat() == loan.due_on


def store_marks(session: Session, loans: Sequence[tuple[LoanCopy, bool]]) -> dict[str, Mark]:
    """Store the states of different loans unless later states are stored. Returns loan id -> the stored state.

    loans  (loan, whether it has ended)
    """
    now = clock.now()
    rows = [
        {
            "id": UUID(loan.loan_id),
            "institution_id": UUID(loan.institution_id),
            "state_version": loan.state_version,
            "due_on": date.fromisoformat(loan.due_on) if loan.due_on else date.min,
            "returned_at": now if has_ended else None,
        }
        for loan, has_ended in loans
    ]
    upsert_newer(session, LoanMark, rows, key="id", version="state_version")
    stored = session.execute(_MARKS, {"loans": [row["id"] for row in rows]})
    return {str(row.id): Mark(row.due_on, row.returned_at) for row in stored}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """A notice to be made once.

    key       subject and step; unique together with the kind
    day       the day that the notice is about, ISO 8601
    zone      the notice waits during quiet hours in this zone; "": it is due at once
    replaces  kinds of waiting notices of the loan that it replaces
    """

    kind: str
    key: str
    institution_id: str
    member_id: str
    loan: LoanCopy | None = None
    day: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    zone: str = ""
    replaces: tuple[str, ...] = ()

    @property
    def subject_key(self) -> str:
        return f"{self.kind}:{self.key}"


def of_loan(kind: str, key: str, loan: LoanCopy, **more: Any) -> NewNotice:
    """Return a notice of a loan for its member."""
    return NewNotice(
        kind=kind, key=key, institution_id=loan.institution_id, member_id=loan.member_id, loan=loan, **more
    )


def make_notice(session: Session, kind: str, **fields: Any) -> bool:
    """Make a notice with the fields of NewNotice. Returns False when it exists, or the member was erased."""
    return bool(make_notices(session, [NewNotice(kind=kind, **fields)]))


def make_notices(session: Session, notices: Sequence[NewNotice]) -> list[NewNotice]:
    """Make notices once. Returns those that did not exist, without those for erased members."""
    members = addressees(session, {UUID(notice.member_id) for notice in notices if notice.member_id})
    rows = [
        _row(notice, member_id)
        for notice in notices
        if notice.member_id and (member_id := members.get(UUID(notice.member_id))) is not None
    ]
    if not rows:
        return []
    keys = set(session.scalars(_ADD[session.get_bind().dialect.name], rows))
    made = [notice for notice in notices if notice.subject_key in keys]
    drops = [
        Drop(notice.loan.loan_id, notice.replaces, "NEWER_NOTICE", keep=notice.subject_key)
        for notice in made
        if notice.loan is not None and notice.replaces
    ]
    drop_waiting(session, drops)
    return made


def _row(notice: NewNotice, member_id: UUID) -> dict[str, Any]:
    now, loan = clock.now(), notice.loan or LoanCopy()
    return {
        "id": new_id(),
        "institution_id": UUID(notice.institution_id),
        "member_id": member_id,
        "kind": notice.kind,
        "subject_key": notice.subject_key,
        "loan_id": UUID(loan.loan_id) if loan.loan_id else None,
        "item_id": UUID(loan.item_id) if loan.item_id else None,
        "branch_id": UUID(loan.branch_id) if loan.branch_id else None,
        "title": loan.title[:LONGEST_TITLE],
        "day": date.fromisoformat(notice.day) if notice.day else None,
        "facts": dict(notice.facts),
        "due_at": USUAL.next_moment(now, notice.zone) if notice.zone else now,
        "state": "waiting",
        "reason": "",
        "message_id": None,
        "traceparent": telemetry.traceparent(),
        "made_at": now,
        "changed_at": now,
    }


class Drop(NamedTuple):
    """Waiting notices of a loan that are no longer needed.

    reason    LOAN_RETURNED, LOAN_RENEWED, DUE_DATE_MOVED or NEWER_NOTICE
    keep      subject key of a notice that stays
    keep_day  notices about this day stay, ISO 8601
    """

    loan_id: str
    kinds: tuple[str, ...]
    reason: str
    keep: str = ""
    keep_day: str = ""


def drop_waiting(session: Session, drops: Sequence[Drop]) -> None:
    """Drop notices that are waiting or on the print list."""
    now = clock.now()
    for kinds in {drop.kinds for drop in drops}:
        rows = [
            {
                "of_loan": UUID(drop.loan_id),
                "kept": drop.keep,
                "kept_day": date.fromisoformat(drop.keep_day) if drop.keep_day else date.min,
                "why": drop.reason,
                "moment": now,
            }
            for drop in drops
            if drop.kinds == kinds
        ]
        session.execute(_drop(kinds), rows)


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


def read_reminders(session: Session, loans: Sequence[LoanCopy]) -> dict[tuple[str, str], list[int]]:
    """Return (loan id, due date) -> the steps of its reminders and overdue notices, of any state; 0 for a reminder."""
    steps: dict[tuple[str, str], list[int]] = {}
    for row in session.execute(_REMINDERS, {"loans": [UUID(loan.loan_id) for loan in loans]}) if loans else ():
        steps.setdefault((str(row.loan_id), str(row.day)), []).append(row.facts.get("step", 0))
    return steps


def drop_earlier(session: Session, member_id: str, kind: str, *, keep: str = "", reason: str) -> None:
    """Drop a member's notices of a kind that are waiting or on the print list, such as an earlier password code."""
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
