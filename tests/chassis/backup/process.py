"""A process that backs up or restores stock and orders and kills itself: backup|restore FOLDER POINT; and hooks."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import obstore
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from chassis.context import system
from chassis.errors import Conflict
from chassis.operations import backup, restore
from chassis.service import Erasure, Resources, Service
from chassis.settings import load
from tests.example_services.installation import ORDERS, STOCK
from tests.example_services.kill_points import kill_after, kill_before
from tests.example_services.orders.tables import faults

SERVICES = [STOCK, ORDERS]
POINTS = {
    "backup.before_snapshots": lambda: kill_before(backup, "open_all"),
    "backup.between_copies": lambda: kill_before(backup, "digest_of", call=2),
    "backup.before_manifest": lambda: kill_before(backup.Manifest, "write"),
    "backup.before_rename": lambda: kill_before(backup.Path, "rename"),
    # The files of two databases are sent before.
    "backup.before_manifest_upload": lambda: kill_before(obstore, "put", call=3),
    "restore.between_copies": lambda: kill_before(restore, "migrate", call=2),
    "restore.before_exchange": lambda: kill_before(restore.SqliteTarget, "_refuse_open"),
    "restore.between_exchanges": lambda: kill_before(restore.SqliteTarget, "_exchange", call=2),
    "restore.in_exchange": lambda: kill_before(restore.Path, "replace", call=4),
    "restore.after_exchange": lambda: kill_after(restore.SqliteTarget, "exchange"),
    "restore.before_rename": lambda: kill_before(restore.PostgresTarget, "exchange"),
}
NOTE = "replayed"
ERASED = Erasure(UUID(int=1), UUID(int=2), 3)


def note(resources: Resources) -> None:
    """A hook that writes to the restored database, while the old one is still in its place."""
    assert resources.erasures == (ERASED,)
    old = resources.service.open_database(resources.settings, any_revision=True)
    with closing(old), old.reading(system("test")) as session:
        assert NOTE not in session.scalars(select(faults.c.name)).all()
    with resources.database.transaction(system("test")) as session:
        session.execute(insert(faults).values(name=NOTE))


def erasures(session: Session) -> list[Erasure]:
    """What the stock in use knows to be erased."""
    assert session.scalar(text("SELECT count(*) FROM articles")) is not None
    return [ERASED]


def fail(_resources: Resources) -> None:
    """A hook that cannot do its work."""
    raise Conflict("WRITE_CONFLICT")


def with_hook(name: str) -> list[Service]:
    stock = replace(STOCK, erasures="tests.chassis.backup.process:erasures")
    return [stock, replace(ORDERS, after_restore=(f"tests.chassis.backup.process:{name}",))]


def main(act: str, folder: str, point: str) -> None:
    POINTS[point]()
    if act == "backup":
        backup.make_backup(load(), SERVICES, Path(folder), quiet=True)
    else:
        restore.restore_backup(load(), SERVICES, Path(folder), replace=True, quiet=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
