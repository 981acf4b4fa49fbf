"""Jobs of members: deletion of sessions, links and failed attempts of long ago."""

from __future__ import annotations

import threading

from chassis.context import system
from chassis.service import Resources
from services.members.sign_in import attempts, sessions


def delete_old_rows(resources: Resources, _stop: threading.Event) -> None:
    """Delete ended sessions, used or expired links, and failed attempts that count no more."""
    with resources.database.transaction(system("forgetting")) as session:
        attempts.forget_old(session)
        sessions.forget_old(session)
