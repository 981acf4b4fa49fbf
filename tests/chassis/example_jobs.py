"""Jobs for tests; each step appends a line to the file `notes` in the data folder."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from sqlalchemy import MetaData

from chassis.errors import Conflict, Unavailable
from chassis.service import Job, Resources, Service
from tests.example_services.installation import CLERK
from tests.example_services.stock.receiving import receive


def note(resources: Resources, text: str) -> None:
    with (resources.settings.data / "notes").open("a") as file:
        file.write(f"{text} {os.getpid()} {threading.current_thread().name} {time.monotonic()}\n")


def notes(folder: Path) -> list[str]:
    """The first word of each line."""
    path = folder / "notes"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def until_stopped(resources: Resources, stop: threading.Event) -> None:
    note(resources, "begun")
    stop.wait()
    note(resources, "ended")


def once(resources: Resources, stop: threading.Event) -> None:
    note(resources, "done")


def refuses_once(resources: Resources, stop: threading.Event) -> None:
    note(resources, "tried")
    if notes(resources.settings.data).count("tried") == 1:
        raise Unavailable("NOT_YET")
    stop.wait()


def refuses_always(resources: Resources, stop: threading.Event) -> None:
    note(resources, "tried")
    raise Unavailable("NOT_YET")


def breaks_once(resources: Resources, stop: threading.Event) -> None:
    note(resources, "tried")
    if notes(resources.settings.data).count("tried") == 1:
        raise ZeroDivisionError
    stop.wait()


def sleep() -> None:
    """Run before the commit of `writes`; tests replace it."""


def writes(resources: Resources, stop: threading.Event) -> None:
    note(resources, "began")
    try:
        with resources.database.transaction(CLERK) as session:
            receive(session, "mango", context=CLERK)
            sleep()
    except Conflict as refusal:
        note(resources, refusal.reason)
    stop.wait()


SERVICE = Service(
    name="jobs",
    tables=MetaData(),
    migrations="",
    jobs=(Job(name="until_stopped", run="tests.chassis.example_jobs:until_stopped", lease="until_stopped"),),
)
