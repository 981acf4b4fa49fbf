"""Fixtures that tests of every service share; loaded as a pytest plugin by tests/conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.db import Database
from chassis.migrate import migrate
from chassis.service import Service


@contextmanager
def migrated_database(service: Service, url: str, *, owner_url: str = "") -> Iterator[Database]:
    """A database of this service, at its newest revision, closed at the end of the block.

    url        of the running service's role
    owner_url  of the role that owns the tables; the same when empty
    """
    migrate(service, owner_url=owner_url or url, app_url=url)
    database = Database(url, pool_size=8, walled=service.walled)
    try:
        yield database
    finally:
        database.close()
