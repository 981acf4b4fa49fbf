"""An import, or the jobs of the catalogue, that kill themselves with SIGKILL at a named point.

python -m tests.faults.killed_import POINT import PATH --source CODE --json     the command
python -m tests.faults.killed_import POINT jobs                                 the jobs of the catalogue
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from chassis.cli import commands
from chassis.database.db import Database
from chassis.jobs import jobs
from chassis.service import Resources, load
from chassis.settings import load as load_settings
from services.catalog.importing import decode, pipeline, runs
from services.catalog.index import indexer
from services.catalog.index.elastic import ElasticIndex
from services.catalog.index.tantivy import TantivyIndex
from tests.example_services.kill_points import kill_after, kill_before

BATCH = 60  # records of a batch of a killed import, so that few records have a few batches


def _engines(kill_at: Callable[..., None]) -> None:
    for engine in (TantivyIndex, ElasticIndex):
        kill_at(engine, "write")


POINTS: dict[str, Callable[[], None]] = {
    "source.before_first_batch": lambda: kill_before(pipeline.Import, "_load"),
    "batch.before_put": lambda: kill_before(pipeline, "upsert_batch", call=2),
    "batch.before_commit": lambda: kill_before(pipeline.Counts, "add", call=2),
    "batch.after_commit": lambda: kill_after(pipeline.Import, "_commit"),
    "end.before_commit": lambda: kill_before(runs, "delete"),
    "end.after_commit": lambda: kill_after(pipeline.Import, "run"),
    "index.before_write": lambda: _engines(kill_before),
    "index.after_write": lambda: _engines(kill_after),
    "index.before_dequeue_commits": lambda: kill_after(indexer, "dequeue"),
    "index.after_dequeue": lambda: kill_after(indexer.Indexer, "step"),
}


def main(point: str, *command: str) -> None:
    POINTS[point]()
    if command[0] != "jobs":
        decode.BATCH = pipeline.BATCH = BATCH  # type: ignore[attr-defined]
        sys.argv = ["rangkiang", *command]
        commands.main()
        return
    settings, service = load_settings(), load("catalog")
    resources = Resources(settings=settings, database=Database(settings.database("catalog")), service=service)
    threads = jobs.start(jobs.jobs_of(resources), resources, threading.Event())
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
