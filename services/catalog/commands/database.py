"""Opens the catalogue's database for a command, and runs jobs during commands that create work for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from chassis import jobs
from chassis.service import Resources, load, process_settings
from chassis.wake import announce_commits

Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


@contextlib.contextmanager
def open_catalogue(*, working: bool = False) -> Iterator[Resources]:
    """Open the catalogue's database; `working`: also run its jobs, which take free leases."""
    service = load("catalog")
    settings = process_settings([service])
    database = service.open_database(settings)
    announce_commits(database)
    resources = Resources(settings=settings, database=database, service=service)
    try:
        with jobs.running_for_command(service.name) if working else contextlib.nullcontext():
            yield resources
    finally:
        database.close()
