"""What time means to the catalogue: the index follows the tables, old searches go, old records find their places."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from datetime import timedelta

from chassis import clock
from chassis.context import system
from chassis.errors import Unavailable
from chassis.service import Resources
from chassis.urls import open_url
from services.catalog.browse import headings
from services.catalog.importing import backfill, reread_items
from services.catalog.index.indexer import run
from services.catalog.index.port import ENGINES, Index
from services.catalog.query_log import forget_searches
from services.catalog.settings import CatalogSettings

log = logging.getLogger(__name__)


def index(resources: Resources, stop: threading.Event) -> None:
    """Keep the index up with the queue, and rebuild it when asked or when it is unsound, until `stop`."""
    run(resources, stop)


def delete_old_searches(resources: Resources, _stop: threading.Event) -> None:
    """Delete searches older than QUERY_LOG_DAYS; all of them where QUERY_LOG is off."""
    settings = resources.settings.of(CatalogSettings)
    days = settings.query_log_days if settings.query_log == "on" else -1
    first = clock.now().date() - timedelta(days=days)
    with resources.database.transaction(system("forgetting")) as session:
        forget_searches(session, before=first.isoformat())


def fill_shelves(resources: Resources, stop: threading.Event) -> None:
    """Give items of an older release their places on the shelves."""
    reread_items.fill_missing_items(resources.database, system("shelving"), stop)


def complete_records(resources: Resources, stop: threading.Event) -> None:
    """Give records of an older release their works, their places in lists and their headings."""
    backfill.complete_records(resources.database, system("works"), stop)


def delete_unused_headings(resources: Resources, _stop: threading.Event) -> None:
    """Take headings that no record uses any more out of the lists."""
    index: Index = open_url(resources.settings.of(CatalogSettings).search, ENGINES)
    with closing(index):
        try:
            headings.delete_unused_headings(resources.database, index)
        except Unavailable as problem:
            if problem.reason not in ("INDEX_BUILDING", "SEARCH_UNAVAILABLE"):
                raise
            # Nobody misses it: an unused heading is not shown anyhow, and tomorrow is early enough.
            log.info("headings_not_weeded", extra={"reason": problem.reason})
