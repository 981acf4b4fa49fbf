"""What time means to the catalogue: the index follows the tables, old searches go, old items find their shelves."""

from __future__ import annotations

import threading
from datetime import timedelta

from chassis import clock
from chassis.context import system
from chassis.service import Resources
from services.catalog import indexing, reshelving, searching


def index(resources: Resources, stop: threading.Event) -> None:
    """Keep the index up with the queue, and rebuild it when asked or when it is unsound, until `stop`."""
    indexing.run(resources, stop)


def forget(resources: Resources, _stop: threading.Event) -> None:
    """Delete searches older than QUERY_LOG_DAYS; all of them where QUERY_LOG is off."""
    settings = resources.settings
    days = settings.query_log_days if settings.query_log == "on" else -1
    first = clock.now().date() - timedelta(days=days)
    with resources.database.transaction(system("forgetting")) as session:
        searching.forget_searches(session, before=first.isoformat())


def fill_shelves(resources: Resources, stop: threading.Event) -> None:
    """Give items of an older release their places on the shelves."""
    reshelving.fill(resources.database, system("shelving"), stop)
