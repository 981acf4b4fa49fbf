"""Opens the catalogue's database for a command, runs its jobs meanwhile, and waits for the index."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import func, or_, select

from chassis import clock
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.jobs import jobs
from chassis.output import bar_for, print_warning
from chassis.service import Resources, open_for_command
from services.catalog.tables import Authority, IndexQueue, Item, Record

STALL_SECONDS = 60  # without progress of the index
# Between two looks at the queue, each of which takes the time of a few documents. The pauses grow.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.2

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


@contextlib.contextmanager
def open_catalogue(*, working: bool = False) -> Iterator[Resources]:
    """Open the catalogue's database; with `working` also run its jobs, as far as their leases are free."""
    with (
        open_for_command("catalog") as resources,
        jobs.running_for_command(resources) if working else contextlib.nullcontext(),
    ):
        yield resources


def wait_until_indexed(resources: Resources, *, quiet: bool) -> None:
    """Wait until the index has the changes that are queued now; a running server may be the process that indexes.

    It does not wait for later changes: while desks lend, the queue may never be empty.
    """
    deadline, moment = time.monotonic() + STALL_SECONDS, clock.now()
    total = before = _queued(resources.database, moment)
    pause = FIRST_PAUSE_SECONDS
    with bar_for(quiet=quiet) as bar:
        task = bar.add_task("index", total=total, note="")
        while left := _queued(resources.database, moment):
            bar.update(task, completed=total - left)
            if left < before:
                before, deadline = left, time.monotonic() + STALL_SECONDS
            elif time.monotonic() > deadline:
                print_warning(f"{left} records are not in the index yet; the process that indexes will continue.")
                return
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST_PAUSE_SECONDS)
        bar.update(task, completed=total)


def sample_rows(database: Database, context: Context) -> dict[str, int]:
    """Count what `sample load` reports: records, authority records and items."""
    queries = {
        "records": select(func.count()).select_from(Record).where(Record.deleted_at.is_(None)),
        "authority_records": select(func.count()).select_from(Authority),
        "items": select(func.count()).select_from(Item),
    }
    with database.reading(context) as session:
        return {name: session.scalar(query) or 0 for name, query in queries.items()}


def _queued(database: Database, moment: datetime) -> int:
    """Return the number of records with changes until a moment that the index does not have."""
    is_older = or_(IndexQueue.queued_at <= moment, IndexQueue.queued_at.is_(None))
    with database.reading(system("import")) as session:
        return session.scalar(select(func.count()).select_from(IndexQueue).where(is_older)) or 0
