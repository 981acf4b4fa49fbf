"""Metrics that are read and not counted: pools and leases of this process, and waiting work of a service.

Each process writes its own gauges. One process of the machine takes the samples of a service.
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
from chassis.context import system
from chassis.db import Database
from chassis.errors import Error, Unavailable
from chassis.job_runs import DONE, LAST_BACKUP, NO_BACKUP, job_runs
from chassis.jobs import jobs_of
from chassis.metrics import Sample
from chassis.metrics.store import SAMPLE_SECONDS, Store
from chassis.outbox import outbox, unpublished_rows
from chassis.service import Resources
from chassis.urls import resolve

log = logging.getLogger(__name__)

METRICS = system("metrics")
LAST_SUCCESS = "rangkiang_job_last_success_timestamp_seconds"

_watched: dict[str, Database] = {}


def watch(resources: Resources, stop: threading.Event) -> None:
    """Write gauges of this process until `stop`, and samples of the service if no other process of the machine does.

    Does nothing if metrics are off.
    """
    store = metrics.own_store()
    if store is None:
        return
    name = resources.service.name
    _watched[name] = resources.database
    threading.Thread(target=_run, args=(resources, store, stop), name=f"{name}-metrics", daemon=True).start()


def _run(resources: Resources, store: Store, stop: threading.Event) -> None:
    name = resources.service.name
    handle: int | None = None
    failed = False
    with closing(open_depths(resources)) as depths:
        while True:
            try:
                store.write_gauges(_gauges())
                handle = handle or store.lock(f"service-{name}")
                if handle is not None:
                    store.write_service(name, list(samples_of(resources, depths, store)))
                failed = False
            except (Error, OSError) as problem:
                # Logged once and not raised, because old samples soon disappear and their age is a metric.
                if not failed:
                    log.warning("metrics_not_sampled", extra={"service": name, "why": str(problem)})
                failed = True
            except Exception:
                if not failed:
                    log.exception("metrics_not_sampled", extra={"service": name})
                failed = True
            if stop.wait(SAMPLE_SECONDS):
                break
    _watched.pop(name, None)
    if handle is not None:
        os.close(handle)


def _gauges() -> Iterator[Sample]:
    for name, database in list(_watched.items()):
        pools = {id(engine.pool): engine.pool for engine in (database.writer, database.reader)}.values()
        used = sum(pool.checkedout() for pool in pools)  # type: ignore[attr-defined]
        idle = sum(pool.checkedin() for pool in pools)  # type: ignore[attr-defined]
        most = sum(pool.size() for pool in pools)  # type: ignore[attr-defined]
        pool_name = "db_client_connection_pool_name"
        text = "Connections of the database's pools, by state"
        for state, count in (("used", used), ("idle", idle)):
            yield Sample(
                "db_client_connection_count", text, count, {pool_name: name, "db_client_connection_state": state}
            )
        yield Sample("db_client_connection_max", "Connections that the pools may open", most, {pool_name: name})
    for service, role in list(metrics.held_leases):
        yield Sample("rangkiang_lease_held", "Processes that hold the role", 1, {"service": service, "role": role})


def samples_of(resources: Resources, depths: Depths, store: Store) -> Iterator[Sample]:
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
        for sample in store.service_samples(service["service"])
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
