"""Schedules: what time asks of a service, each in one process at a time, in threads of `serve` and `up`.

A command that makes work for them runs them `beside` itself, in a process that takes what leases are free.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from chassis import telemetry
from chassis.errors import Error
from chassis.gc_tuning import settle
from chassis.lease import Fenced, Lease, Leases
from chassis.service import Job, Resources, load
from chassis.settings import load as load_settings
from chassis.urls import resolve
from chassis.wake import announce_commits

log = logging.getLogger(__name__)

BACK_OFF_SECONDS = 2.0
GRACE_SECONDS = 15

# What every service's database needs done, whatever else the service does.
CHASSIS = (
    Job(name="relay", run="chassis.outbox:relay", lease="relay"),
    Job(name="deliver", run="chassis.bus.local:deliver", lease="deliver"),
    Job(name="tidy", run="chassis.outbox:tidy", lease="tidy", every_seconds=86_400),
)


def start(jobs: tuple[Job, ...], resources: Resources, stop: threading.Event) -> list[threading.Thread]:
    """One thread a job; they end soon after `stop` is set."""
    announce_commits(resources.database)
    threads = [
        threading.Thread(
            target=_keep, args=(job, resources, stop), name=f"{resources.service.name}-{job.name}", daemon=True
        )
        for job in jobs
    ]
    for thread in threads:
        thread.start()
    return threads


@contextmanager
def beside(service: str) -> Iterator[None]:
    """Run a service's jobs in a process of their own for the length of the block, or until this process dies."""
    # Its threads share one heap: with one each it takes a quarter more memory for the same work.
    command = ["/usr/bin/env", "MALLOC_ARENA_MAX=1", sys.executable, "-m", "chassis.jobs", service]
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        yield
    finally:
        child.stdin.close()
        try:
            child.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run_beside(name: str) -> None:
    """What that process does: the jobs, until standard input ends."""
    settings = load_settings()
    telemetry.start(settings, "jobs")
    # Ctrl-C is for the command; this process hears of its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = load(name)
    database = service.open_database(settings)
    stop = threading.Event()
    resources = Resources(settings=settings, database=database, service=service, beside=True)
    threads = start((*service.jobs, *CHASSIS), resources, stop)
    settle()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(timeout=GRACE_SECONDS)
    database.close()


def _keep(job: Job, resources: Resources, stop: threading.Event) -> None:
    """Hold the job's lease and run it on a database fenced by it; a job that fails is tried again, after saying so."""
    leases = Leases(resources.database)
    run = resolve(job.run)
    while not stop.is_set():
        with leases.hold(job.lease, stop) as lease:
            if lease is None:
                return
            log.info("lease_taken", extra={"service": resources.service.name, "role": job.lease})
            try:
                _run_while_held(job, run, resources, lease, stop)
            except Error as problem:
                log.warning("job_failed", extra={"job": job.name, "reason": problem.reason, "facts": problem.facts})
            except Exception:
                # A thread's edge: nobody above could hear of it, and the next try may do better.
                log.exception("job_crashed", extra={"job": job.name})
        stop.wait(BACK_OFF_SECONDS)


def _run_while_held(job: Job, run: object, resources: Resources, lease: Lease, stop: threading.Event) -> None:
    assert callable(run)
    ended = _Either(stop, lease)
    resources = replace(resources, database=Fenced(resources.database, lease))
    if job.every_seconds is None:
        run(resources, ended)
        return
    while not ended.is_set():
        begun = time.monotonic()
        run(resources, ended)
        ended.wait(max(0.0, job.every_seconds - (time.monotonic() - begun)))


class _Either(threading.Event):
    """Set when the process is to stop or the lease is lost."""

    def __init__(self, stop: threading.Event, lease: Lease) -> None:
        super().__init__()
        self._stop, self._lease = stop, lease

    def is_set(self) -> bool:
        return self._stop.is_set() or not self._lease.held

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = 0.5 if end is None else min(0.5, end - time.monotonic())
            if left <= 0:
                break
            self._stop.wait(left)
        return self.is_set()


if __name__ == "__main__":
    run_beside(sys.argv[1])
