"""Backups and restores of stock and orders, and what is in their databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.bus.inbox import inbox
from chassis.bus.local import deliveries
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error, Unavailable
from chassis.jobs.job_runs import REFILL, is_unfinished
from chassis.operations import backup_manifest
from chassis.operations.backup import make_backup
from chassis.operations.restore import restore_backup
from chassis.settings import Settings
from tests import servers as development
from tests.chassis.backup.process import SERVICES
from tests.example_services.installation import Installation, open_installation
from tests.example_services.stock import tables as stock

READER = system("test")
# PostgreSQL ends a session a moment after its client has closed the connection.
SESSION_SECONDS = 2


def name_of(settings: Settings, service: str) -> str:
    """Name of the service's database on PostgreSQL."""
    return settings.database(service).rpartition("/")[2]


@contextmanager
def dropping(settings: Settings) -> Iterator[None]:
    """Drop the databases that a restore on PostgreSQL has kept."""
    yield
    for service in SERVICES if settings.database_url else ():
        name = name_of(settings, service.name)
        for ending in ("_replaced", "_restoring"):
            development.drop_database(name + ending)


@contextmanager
def stocked(settings: Settings, *names: str) -> Iterator[Installation]:
    """An open installation in which these articles were received."""
    with open_installation(settings) as installation:
        if names:
            installation.receive(*names)
        yield installation


def back_up(settings: Settings, folder: Path) -> backup_manifest.Manifest:
    return make_backup(settings, SERVICES, folder, quiet=True)


def restore(settings: Settings, folder: Path, *, replace: bool = False) -> list[str]:
    """Restore a backup. Returns the names of the databases that are kept."""
    end = time.monotonic() + SESSION_SECONDS
    while True:
        try:
            return restore_backup(settings, SERVICES, folder, replace=replace, quiet=True)[1]
        except Unavailable as problem:
            if problem.reason != "SERVER_RUNNING" or time.monotonic() > end:
                raise
            time.sleep(0.05)


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Error) as refusal:
        act()
    return refusal.value.reason


def ids(database: Database, query: Any) -> set[UUID]:
    with database.reading(READER) as session:
        return set(session.scalars(query))


def articles(settings: Settings) -> set[str]:
    """Names of the articles of stock."""
    with closing(Database(settings.database("stock"))) as database, database.reading(READER) as session:
        return set(session.scalars(select(stock.articles.c.name)))


def assert_agreement(owner: Database, consumer: Database, *, is_local: bool) -> None:
    """What the consumer has, the owner has; on the local bus the consumer has all that is published.

    What RabbitMQ had is copied again, from the owner's rows.
    """
    emitted = ids(owner, select(outbox.c.id))
    handled = ids(consumer, select(inbox.c.event_id)) | ids(consumer, select(deliveries.c.event_id))
    assert handled
    assert handled <= emitted
    published = ids(owner, select(outbox.c.id).where(outbox.c.published_at.is_not(None)))
    if is_local:
        assert published <= handled
    with consumer.reading(READER) as session:
        assert is_unfinished(session, REFILL) is not is_local
