"""Jobs of members: letters for search, deletion of old rows, and erasures after a restore."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from chassis.context import system
from chassis.errors import Unavailable
from chassis.service import Resources
from services.members.people import erasure, loans, search
from services.members.sign_in import attempts, sessions


def delete_old_rows(resources: Resources, _stop: threading.Event) -> None:
    """Delete ended sessions, used or expired links, failed attempts that count no more, and marks of old returns."""
    with resources.database.transaction(system("forgetting")) as session:
        attempts.forget_old(session)
        sessions.forget_old(session)
        loans.forget_returned(session)


def fill_letters(resources: Resources, stop: threading.Event) -> None:
    """Fill in what search needs in the rows that a release before 0.4 wrote, some members at a time."""
    while not stop.is_set():
        with resources.database.transaction(system("letters")) as session:
            if not search.fill_letters(session):
                return


log = logging.getLogger(__name__)
RESTORE = system("restore")


def erase_again(resources: Resources) -> None:
    """Erase in a restored database those members who were erased after its backup, as the database in use has them.

    Without a database in use, or with one that cannot be read, the tombstones of the backup alone are there; the log
    says so.
    """
    with closing(resources.service.open_database(resources.settings, any_revision=True)) as current:
        if current.is_sqlite and not Path(current.url.database or "").exists():
            return
        try:
            with current.reading(RESTORE) as session:
                erased = erasure.tombstones(session)
        except (Unavailable, DBAPIError) as problem:
            log.warning("tombstones_unreadable", extra={"why": type(problem).__name__})
            return
    with resources.database.transaction(RESTORE) as session:
        erasure.replay(session, erased, context=RESTORE)
