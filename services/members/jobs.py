"""Jobs of members: deletion of old rows, ends of memberships, and erasures after a restore."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from chassis import clock
from chassis.context import system
from chassis.errors import Unavailable
from chassis.service import Resources
from services.members.people import erasure, expiring, loans
from services.members.people.erasure import Erased
from services.members.sign_in import accounts, attempts, sessions


def delete_old_rows(resources: Resources, _stop: threading.Event) -> None:
    """Delete old failed attempts, sessions and links that ended a month ago, and marks of returned loans."""
    with resources.database.transaction(system("forgetting")) as session:
        attempts.forget_old(session)
        sessions.forget_old(session)
        accounts.forget_old_links(session)
        loans.forget_returned(session)


def tell_expiring(resources: Resources, stop: threading.Event) -> None:
    """Emit the facts of memberships that end soon."""
    expiring.tell_expiring(resources.database, stop)


log = logging.getLogger(__name__)
RESTORE = system("restore")


def erase_again(resources: Resources) -> None:
    """Erase the members again in a restored database who were erased after its backup.

    The tombstones come from the database in use, and from other services that copy members (circulation). So erasures
    are known even when the database in use is lost or cannot be read; then the log has `tombstones_unreadable`.
    """
    _erase_again(resources, _tombstones_in_use(resources))
    known = [Erased(one.id, one.institution_id, one.version, clock.now()) for one in resources.erasures]
    _erase_again(resources, known)


def _erase_again(resources: Resources, erased: list[Erased]) -> None:
    with resources.database.transaction(RESTORE) as session:
        erasure.replay(session, erased, context=RESTORE)


def _tombstones_in_use(resources: Resources) -> list[Erased]:
    owner_url = resources.settings.database_owner(resources.service.name)
    with closing(resources.service.open_database(resources.settings, any_revision=True, url=owner_url)) as current:
        if current.is_sqlite and not Path(current.url.database or "").exists():
            return []
        try:
            with current.reading(RESTORE) as session:
                return erasure.tombstones(session)
        except (Unavailable, DBAPIError) as problem:
            extra = {"why": type(problem).__name__, "known_elsewhere": len(resources.erasures)}
            log.warning("tombstones_unreadable", extra=extra)
            return []
