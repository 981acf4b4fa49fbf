"""Waits until the index has everything that a command wrote."""

from __future__ import annotations

import time

from rich.console import Console
from sqlalchemy import func, select

from chassis.context import system
from chassis.db import Database
from chassis.service import Resources
from services.catalog.commands.progress import bar_for
from services.catalog.tables import IndexQueue

DRAIN_PATIENCE_SECONDS = 60

screen = Console(stderr=True)


def wait_until_indexed(resources: Resources, *, quiet: bool) -> None:
    """Wait until the index queue is empty; a running server may be the process that indexes."""
    patience = time.monotonic() + DRAIN_PATIENCE_SECONDS
    total = before = _queued(resources.database)
    with bar_for(quiet=quiet) as bar:
        task = bar.add_task("index", total=total, note="")
        while left := _queued(resources.database):
            bar.update(task, completed=total - left)
            if left < before:
                before, patience = left, time.monotonic() + DRAIN_PATIENCE_SECONDS
            elif time.monotonic() > patience:
                screen.print(f"{left} records wait for the index; whoever holds it will go on.", style="yellow")
                return
            time.sleep(0.05)
        bar.update(task, completed=total)


def _queued(database: Database) -> int:
    with database.reading(system("import")) as session:
        return session.scalar(select(func.count()).select_from(IndexQueue)) or 0
