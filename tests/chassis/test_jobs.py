"""Jobs: each runs in one process at a time, is retried after an error and ends on request."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.context import READER
from chassis.database.db import Database
from chassis.jobs import jobs
from chassis.jobs.job_runs import job_runs
from chassis.jobs.lease import Leases
from chassis.service import Job, Resources
from chassis.settings import Settings
from tests.chassis.example_jobs import SERVICE, notes
from tests.conditions import eventually


@dataclass
class Process:
    """Stands for one process: it runs jobs with its own connection to the database."""

    folder: Path
    database: Database
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, name: str, **schedule: Any) -> None:
        job = Job(name=name, run=f"tests.chassis.example_jobs:{name}", lease="role", **schedule)
        resources = Resources(settings=Settings(data=self.folder), database=self.database, service=SERVICE)
        self.threads += jobs.start((job,), resources, self.stop)

    def end(self) -> float:
        """Stop the jobs; return the seconds that it took."""
        start = time.monotonic()
        self.stop.set()
        for thread in self.threads:
            thread.join(timeout=10)
        assert not any(thread.is_alive() for thread in self.threads)
        return time.monotonic() - start


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Process]]:
    """Return a function that opens one more process in the same folder."""
    monkeypatch.setattr(jobs, "BACK_OFF_SECONDS", 0.05)
    processes: list[Process] = []

    def open_process() -> Process:
        database = Database(f"sqlite:///{tmp_path}/jobs.db")
        job_runs.create(database.writer, checkfirst=True)
        processes.append(Process(tmp_path, database))
        return processes[-1]

    yield open_process
    for process in processes:
        process.end()
        process.database.close()


def last_run(database: Database) -> str | None:
    """Outcome of the only job; None before it has started."""
    with database.reading(READER) as session:
        return session.scalar(select(job_runs.c.outcome))


def test_a_job_runs_until_it_is_stopped(process: Callable[[], Process], tmp_path: Path) -> None:
    worker = process()
    worker.start("until_stopped")
    eventually(lambda: notes(tmp_path) == ["begun"])
    assert worker.end() < 2
    assert notes(tmp_path) == ["begun", "ended"]


def test_a_job_with_a_period_runs_once_in_each_period(process: Callable[[], Process], tmp_path: Path) -> None:
    worker = process()
    worker.start("once", every_seconds=0.2)
    time.sleep(1.1)
    worker.end()
    assert 3 <= len(notes(tmp_path)) <= 6


def test_a_restart_does_not_run_a_job_again_before_its_time(process: Callable[[], Process], tmp_path: Path) -> None:
    first = process()
    first.start("once", every_seconds=3_600)
    eventually(lambda: last_run(first.database) == "done")
    first.end()
    second = process()
    second.start("once", every_seconds=3_600)
    time.sleep(0.5)
    assert notes(tmp_path) == ["done"]
    with clock.frozen(clock.now() + timedelta(hours=1)):
        later = process()
        later.start("once", every_seconds=3_600)
        eventually(lambda: notes(tmp_path) == ["done", "done"])


def test_a_job_missed_during_downtime_runs_once_after_the_start(process: Callable[[], Process], tmp_path: Path) -> None:
    first = process()
    first.start("once", at="03:00", zone="Asia/Jakarta")
    eventually(lambda: last_run(first.database) == "done")
    first.end()
    with clock.frozen(clock.now() + timedelta(days=3)):
        second = process()
        second.start("once", at="03:00", zone="Asia/Jakarta")
        eventually(lambda: notes(tmp_path) == ["done", "done"])
        time.sleep(0.5)
        assert notes(tmp_path) == ["done", "done"]


def test_a_job_at_start_runs_after_each_restart(process: Callable[[], Process], tmp_path: Path) -> None:
    for runs in (1, 2):
        worker = process()
        worker.start("once", every_seconds=3_600, at_start=True)
        eventually(lambda runs=runs: notes(tmp_path) == ["done"] * runs)  # type: ignore[misc]
        time.sleep(0.3)
        worker.end()
    assert notes(tmp_path) == ["done", "done"]


def test_of_many_processes_one_runs_a_job_that_is_due(process: Callable[[], Process], tmp_path: Path) -> None:
    workers = [process() for _ in range(4)]
    for worker in workers:
        worker.start("once", every_seconds=3_600)
    eventually(lambda: notes(tmp_path))
    time.sleep(2)
    assert notes(tmp_path) == ["done"]


def test_a_job_stopped_before_its_end_is_due_again(process: Callable[[], Process], tmp_path: Path) -> None:
    first = process()
    first.start("until_stopped", every_seconds=3_600)
    eventually(lambda: notes(tmp_path) == ["begun"])
    assert last_run(first.database) == ""
    first.end()
    process().start("until_stopped", every_seconds=3_600)
    eventually(lambda: notes(tmp_path) == ["begun", "ended", "begun"])


def test_a_job_that_fails_leaves_its_reason_and_is_tried_again(process: Callable[[], Process], tmp_path: Path) -> None:
    worker = process()
    worker.start("refuses_always", every_seconds=3_600)
    eventually(lambda: last_run(worker.database) == "NOT_YET")
    eventually(lambda: notes(tmp_path)[:2] == ["tried", "tried"])


def test_of_two_processes_one_works_and_the_other_takes_over(process: Callable[[], Process], tmp_path: Path) -> None:
    first, second = process(), process()
    first.start("until_stopped")
    eventually(lambda: notes(tmp_path) == ["begun"])
    second.start("until_stopped")
    time.sleep(0.8)
    assert notes(tmp_path) == ["begun"]
    first.end()
    eventually(lambda: notes(tmp_path) == ["begun", "ended", "begun"])


@pytest.mark.parametrize(("name", "event"), [("refuses_once", "job_failed"), ("breaks_once", "job_crashed")])
def test_a_job_that_fails_is_logged_and_tried_again(
    process: Callable[[], Process], tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, event: str
) -> None:
    with caplog.at_level(logging.WARNING):
        process().start(name)
        eventually(lambda: notes(tmp_path) == ["tried", "tried"])
    assert [record.getMessage() for record in caplog.records] == [event]


def test_a_waiting_job_is_stopped_when_its_lease_is_lost() -> None:
    class Losing:
        is_held = True

    lease = Losing()
    stop = jobs._StopOrLeaseLost(threading.Event(), lease)  # type: ignore[arg-type]
    assert not stop.wait(0.01)
    threading.Timer(0.1, lambda: setattr(lease, "is_held", False)).start()
    assert stop.wait(5)
    assert stop.is_set()


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    """Settings, database and service of a command."""
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = Settings(data=tmp_path)
    database = Database(settings.database(SERVICE.name))
    yield Resources(settings=settings, database=database, service=SERVICE)
    database.close()


def running(resources: Resources) -> AbstractContextManager[None]:
    return jobs.running_for_command(resources, name="tests.chassis.example_jobs:SERVICE")


def _worker(resources: Resources) -> int:
    return int((resources.settings.data / "notes").read_text().split()[1])


def test_jobs_of_a_command_end_with_it(resources: Resources) -> None:
    folder = resources.settings.data
    with running(resources):
        eventually(lambda: notes(folder) == ["begun"])
        worker = _worker(resources)
        assert worker != os.getpid()
    assert notes(folder) == ["begun", "ended"]
    assert not Path(f"/proc/{worker}").exists()


def test_jobs_of_a_command_ignore_its_ctrl_c(resources: Resources) -> None:
    folder = resources.settings.data
    with running(resources):
        eventually(lambda: notes(folder) == ["begun"])
        os.kill(_worker(resources), signal.SIGINT)
        time.sleep(0.3)
        assert notes(folder) == ["begun"]
    assert notes(folder) == ["begun", "ended"]


def test_a_command_starts_no_process_for_jobs_until_a_lease_is_free(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BACK_OFF_SECONDS", 0.05)
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def record_start(*words: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(start(*words, **more))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", record_start)
    leases = [Leases(resources.database).try_hold(job.lease) for job in jobs.jobs_of(resources)]
    with running(resources):
        time.sleep(0.3)
        assert not started
        for lease in leases:
            assert lease is not None
            lease.release()
        eventually(lambda: notes(resources.settings.data) == ["begun"])
        assert len(started) == 1
    assert notes(resources.settings.data) == ["begun", "ended"]
