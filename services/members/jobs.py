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
from services.members.sign_in import accounts, attempts, clients, sessions
from services.members.tables import Tombstone


def delete_old_rows(resources: Resources, _stop: threading.Event) -> None:
    """Delete old failed attempts, sessions and links that ended a month ago, and marks of returned loans."""
    with resources.database.transaction(system("forgetting")) as session:
        attempts.forget_old(session)
        sessions.forget_old(session)
        accounts.forget_old_links(session)
        loans.forget_returned(session)


def emit_expiring(resources: Resources, stop: threading.Event) -> None:
    """Emit the events of memberships that end soon."""
    expiring.emit_all_expiring(resources.database, stop)


def revoke_sandbox_clients(resources: Resources, _stop: threading.Event) -> None:
    """Revoke the clients of sandboxes that are deleted soon, so that no act of theirs comes after the deletion."""
    with resources.database.transaction(system("sandboxes")) as session:
        clients.revoke_sandbox_clients(session)


log = logging.getLogger(__name__)
RESTORE = system("restore")


def erase_again(resources: Resources) -> None:
    """Erase the members again in a restored database who were erased after its backup.

    The tombstones come from the database in use, and from other services that copy members (circulation). So erasures
    are known even when the database in use is lost or cannot be read; then the log has `tombstones_unreadable`.
    """
    _erase_again(resources, _tombstones_in_use(resources))
    now = clock.now()
    of_copies = [
        Tombstone(member_id=erasure.id, institution_id=erasure.institution_id, version=erasure.version, at=now)
        for erasure in resources.erasures
    ]
    _erase_again(resources, of_copies)


def _erase_again(resources: Resources, erased: list[Tombstone]) -> None:
    with resources.database.transaction(RESTORE) as session:
        erasure.replay(session, erased, context=RESTORE)


def _tombstones_in_use(resources: Resources) -> list[Tombstone]:
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
