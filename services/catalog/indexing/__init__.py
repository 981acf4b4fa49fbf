"""The index follows the tables: a queue drained in batches, and a new index built beside the live one when need be."""

from __future__ import annotations

import logging
import threading
import time

from chassis.errors import Unavailable
from chassis.service import Resources
from chassis.urls import open_url
from chassis.wake import open_wake
from services.catalog.index import ENGINES, Index
from services.catalog.indexing.keeping import Keeper
from services.catalog.indexing.queue import enqueue
from services.catalog.indexing.wishes import ask_rebuild, rebuild_progress, unsound

__all__ = ["Keeper", "ask_rebuild", "enqueue", "rebuild_progress", "run", "unsound"]

log = logging.getLogger(__name__)

PACE_SECONDS = 0.2
SWEEP_SECONDS = 1.0
TRIES = 5


def run(resources: Resources, stop: threading.Event) -> None:
    """Follow the tables until `stop`, as the holder of the index lease; woken by commits, and once a second."""
    index: Index = open_url(resources.settings.search, ENGINES)
    wake = open_wake(resources.database)
    failures = 0
    keeper = Keeper(resources.database, index, watched=not resources.beside)
    try:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                busy = keeper.step()
                failures = 0
            except Unavailable as problem:
                if problem.reason == "DATABASE_UNAVAILABLE":
                    raise
                failures += 1
                log.warning("index_not_followed", extra={"reason": problem.reason, "facts": problem.facts})
                if failures == TRIES:
                    keeper.give_up(problem)
                stop.wait(min(failures, TRIES))
                keeper = Keeper(resources.database, index, watched=not resources.beside)
                continue
            if not busy:
                wake.wait(SWEEP_SECONDS)
            elif not keeper.hurried:
                stop.wait(max(0.0, PACE_SECONDS - (time.monotonic() - begun)))
    finally:
        wake.close()
        index.close()
