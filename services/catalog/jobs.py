"""Jobs of the catalogue: indexing, tasks, deletion of old searches, completing old records, holdings, and restores."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from datetime import timedelta

from sqlalchemy import update

from chassis import clock
from chassis.context import system
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.service import Resources
from services.catalog import tasks
from services.catalog.browse import headings
from services.catalog.harvest.numbering import number_old_changes
from services.catalog.importing import backfill, fast_adds, import_tasks, regrouping, undo, uploads
from services.catalog.index.indexer import run
from services.catalog.index.installation import open_index
from services.catalog.items import states
from services.catalog.query_log import forget_searches
from services.catalog.search.fallback import ENGINE_DOWN
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Installation

log = logging.getLogger(__name__)

TASKS: dict[str, tasks.Work] = {
    import_tasks.CHECK: import_tasks.check,
    import_tasks.IMPORT: import_tasks.import_file,
    undo.UNDO: undo.undo_import,
}
TASK_PAUSE_SECONDS = 1.0  # between two looks for tasks


def index(resources: Resources, stop: threading.Event) -> None:
    """Write queued records to the index, and rebuild it on request or when it is unsound, until `stop`."""
    run(resources, stop)


def run_tasks(resources: Resources, stop: threading.Event) -> None:
    """Run the tasks of the institutions, one after the other, until `stop`."""
    while not stop.is_set():
        if not tasks.run_next(resources, TASKS.__getitem__, stop):
            stop.wait(TASK_PAUSE_SECONDS)


def delete_old_tasks(resources: Resources, _stop: threading.Event) -> None:
    """Delete tasks and uploaded files that nobody needs any more."""
    with resources.database.transaction(system("old_tasks")) as session:
        uploads.delete_old_uploads(session)
        tasks.delete_old_tasks(session)


def delete_old_searches(resources: Resources, _stop: threading.Event) -> None:
    """Delete searches older than QUERY_LOG_DAYS, or all when QUERY_LOG is off."""
    settings = resources.settings.of(CatalogSettings)
    days = settings.query_log_days if settings.query_log == "on" else -1
    first = clock.now().date() - timedelta(days=days)
    with resources.database.transaction(system("forgetting")) as session:
        forget_searches(session, before=first.isoformat())


def fill_shelves(resources: Resources, stop: threading.Event) -> None:
    """Give items of an older release their shelf positions."""
    backfill.fill_missing_items(resources.database, system("shelving"), stop)


def complete_records(resources: Resources, stop: threading.Event) -> None:
    """Give records of an older release works, positions in lists and headings; regroup works after new rules."""
    backfill.complete_records(resources.database, system("works"), stop)
    regrouping.regroup_records(resources.database, system("works"), stop)


def renew_epoch(resources: Resources) -> None:
    """Refuse the cursors of changes from before a restore: changes that they have passed are not in the backup."""
    with resources.database.transaction(system("restore")) as session:
        session.execute(update(Installation).values(epoch=new_id()))


def number_changes(resources: Resources, stop: threading.Event) -> None:
    """Number the changes of records that an older release has written."""
    number_old_changes(resources.database, system("change_numbers"), stop)


def follow_rules(resources: Resources, stop: threading.Event) -> None:
    """Update holdings after a change of the lending rules."""
    states.follow_rules(resources.database, system("lending_rules"), stop)


def delete_empty_fast_adds(resources: Resources, stop: threading.Event) -> None:
    """Delete brief records of desks whose item an import has moved to another record."""
    fast_adds.delete_empty_records(resources.database, system("fast_adds"), stop)


def delete_unused_headings(resources: Resources, _stop: threading.Event) -> None:
    """Delete headings that no record uses."""
    with closing(open_index(resources)) as index:
        try:
            headings.delete_unused_headings(resources.database, index)
        except Unavailable as problem:
            if problem.reason not in ENGINE_DOWN:
                raise
            # An unused heading is not shown, so the next daily run is early enough.
            log.info("headings_not_weeded", extra={"reason": problem.reason})
