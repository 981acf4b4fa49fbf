"""Tasks: long work that staff start, follow, cancel and read the result of (ADR 0052).

One task of an institution runs at a time, under a lease of the institution. When its process dies, the next holder
begins the task again, and its function continues where its own tables say.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context, system
from chassis.cursors import read_cursor, write_cursor
from chassis.database.db import Database
from chassis.database.db_errors import is_outage
from chassis.database.sql import insert_ignore
from chassis.errors import Conflict, Error, Invalid, NotFound, Refused
from chassis.ids import earliest_id, new_id, parse_or_nil
from chassis.jobs.lease import Lease, Leases
from services.catalog.tables import Task, TaskFinding

log = logging.getLogger(__name__)

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
OPEN = (WAITING, RUNNING)
STATES = (*OPEN, DONE, FAILED, CANCELLED)
MOST_OPEN = 20  # of an institution
MOST_STARTS = 5  # of a task whose process dies each time
MOST_FINDINGS = 10_000  # of a task
KEPT = timedelta(days=90)
USUALLY_LISTED, MOST_LISTED = 20, 100


class TaskCancelled(Exception):
    """Staff have cancelled the task."""


class ProcessStops(Exception):
    """The process ends, or has lost its lease; the next one continues the task."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of TaskFinding."""

    record: int
    reason: str
    key: str = ""
    position: int = 0
    title: str = ""
    detail: str = ""
    is_rejected: bool = False


class Progress:
    """The progress of a running task, which its function reports.

    raises  TaskCancelled, ProcessStops  from `save`, for its function to let through
    """

    def __init__(self, database: Database, task: Task, stop: threading.Event) -> None:
        self._database, self._task, self._stop = database, task, stop
        self._findings: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Keep a finding for the next `save`."""
        self._findings.append(finding)

    def save(self, step: str, done: int, total: int, report: Mapping[str, Any]) -> None:
        """Store progress and findings in a transaction of their own, and end a task that was cancelled."""
        with self._database.transaction(_CONTEXT) as session:
            is_cancelled = self.save_in(session, step, done, total, report)
        self._findings.clear()
        if is_cancelled:
            raise TaskCancelled
        if self._stop.is_set():
            raise ProcessStops

    def save_in(self, session: Session, step: str, done: int, total: int, report: Mapping[str, Any]) -> bool:
        """Store progress and findings in the transaction of the work. Returns whether staff have cancelled."""
        text = orjson.dumps(report).decode()
        values = {"step": step, "done": done, "total": total, "report": text}
        statement = update(Task).where(Task.id == self._task.id).values(values).returning(Task.cancelled_at)
        cancelled_at = session.scalar(statement)
        if self._findings:
            stored = select(func.count()).select_from(TaskFinding).where(TaskFinding.task_id == self._task.id)
            ids = {"task_id": self._task.id, "institution_id": self._task.institution_id}
            rows = [ids | {name: getattr(row, name) for name in Finding.__slots__} for row in self._findings]
            insert_ignore(session, TaskFinding, rows[: max(0, MOST_FINDINGS - (session.scalar(stored) or 0))])
        return cancelled_at is not None


# What a task does: (resources, task, progress) -> report, a JSON object. It may run again from the beginning.
Work = Callable[[Any, Task, Progress], Mapping[str, Any]]

_CONTEXT = system("tasks")


def add_task(
    session: Session, kind: str, arguments: Mapping[str, Any], *, institution_id: UUID, context: Context,
    task_id: UUID | None = None, is_command: bool = False,
) -> Task:  # fmt: skip
    """Add a task. A job of the service begins it, or the command that adds it (`running_command`).

    raises  Refused  TASKS_TOO_MANY
    """
    if len(open_tasks(session, institution_id)) >= MOST_OPEN and not is_command:
        raise Refused("TASKS_TOO_MANY", most=MOST_OPEN)
    now = clock.now()
    task = Task(
        id=task_id or new_id(), institution_id=institution_id, kind=kind, arguments=orjson.dumps(arguments).decode(),
        actor=context.actor, is_command=is_command, state=RUNNING if is_command else WAITING, step="", done=0, total=0,
        report="{}", error="", starts=int(is_command), created_at=now, started_at=now if is_command else None,
        ended_at=None, cancelled_at=None,
    )  # fmt: skip
    session.add(task)
    session.flush()
    audit.record(session, context, "catalog.add_task", kind="task", object_id=task.id, facts={"kind": kind})
    return task


def open_tasks(session: Session, institution_id: UUID) -> list[Task]:
    """Return the tasks of an institution that have not ended, the oldest first."""
    is_open = (Task.institution_id == institution_id, Task.state.in_(OPEN))
    return [*session.scalars(select(Task).where(*is_open).order_by(Task.id))]


def get_task(session: Session, task_id: str | UUID, *, institution: str) -> Task:
    """Return a task of an institution ("*": of any). Raises NotFound TASK_NOT_FOUND."""
    identifier = parse_or_nil(str(task_id))
    task = session.scalars(select(Task).where(Task.id == identifier, *_of(institution))).first()
    if task is None:
        raise NotFound("TASK_NOT_FOUND", id=str(task_id)[:80])
    return task


def list_tasks(
    session: Session, *, institution: str, kinds: Sequence[str] = (), state: str = "", cursor: str = "", limit: int = 0
) -> tuple[list[Task], str]:
    """Return tasks, the newest first, and the cursor of the next page.

    kinds, state  only these; all without
    raises        Invalid  LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    most = limit or USUALLY_LISTED
    statement = select(Task).where(*_of(institution))
    if kinds:
        statement = statement.where(Task.kind.in_(kinds))
    if state:
        statement = statement.where(Task.state == state)
    if cursor:
        statement = statement.where(Task.id < read_cursor(cursor, "tasks", UUID)[0])
    rows = session.scalars(statement.order_by(Task.id.desc()).limit(most + 1)).all()
    return [*rows[:most]], write_cursor("tasks", rows[most - 1].id) if len(rows) > most else ""


