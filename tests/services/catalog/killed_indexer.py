"""An indexer in a process that is killed at one point of its work.

python -m tests.services.catalog.killed_indexer DATABASE_URL SEARCH_URL POINT
"""

from __future__ import annotations

import sys
from typing import Any

from chassis.database.db import Database
from services.catalog.index import indexer
from services.catalog.index.indexer import Indexer
from services.catalog.index.installation import open_index_at
from tests.example_services.kill_points import kill_process


def main(url: str, search: str, point: str) -> None:
    """
    point  "before the queue rows go", "before progress is noted" or "before done is noted"
    """
    indexer.SCAN_BATCH = indexer.MOST_RECORDS_A_COMMIT = 4
    update = Indexer._update_request

    def die(*_arguments: Any, **_more: Any) -> None:
        kill_process()

    def update_or_die(*arguments: Any, **values: Any) -> None:
        notes_progress, notes_done = bool(values.get("reached")), values.get("state") == "done"
        if (point == "before progress is noted" and notes_progress) or (point == "before done is noted" and notes_done):
            kill_process()
        update(*arguments, **values)

    Indexer._update_request = update_or_die
    if point == "before the queue rows go":
        indexer.dequeue = die
    database = Database(url)
    running = Indexer(database, open_index_at(search, database))
    while running.step():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
