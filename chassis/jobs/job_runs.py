"""The table of the last run of each scheduled job, and the time of the next run."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Column, String, Table, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.column_types import UtcTime
from chassis.database.db import Database, chassis_tables
from chassis.database.sql import insert_for
from chassis.service import Job

SCHEDULE = system("schedule")
DONE = "done"
# Not a job: for doctor, the time of the last backup; before any backup, that of the first migration.
LAST_BACKUP, NO_BACKUP = "backup", "never"
# Not a job: if this run has no end, the copies of other services' rows must be filled again.
REFILL = "refill"
# Not a job: if this run has no end, the clock was set forward, and nobody has confirmed its time.
CLOCK = "clock"
# A start that is later than now by more than this is one of a clock that was wrong.
MOST_AHEAD = timedelta(hours=1)

job_runs = Table(
    "job_runs",
    chassis_tables,
    Column("name", String(64), primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=True),
    Column("outcome", String(64), nullable=False),
)


def due_at(job: Job, database: Database, *, process_started: datetime) -> datetime:
    """Return the time of the next start, UTC; the job is due if it has passed. Raises Unavailable."""
    with database.reading(SCHEDULE) as session:
        run = session.execute(select(job_runs).where(job_runs.c.name == job.name)).first()
    if run is None or run.outcome != DONE or (job.at_start and run.started_at < process_started):
        return process_started
    if run.started_at > clock.now() + MOST_AHEAD:
        return clock.now()
    return next_start(job, run.started_at)


def next_start(job: Job, last: datetime) -> datetime:
    """Return the first time of the schedule after the last start, UTC.

    A time that the clock skips in spring becomes one hour later; of a time that occurs twice, the first counts.
    """
    if job.every_seconds is not None:
        return last + timedelta(seconds=job.every_seconds)
    zone = ZoneInfo(job.zone)
    day = last.astimezone(zone).date()
    while True:
        start = datetime.combine(day, time.fromisoformat(job.at), zone).astimezone(last.tzinfo)
        if start > last:
            return start
        day += timedelta(days=1)


def record_start(session: Session, name: str) -> None:
    """Record that a job starts now. A job whose run has no end is due again."""
    values = {"started_at": clock.now(), "ended_at": None, "outcome": ""}
    row = insert_for(session, job_runs).values(name=name, **values)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def record_end(session: Session, name: str, outcome: str) -> None:
    """Record the outcome of the run: DONE, or the reason of its error."""
    values = {"ended_at": clock.now(), "outcome": outcome[:64]}
    session.execute(update(job_runs).where(job_runs.c.name == name).values(**values))


def record_first_run(session: Session, name: str) -> None:
    """Record that something runs now, if it is the first time."""
    row = insert_for(session, job_runs).values(name=name, started_at=clock.now(), ended_at=clock.now(), outcome=DONE)
    session.execute(row.on_conflict_do_nothing())


def first_run(session: Session, name: str) -> datetime | None:
    """Return when this ran first, UTC; None if it never did."""
    return session.scalar(select(job_runs.c.started_at).where(job_runs.c.name == name))


def is_unfinished(session: Session, name: str) -> bool:
    """Return whether the last run has no end."""
    run = session.execute(select(job_runs.c.ended_at).where(job_runs.c.name == name)).first()
    return run is not None and run.ended_at is None


def record_backup(session: Session, moment: datetime) -> None:
    """Record the moment of the last backup that succeeded."""
    values = {"started_at": moment, "ended_at": clock.now(), "outcome": DONE}
    row = insert_for(session, job_runs).values(name=LAST_BACKUP, **values)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def record_failed_backup(session: Session, reason: str) -> None:
    """Record that a backup failed; the moment of the last one stays."""
    session.execute(update(job_runs).where(job_runs.c.name == LAST_BACKUP).values(outcome=reason[:64]))