def findings_of(session: Session, task: Task, *, after: int, most: int) -> list[TaskFinding]:
    """Return findings of a task in the order of its input, without the first `after`; rejected records first."""
    order = (TaskFinding.is_rejected.desc(), TaskFinding.record, TaskFinding.reason, TaskFinding.key)
    statement = select(TaskFinding).where(TaskFinding.task_id == task.id).order_by(*order)
    return [*session.scalars(statement.offset(after).limit(most))]


def cancel_task(session: Session, task_id: str, *, institution: str, context: Context) -> Task:
    """Cancel a task: a waiting one ends at once, a running one after its present step. What it has done stays.

    raises  NotFound  TASK_NOT_FOUND
            Refused   TASK_ENDED
    """
    task = get_task(session, task_id, institution=institution)
    session.refresh(task, with_for_update=True)
    if task.state not in OPEN:
        raise Refused("TASK_ENDED", state=task.state)
    if task.cancelled_at is None:
        task.cancelled_at = clock.now()
        if task.state == WAITING:
            task.state, task.ended_at = CANCELLED, task.cancelled_at
        session.flush()
        audit.record(session, context, "catalog.cancel_task", kind="task", object_id=task.id)
    return task


def run_next(resources: Any, find_work: Callable[[str], Work], stop: threading.Event) -> bool:
    """Run the oldest open task of an institution whose lease is free. Returns whether there was one.

    resources  of a job, whose lease its database checks
    find_work  returns what a kind of task does
    """
    database = resources.database
    for institution_id in _institutions_with_tasks(database):
        with _released(Leases(database.origin).try_hold(_role(institution_id))) as is_held:
            task = _begin(database, institution_id) if is_held else None
            if task is not None:
                _run(resources, task, find_work, stop)
                return True
    return False


@contextmanager
def running_command(
    database: Database, kind: str, arguments: Mapping[str, Any], *, institution_id: UUID, context: Context,
    on_wait: Callable[[], object],
) -> Iterator[Progress]:  # fmt: skip
    """Run the work of a command as a task, which reports its progress. When its process is killed, it has failed.

    on_wait  is called when another task of the institution runs, for whose end this waits
    """
    leases, waits = Leases(database), threading.Event()
    if (lease := leases.try_hold(_role(institution_id))) is None:
        on_wait()
    with leases.hold(_role(institution_id), waits) if lease is None else _released(lease):
        with database.transaction(context) as session:
            task = add_task(session, kind, arguments, institution_id=institution_id, context=context, is_command=True)
        try:
            yield Progress(database, task, waits)
        except TaskCancelled:
            _end(database, task, CANCELLED)
            raise Refused("TASK_CANCELLED", id=str(task.id)) from None
        except KeyboardInterrupt:
            _end(database, task, CANCELLED)
            raise
        except BaseException as problem:
            _end(database, task, FAILED, error=_facts(problem))
            raise
        _end(database, task, DONE)


