"""Pages of the changes of records, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select
from sqlalchemy.orm import Session

from services.catalog.queries import select_records
from services.catalog.tables import NumberedChange, Record

_change = (NumberedChange.change_number, NumberedChange.changed_at, NumberedChange.sets)


@dataclass(frozen=True, slots=True)
class Page:
    """Changes in order: rows of select_records with change_number, changed_at and sets.

    reached      change number until which the page has all changes of the list
    is_complete  there are no later changes yet
    """

    rows: Sequence[Row[*tuple[Any, ...]]]
    reached: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """A list of changes.

    after  the list begins after this change number
    since  no change before this time; None for no limit
    until  no change at or after this time; None for no limit
    sets   only of records in each of these sets, or in sets that they contain
    """

    after: int = 0
    since: datetime | None = None
    until: datetime | None = None
    sets: tuple[str, ...] = ()


def page_of(session: Session, changes: Changes, *, limit: int) -> Page:
    """Return the first changes of a list. One statement reads them, so a record that changes now is not missed."""
    statement = select_records(deleted=True).join(NumberedChange, NumberedChange.record_number == Record.number)
    statement = statement.add_columns(*_change)
    first, conditions = _conditions(session, changes)
    rows = session.execute(statement.where(*conditions).order_by(NumberedChange.change_number).limit(limit + 1)).all()
    page = rows[:limit]
    return Page(page, page[-1].change_number if page else first, is_complete=len(rows) <= limit)


def change_of(session: Session, record_id: UUID) -> Row[*tuple[Any, ...]] | None:
    """Return the last change of a record as in a page; None when the catalogue never had it."""
    statement = select_records(deleted=True).join(NumberedChange, NumberedChange.record_number == Record.number)
    return session.execute(statement.add_columns(*_change).where(Record.id == record_id)).first()


def earliest_change(session: Session) -> datetime | None:
    """Return the time of the oldest change; None without records."""
    return session.scalar(select(func.min(NumberedChange.changed_at)))


def highest_change(session: Session) -> int:
    """Return the number of the newest change; 0 without records."""
    return session.scalar(select(func.max(NumberedChange.change_number))) or 0


def _conditions(session: Session, changes: Changes) -> tuple[int, list[Any]]:
    """Return the change number after which a list begins, and the conditions of its rows."""
    first, at = changes.after, NumberedChange.changed_at
    if changes.since is not None:
        # Times grow with numbers.
        before = select(NumberedChange.change_number).where(at < changes.since)
        newest = before.order_by(at.desc(), NumberedChange.change_number.desc()).limit(1)
        first = max(first, session.scalar(newest) or 0)
    conditions = [NumberedChange.change_number > first]
    if changes.until is not None:
        conditions.append(at < changes.until)
    # LIKE of SQLite does not distinguish cases, but codes of branches do.
    place = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    in_sets = (or_(*(place(NumberedChange.sets, f" {s}{end}") > 0 for end in (" ", ":"))) for s in changes.sets)
    return first, [*conditions, *in_sets]
