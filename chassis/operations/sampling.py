"""Metrics that are read and not counted: pools of this process, and waiting work of a service.

Each process counts its own connections. One process of the machine takes the samples of a service.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import closing

from sqlalchemy import func, select

from chassis import clock, metrics
from chassis.bus.depths import Depths, open_depths
from chassis.bus.outbox import outbox, unpublished_rows
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Error, Unavailable
from chassis.jobs.job_runs import DONE, LAST_BACKUP, NO_BACKUP, job_runs
from chassis.jobs.jobs import jobs_of
from chassis.metrics import Sample
from chassis.metrics.shared import SAMPLE_SECONDS, SharedMetrics
from chassis.service import Resources
from chassis.urls import resolve

log = logging.getLogger(__name__)

METRICS = system("metrics")
LAST_SUCCESS = "rangkiang_job_last_success_timestamp_seconds"


def watch(resources: Resources, stop: threading.Event) -> None:
    """Count the connections of this process until `stop`, and sample the service if no other process does.

    Does nothing if metrics are off.
    """
    shared = metrics.own()
    if shared is not None:
        name = f"{resources.service.name}-metrics"
        threading.Thread(target=_run, args=(resources, shared, stop), name=name, daemon=True).start()


def _run(resources: Resources, shared: SharedMetrics, stop: threading.Event) -> None:
    name = resources.service.name
    handle: int | None = None
    failed = False
    with closing(open_depths(resources)) as depths:
        while True:
            try:
                _count_connections(shared, name, resources.database)
                handle = handle or shared.lock(f"service-{name}")
                if handle is not None:
                    shared.write_service(name, list(samples_of(resources, depths, shared)))
                failed = False
            except Exception as problem:
                # Logged once and not raised, because old samples soon disappear and their age is a metric.
                if not failed:
                    is_bug = not isinstance(problem, (Error, OSError))
                    log.warning("metrics_not_sampled", extra={"service": name, "why": str(problem)}, exc_info=is_bug)
                failed = True
            if stop.wait(SAMPLE_SECONDS):
                break
    if handle is not None:
        os.close(handle)


def _count_connections(shared: SharedMetrics, name: str, database: Database) -> None:
    pools = {id(engine.pool): engine.pool for engine in (database.writer, database.reader)}.values()
    used = sum(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]
    idle = sum(pool.checkedin() for pool in pools)  # type: ignore[attr-defined]
    shared.connections.labels(name, "used").set(used)
    shared.connections.labels(name, "idle").set(idle)
    shared.most_connections.labels(name).set(sum(pool.size() for pool in pools))  # type: ignore[attr-defined]


def samples_of(resources: Resources, depths: Depths, shared: SharedMetrics) -> Iterator[Sample]:
    """Read the waiting work in the database of a service, and on its bus if that answers. Raises Unavailable."""
    service = {"service": resources.service.name}
    with resources.database.reading(METRICS) as session:
        count, oldest = session.execute(
            select(func.count(), func.min(outbox.c.occurred_at)).where(unpublished_rows)
        ).one()
        runs = session.execute(select(job_runs)).all()
    age = 0.0 if oldest is None else max(0.0, (clock.now() - oldest).total_seconds())
    yield Sample("rangkiang_outbox_unpublished_events", "Events that wait for the relay", count, service)
    yield Sample("rangkiang_outbox_oldest_seconds", "Age of the oldest unpublished event", age, service)
    yield from _bus_samples(depths, service)
    # The table has only the last run; the time of an earlier success is in the last samples.
    before = {
        tuple(sample.labels.items()): sample.value
        for sample in shared.service_samples(service["service"])
        if sample.name == LAST_SUCCESS
    }
    scheduled_jobs = {job.name for job in jobs_of(resources) if job.scheduled}
    for run in runs:
        if run.name == LAST_BACKUP:
            moment, is_failed = run.started_at.timestamp(), run.outcome not in (DONE, NO_BACKUP)
            yield Sample("rangkiang_backup_last_timestamp_seconds", "Moment of the last backup", moment, service)
            yield Sample("rangkiang_backup_failed", "1 when the last backup failed", is_failed, service)
        if run.name not in scheduled_jobs:
            continue
        labels = {**service, "job_name": run.name}
        success = run.ended_at.timestamp() if run.outcome == DONE else before.get(tuple(labels.items()))
        if success is not None:
            yield Sample(LAST_SUCCESS, "End of the last run without an error", success, labels)
        is_failed = run.ended_at is not None and run.outcome != DONE
        yield Sample("rangkiang_job_failed", "1 when the last run of the job ended with an error", is_failed, labels)
    for dotted in resources.service.metrics:
        yield from resolve(dotted)(resources)


def _bus_samples(depths: Depths, service: dict[str, str]) -> Iterator[Sample]:
    """Read what waits on the bus; while it is away, only that."""
    try:
        counts, answers = depths.count(), True
    except Unavailable:
        counts, answers = [], False
    yield Sample("rangkiang_bus_answers", "1 when the bus answers", answers, service)
    for depth in counts:
        labels = {**service, "handler": depth.handler}
        yield Sample("rangkiang_handler_waiting_events", "Events that a handler has not handled", depth.waiting, labels)
        yield Sample("rangkiang_handler_oldest_seconds", "Age of the oldest waiting event", depth.oldest, labels)
        yield Sample("rangkiang_dead_events", "Events that a handler could not process", depth.dead, labels)
        if depth.workers is not None:
            yield Sample("rangkiang_handler_workers", "Workers of a handler's queue", depth.workers, labels)