def delete_old_tasks(session: Session) -> None:
    """Delete tasks that were added more than KEPT ago and have ended, with their findings."""
    is_old = (Task.id < earliest_id(clock.now() - KEPT), Task.state.not_in(OPEN))
    session.execute(delete(TaskFinding).where(TaskFinding.task_id.in_(select(Task.id).where(*is_old))))
    session.execute(delete(Task).where(*is_old))


def arguments_of(task: Task) -> dict[str, Any]:
    arguments: dict[str, Any] = orjson.loads(task.arguments)
    return arguments


def report_of(task: Task) -> dict[str, Any]:
    report: dict[str, Any] = orjson.loads(task.report)
    return report


def _of(institution: str) -> tuple[Any, ...]:
    return () if institution == "*" else (Task.institution_id == parse_or_nil(institution),)


def _role(institution_id: UUID) -> str:
    return f"task-{institution_id}"


def _institutions_with_tasks(database: Database) -> list[UUID]:
    with database.reading(_CONTEXT) as session:
        statement = select(Task.institution_id).where(Task.state.in_(OPEN)).group_by(Task.institution_id)
        return [*session.scalars(statement.order_by(func.min(Task.created_at)))]


@contextmanager
def _released(lease: Lease | None) -> Iterator[bool]:
    """Release a lease at the end of the block. Yields whether it is one."""
    try:
        yield lease is not None
    finally:
        if lease is not None:
            lease.release()


def _begin(database: Database, institution_id: UUID) -> Task | None:
    """Begin the oldest open task of an institution, or end one that cannot continue."""
    with database.transaction(_CONTEXT) as session:
        is_open = (Task.institution_id == institution_id, Task.state.in_(OPEN))
        task = session.scalars(select(Task).where(*is_open).order_by(Task.id).limit(1).with_for_update()).first()
        if task is None:
            return None
        now = clock.now()
        if task.is_command or task.starts >= MOST_STARTS:
            task.state, task.ended_at = FAILED, now
            task.error = orjson.dumps({"reason": "TASK_PROCESS_ENDED", "facts": {"starts": task.starts}}).decode()
            return None
        task.state, task.started_at, task.starts = RUNNING, task.started_at or now, task.starts + 1
        return task


def _run(resources: Any, task: Task, find_work: Callable[[str], Work], stop: threading.Event) -> None:
    database = resources.database
    if task.starts > 1:
        log.info("task_resumed", extra={"task": str(task.id), "kind": task.kind})
    try:
        report = find_work(task.kind)(resources, task, Progress(database, task, stop))
    except ProcessStops:
        # It has not failed, so it may be begun as often again.
        with database.origin.transaction(_CONTEXT) as session:
            session.execute(update(Task).where(Task.id == task.id).values(starts=Task.starts - 1))
    except TaskCancelled:
        _end(database, task, CANCELLED)
    except Error as problem:
        if is_outage(problem) or (isinstance(problem, Conflict) and problem.reason == "LEASE_LOST"):
            raise
        _end(database, task, FAILED, error=_facts(problem))
    except Exception as problem:
        # Any error, because it ends the task, not the job.
        log.exception("task_crashed", extra={"task": str(task.id), "kind": task.kind})
        _end(database, task, FAILED, error=_facts(problem))
    else:
        _end(database, task, DONE, report=orjson.dumps(report).decode())


def _end(database: Database, task: Task, state: str, **values: Any) -> None:
    with database.transaction(_CONTEXT) as session:
        ended = update(Task).where(Task.id == task.id).values(state=state, ended_at=clock.now(), **values)
        session.execute(ended)


def _facts(problem: BaseException) -> str:
    reason, facts = (problem.reason, problem.facts) if isinstance(problem, Error) else ("INTERNAL", {})
    return orjson.dumps({"reason": reason, "facts": facts}, default=str).decode()
