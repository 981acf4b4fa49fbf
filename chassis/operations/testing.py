"""Test fixtures for every service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.database.db import Database
from chassis.migrations.migrate import migrate
from chassis.service import Service


@contextmanager
def migrated_database(service: Service, url: str, *, owner_url: str = "") -> Iterator[Database]:
    """Open a database of this service at its newest revision; close it at the end of the block.

    url        URL with the running service's role
    owner_url  URL with the role that owns the tables; "" if it is the same
    """
    migrate(service, owner_url=owner_url or url, app_url=url)
    database = Database(url, pool_size=8, protected_tables=service.protected_tables)
    try:
        yield database
    finally:
        database.close()
