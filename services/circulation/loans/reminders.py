"""Reminders: each night from 02:00 in a branch's zone, events about loans that are due soon or overdue.

A loan has steps, in calendar days since its due date: 3 and 1 days before, and 1, 7, 14 and 30 days after. Readers
count calendar days; the event also has the open days, which suspensions and fines count.

For each institution and zone, a row stores the last finished night and the progress of the current night, in order of
due moment. The row changes in the transaction of the events, and only if no other process has changed it. So each step
is emitted once, even if a process dies or several processes run. After days without this job, only the last step that
a loan has reached is emitted; steps from before the day on which the loan was stored are not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import events
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.ids import moment_of
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanDueSoon, LoanOverdue
from services.circulation.calendars import overdue_open_days
from services.circulation.calendars_store import calendar_of
from services.circulation.copies import ON_LOAN
from services.circulation.tables import Branch, Copy, Loan, ReminderNight

REMINDERS = system("reminders")
BEGINS = timedelta(hours=2)
# Loans of one transaction; acts wait for its write lock.
LOANS_IN_A_TURN = 100

# Due moment and id of a loan. A night processes the loans of an institution in this order.
Position = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Night:
    """The progress of the reminders of one institution's branches in one zone.

    night     the day that is in progress
    done_on   the last day that is finished for every loan
    position  the last processed loan; None at the beginning
    parts     nights after `done_on` that are finished for a part of the loans: (last loan, day), in order of loan
    version   version of the stored row
    """

    institution_id: UUID
    zone: str
    night: date
    done_on: date
    position: Position | None
    parts: tuple[tuple[Position, date], ...]
    version: int

    def last_done(self, position: Position) -> date:
        """Return the last day that is finished for a loan."""
        return next((day for last, day in self.parts if position <= last), self.done_on)


@dataclass(frozen=True, slots=True)
class Reminder:
    """The event of one step of one loan."""

    loan_id: UUID
    loan_version: int
    row: dict[str, Any]


def remind(database: Database, steps: Sequence[int], stop: threading.Event) -> int:
    """Emit the due events of every institution and zone. Returns their number.

    steps   days since the due date, in order; negative before it
    emits   LoanDueSoon, LoanOverdue
    """
    count = 0
    with database.reading(REMINDERS) as session:
        places = session.execute(select(Branch.institution_id, Branch.zone).distinct()).all()
    for institution_id, zone in sorted((row.institution_id, row.zone) for row in places):
        today = (clock.now().astimezone(ZoneInfo(zone)) - BEGINS).date()
        while not stop.is_set():
            night = _begin(database, institution_id, zone, today)
            emitted = _continue(database, night, steps) if night is not None else None
            if emitted is None:
                break
            count += emitted
    return count


def _begin(database: Database, institution_id: UUID, zone: str, today: date) -> Night | None:
    """Return the night of `today` with its progress; None when it is finished, or when the clock is behind."""
    with database.reading(REMINDERS) as session:
        row = session.get(ReminderNight, (institution_id, zone))
    if row is None:
        with database.transaction(REMINDERS) as session:
            # A new library emits only the steps of its first night, not all earlier ones.
            yesterday = today - timedelta(days=1)
            first = {"institution_id": institution_id, "zone": zone, "night": yesterday, "done_on": yesterday}
            insert_ignore(session, ReminderNight, [first | {"position": [], "parts": [], "version": 1}])
            row = session.get_one(ReminderNight, (institution_id, zone))
    stored = Night(
        institution_id, zone, row.night, row.done_on, _read_position(row.position),
        tuple((_position(part), date.fromisoformat(part["night"])) for part in row.parts), row.version,
    )  # fmt: skip
    if row.done_on >= today or row.night > today:
        return None
    if stored.night == today:
        return stored
    parts = stored.parts
    if stored.position is not None:
        # The previous night was not finished: it is finished up to its last processed loan.
        parts = ((stored.position, stored.night), *(part for part in parts if part[0] > stored.position))
    return replace(stored, night=today, position=None, parts=parts)


def _continue(database: Database, night: Night, steps: Sequence[int]) -> int | None:
    """Run one transaction of a night. Returns the number of events; None when another process has changed the row."""
    with database.reading(REMINDERS) as session:
        rows = list(read_loans(session, night, steps))
        open_days = cache(partial(_open_days, session, night))
        reminders = [_reminder(night, steps, row, open_days) for row in rows]
    turn = [reminder for reminder in reminders if reminder is not None]
    if len(rows) < LOANS_IN_A_TURN:
        changed = replace(night, done_on=night.night, position=None, parts=())
    else:
        changed = replace(night, position=(rows[-1].due_at, rows[-1].id))
    with database.transaction(REMINDERS) as session:
        if not _store(session, changed):
            return None
        return _emit(session, turn)


def read_loans(session: Session, night: Night, steps: Sequence[int]) -> Iterator[Any]:
    """Read a page of open loans that may have reached a step, in order of due moment."""
    in_zone = select(Branch.id).where(Branch.institution_id == night.institution_id, Branch.zone == night.zone)
    query = (
        select(
            Loan.id, Loan.version, Loan.branch_id, Loan.borrower_id, Loan.lent_at, Loan.due_at, Loan.due_on,
            Copy.id.label("copy_id"), Copy.institution_id, Copy.state_version, Copy.title, Copy.barcode,
        )
        .join(Copy, Copy.id == Loan.copy_id)
        .where(Loan.institution_id == night.institution_id, Loan.returned_at.is_(None), Loan.branch_id.in_(in_zone))
        .where(Loan.borrower_id.is_not(None))
        .order_by(Loan.due_at, Loan.id)
    )  # fmt: skip
    if night.position is not None:
        due_at, loan_id = night.position
        # An index can only use the first condition.
        query = query.where(
            Loan.due_at >= due_at, or_(Loan.due_at > due_at, and_(Loan.due_at == due_at, Loan.id > loan_id))
        )
    left = LOANS_IN_A_TURN
    for first, last in _due_days(night, steps):
        begin, end = _midnight(first, night.zone), _midnight(last + timedelta(days=1), night.zone)
        if not left or (night.position is not None and end <= night.position[0]):
            continue
        rows = session.execute(query.where(Loan.due_at >= begin, Loan.due_at < end).limit(left)).all()
        left -= len(rows)
        yield from rows


def _due_days(night: Night, steps: Sequence[int]) -> list[tuple[date, date]]:
    """Return the due dates of loans that may have reached a step since `done_on`, as separate periods in order."""
    missed = (night.night - night.done_on).days
    merged: list[tuple[date, date]] = []
    for step in reversed(steps):
        last = night.night - timedelta(days=step)
        first = last - timedelta(days=missed - 1)
        if merged and first <= merged[-1][1] + timedelta(days=1):
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _reminder(night: Night, steps: Sequence[int], row: Any, open_days: Callable[[UUID, date], int]) -> Reminder | None:
    """Return the event of the last step that a loan has reached since its last night; None without one."""
    since = max(night.last_done((row.due_at, row.id)), row.lent_at.astimezone(ZoneInfo(night.zone)).date())
    # An imported loan reached its earlier steps in another system. `stored_on` is in the future if the clock went back.
    stored_on = moment_of(row.id).astimezone(ZoneInfo(night.zone)).date()
    if stored_on <= night.night:
        since = max(since, stored_on - timedelta(days=1))
    reached = [step for step in steps if since < row.due_on + timedelta(days=step) <= night.night]
    days = (night.night - row.due_on).days
    if not reached or (reached[-1] < 0 < days):
        return None
    step = reached[-1]
    loan = LoanCopy(
        loan_id=str(row.id), institution_id=str(row.institution_id), item_id=str(row.copy_id),
        state_version=row.state_version, state=ON_LOAN, member_id=str(row.borrower_id), due_at=row.due_at,
        due_on=row.due_on.isoformat(), branch_id=str(row.branch_id), title=row.title, barcode=row.barcode,
    )  # fmt: skip
    on = night.night.isoformat()
    message: LoanDueSoon | LoanOverdue
    if step < 0:
        message = LoanDueSoon(loan=loan, days=-step, on=on, zone=night.zone)
    else:
        late = open_days(row.branch_id, row.due_on)
        message = LoanOverdue(loan=loan, step=step, days=days, open_days=late, on=on, zone=night.zone)
    context = replace(REMINDERS, institution=str(night.institution_id))
    event = events.row_of(message, aggregate_id=row.copy_id, version=row.state_version, context=context)
    return Reminder(row.id, row.version, event)


def _open_days(session: Session, night: Night, branch_id: UUID, due_on: date) -> int:
    return overdue_open_days(calendar_of(session, branch_id), due_on=due_on, until=night.night)


def _emit(session: Session, turn: Sequence[Reminder]) -> int:
    """Write the events of the loans that have not changed since they were read; a renewed loan has other steps."""
    if not turn:
        return 0
    loans = select(Loan.id, Loan.version).where(
        Loan.id.in_([work.loan_id for work in turn]), Loan.returned_at.is_(None)
    )
    versions = {row.id: row.version for row in session.execute(loans)}
    rows = [work.row for work in turn if versions.get(work.loan_id) == work.loan_version]
    if rows:
        session.execute(insert(outbox), rows)
    return len(rows)


def _store(session: Session, night: Night) -> bool:
    """Store the progress of a night, unless another process has changed the row since it was read."""
    table = ReminderNight
    changed = session.execute(
        update(table)
        .where(table.institution_id == night.institution_id, table.zone == night.zone, table.version == night.version)
        .values(
            night=night.night,
            done_on=night.done_on,
            position=_write_position(night.position),
            parts=[{"position": _write_position(last), "night": day.isoformat()} for last, day in night.parts],
            version=table.version + 1,
        )
        .returning(table.version)
    )
    return changed.first() is not None


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _write_position(position: Position | None) -> list[str]:
    return [position[0].isoformat(), str(position[1])] if position is not None else []


def _read_position(stored: Sequence[str]) -> Position | None:
    return (datetime.fromisoformat(stored[0]), UUID(stored[1])) if stored else None


def _position(part: dict[str, Any]) -> Position:
    return datetime.fromisoformat(part["position"][0]), UUID(part["position"][1])
