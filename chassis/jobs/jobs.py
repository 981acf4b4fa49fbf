"""Runs the jobs of a service in threads of `serve` and `up`; each job runs in one process at a time.

A command that creates work for jobs starts a second process for them, unless a running library holds all leases.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from chassis import clock, metrics
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.errors import Error
from chassis.gc_tuning import tune_gc
from chassis.jobs.job_runs import DONE, SCHEDULE, due_at, record_end, record_start
from chassis.jobs.lease import FencedDatabase, Lease, Leases, holder_of
from chassis.metrics import telemetry
from chassis.service import Job, Resources, load
from chassis.settings import load as load_settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

BACK_OFF_SECONDS = 2.0
CLOCK_SECONDS = 60.0  # longest wait between two readings of the clock
LOSS_SECONDS = 0.5  # longest time until a waiting job notices that its lease is lost
GRACE_SECONDS = 15

RELAY = Job(name="relay", run="chassis.bus.outbox:relay", lease="relay")
# At each start too, because a restored database may have lost its copies.
FILL = Job(name="fill", run="chassis.operations.resync:fill_empty", lease="fill", every_seconds=86_400, at_start=True)
CATCH_UP = Job(
    name="catch-up", run="chassis.operations.resync:catch_up", lease="catch-up", at="02:30", zone="Asia/Jakarta"
)
DELIVER = Job(name="deliver", run="chassis.bus.local_delivery:deliver", lease="deliver")
SEAL = Job(name="seal", run="chassis.audit.hash_chain:run", lease="audit")
TIDY = Job(name="tidy", run="chassis.bus.outbox:tidy", lease="tidy", every_seconds=86_400)
# Of these, a service has those that its database and bus need.
PLATFORM = (RELAY, FILL, CATCH_UP, DELIVER, SEAL, TIDY)


def jobs_of(resources: Resources) -> tuple[Job, ...]:
    """Return the jobs of a service: its own, and those of the platform that its database and bus need."""
    is_local = urlsplit(resources.settings.bus_url).scheme == "local"
    delivers = is_local and bool(resources.service.consumers)
    fills = bool(resources.service.projections) and not resources.for_command
    catches_up = bool(resources.service.consumers) and not resources.for_command
    delivery = (*([DELIVER] if delivers else []), *([FILL] if fills else []), *([CATCH_UP] if catches_up else []))
    return (*resources.service.jobs, RELAY, *delivery, SEAL, TIDY)


def start(jobs: tuple[Job, ...], resources: Resources, stop: threading.Event) -> list[threading.Thread]:
    """Start a thread for each job. The threads end soon after `stop` is set."""
    if metrics.own() is not None:
        resolve("chassis.operations.sampling:watch")(resources, stop)
    process_started = clock.now()
    threads = [
        threading.Thread(
            target=_run_until,
            args=(job, resources, stop, process_started),
            name=f"{resources.service.name}-{job.name}",
            daemon=True,
        )
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    return threads


@contextmanager
def running_for_command(resources: Resources, *, name: str = "") -> Iterator[None]:
    """Run a service's jobs in a second process until the block ends or this process dies.

    No process is started while others hold all leases, as a running library does.

    name  of the service, as for `load`; "" for one in services/
    """
    name = name or resources.service.name
    leases = {job.lease for job in jobs_of(resources) if not job.scheduled}
    stop = threading.Event()
    thread = threading.Thread(target=_run_child, args=(resources, name, leases, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run_child(resources: Resources, name: str, leases: Iterable[str], stop: threading.Event) -> None:
    """Start the process for the jobs as soon as a lease is free, and end it after `stop`."""
    while _are_held(resources.database, leases):
        if stop.wait(BACK_OFF_SECONDS):
            return
    # One heap for all threads, because one heap for each takes a quarter more memory.
    command = ["/usr/bin/env", "MALLOC_ARENA_MAX=1", sys.executable, "-P", "-m", "chassis.jobs.jobs"]
    child = subprocess.Popen([*command, name], stdin=subprocess.PIPE)
    assert child.stdin is not None
    stop.wait()
    child.stdin.close()
    try:
        child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _are_held(database: Database, leases: Iterable[str]) -> bool:
    """Return whether other processes hold all leases; False if this cannot be read, because the child waits itself."""
    try:
        return all(holder_of(database, lease) for lease in leases)
    except (Error, OSError):
        return False


def run_for_command(name: str) -> None:
    """Run the jobs in the process that `running_for_command` starts, until its standard input ends."""
    # Ignored, because the command handles Ctrl-C, and when it ends, the standard input of this process closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = load_settings()
    telemetry.start(settings, "jobs")
    service = load(name)
    database = service.open_database(settings)
    stop = threading.Event()
    resources = Resources(settings=settings, database=database, service=service, for_command=True)
    threads = start(jobs_of(resources), resources, stop)
    tune_gc()
    try:
        sys.stdin.read()
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=GRACE_SECONDS)
        database.close()


def _run_until(job: Job, resources: Resources, stop: threading.Event, process_started: datetime) -> None:
    """Run a job under its lease until `stop`. A failed run is tried again; each new reason is logged once."""
    last_reason = ""
    while not stop.is_set():
        try:
            run = resolve(job.run)
            if job.scheduled:
                _run_when_due(job, run, resources, stop, process_started)
                last_reason = ""
                continue
            with _hold_lease(job, resources, stop) as (end, fenced):
                if not end.is_set():
                    run(fenced, end)
            last_reason = ""
        except Error as problem:
            if not is_away(problem) and problem.reason != last_reason:
                log.warning("job_failed", extra={"job": job.name, "reason": problem.reason, "facts": problem.facts})
            last_reason = problem.reason
        except Exception:
            # Any error, because nothing else catches it in this thread, and the next attempt may succeed.
            log.exception("job_crashed", extra={"job": job.name})
        stop.wait(BACK_OFF_SECONDS)


def _run_when_due(
    job: Job, run: Callable[..., None], resources: Resources, stop: threading.Event, process_started: datetime
) -> None:
    """Wait without a lease until the job is due; then run it, unless another process has already run it."""
    due = partial(due_at, job, resources.database, process_started=process_started)
    _wait_until(due(), stop)
    with _hold_lease(job, resources, stop) as (end, fenced):
        if end.is_set() or due() > clock.now():
            return
        with fenced.database.transaction(SCHEDULE) as session:
            record_start(session, job.name)
        outcome = "CRASHED"
        try:
            run(fenced, end)
            outcome = DONE
        except Error as problem:
            outcome = problem.reason
            raise
        finally:
            # An interrupted run has no end, so it is due again.
            if not end.is_set():
                with fenced.database.transaction(SCHEDULE) as session:
                    record_end(session, job.name, outcome)


def _wait_until(due: datetime, stop: threading.Event) -> None:
    """Wait by the clock, not by elapsed seconds, because the machine may sleep and its clock may change."""
    while not stop.is_set() and (seconds := (due - clock.now()).total_seconds()) > 0:
        stop.wait(min(seconds, CLOCK_SECONDS))


@contextmanager
def _hold_lease(job: Job, resources: Resources, stop: threading.Event) -> Iterator[tuple[threading.Event, Resources]]:
    """Hold the job's lease in the block.

    yields  an event that is set when the job must end, and resources with a database that checks the lease
    """
    with Leases(resources.database).hold(job.lease, stop) as lease:
        if lease is None:
            yield stop, resources
            return
        # Not INFO for a scheduled job, which takes its lease for each run.
        level = logging.DEBUG if job.scheduled else logging.INFO
        log.log(level, "lease_taken", extra={"service": resources.service.name, "role": job.lease})
        with metrics.holding(resources.service.name, job.lease):
            yield _StopOrLeaseLost(stop, lease), replace(resources, database=FencedDatabase(resources.database, lease))


class _StopOrLeaseLost(threading.Event):
    """An event that is set when the process is to stop or the lease is lost."""

    def __init__(self, stop: threading.Event, lease: Lease) -> None:
        super().__init__()
        self._stop, self._lease = stop, lease

    def is_set(self) -> bool:
        return self._stop.is_set() or not self._lease.is_held

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            seconds = LOSS_SECONDS if deadline is None else min(LOSS_SECONDS, deadline - time.monotonic())
            if seconds <= 0:
                break
            self._stop.wait(seconds)
        return self.is_set()


if __name__ == "__main__":
    run_for_command(sys.argv[1])
