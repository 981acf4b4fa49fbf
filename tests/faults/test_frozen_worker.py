"""A worker that is connected to the broker and handles nothing is found, also when its queue is empty."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from chassis import clock
from chassis.bus.amqp import AmqpBus
from chassis.bus.inbox import inbox
from chassis.bus.outbox import Relay, outbox
from chassis.context import system
from chassis.ids import earliest_id
from chassis.jobs.job_runs import record_first_run
from chassis.operations import diagnosis
from chassis.operations.health import Finding
from chassis.service import Resources
from chassis.settings import load
from rangkiang.circulation.v1.events_pb2 import LoanOpened
from services.catalog.service import SERVICE as CATALOG
from services.circulation.service import SERVICE as CIRCULATION
from tests.example_services.installation import eventually, start_worker, stop_workers, wait_until_ready
from tests.migrated import MigratedDatabases

TEST = system("test")


@pytest.fixture
def catalog(
    servers: dict[str, str], amqp_url: str, tmp_path: Path, migrated: MigratedDatabases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Resources]:
    """The catalogue, whose events have been compared since yesterday; circulation's database is beside it."""
    monkeypatch.setattr(diagnosis, "WORKER_SECONDS", 1.0)
    settings = load({**migrated.urls(), "BUS_URL": amqp_url, "DATA": str(tmp_path)})
    with (
        migrated.open(CIRCULATION, "postgresql", tmp_path),
        migrated.open(CATALOG, "postgresql", tmp_path) as database,
    ):
        with clock.frozen(clock.now() - timedelta(days=1)), database.transaction(TEST) as session:
            for consumer in CATALOG.consumers:
                record_first_run(session, f"gaps:{consumer.name}")
        yield Resources(settings=settings, database=database, service=CATALOG)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def publish(catalog: Resources, *, minutes_ago: float) -> UUID:
    """Publish a loan that was opened so long ago. Returns the id of the event."""
    moment = clock.now() - timedelta(minutes=minutes_ago)
    event_id = UUID(int=earliest_id(moment).int + 1)
    loan = {name: str(uuid4()) for name in ("loan_id", "institution_id", "item_id")}
    body = json.dumps({"loan": {**loan, "state": "on_loan", "state_version": 1}})
    row = {
        "id": event_id, "type": LoanOpened.DESCRIPTOR.full_name, "body": body, "aggregate_id": "a", "version": 1,
        "institution": "", "actor": "", "occurred_at": moment, "traceparent": "",
    }  # fmt: skip
    with closing(CIRCULATION.open_database(catalog.settings)) as database:
        with database.transaction(TEST) as session:
            session.execute(insert(outbox).values(row))
        with closing(AmqpBus(catalog.settings.bus_url)) as bus:
            assert Relay(database, bus).step() == 1
    return event_id


def doctor(catalog: Resources) -> Finding:
    (finding,) = diagnosis.check_workers(catalog.settings, CATALOG)
    return finding


def is_handled(catalog: Resources, event_id: UUID) -> bool:
    with catalog.database.reading(TEST) as session:
        return session.scalar(select(inbox.c.event_id).where(inbox.c.event_id == event_id)) is not None


def test_a_stopped_worker_is_found_and_not_one_that_goes_on(catalog: Resources) -> None:
    worker = start_worker(catalog, manifest="services.catalog.service:SERVICE")
    try:
        wait_until_ready(worker)
        first = publish(catalog, minutes_ago=2)
        eventually(lambda: is_handled(catalog, first))
        assert doctor(catalog).ok
        with stopped(worker.pid):
            late = publish(catalog, minutes_ago=1.5)
            finding = doctor(catalog)
        assert not finding.ok
        assert finding.message.en.endswith(": loans_opened.")
        assert "rangkiang work catalog" in finding.advice.en
        eventually(lambda: is_handled(catalog, late))
        assert doctor(catalog).ok
        stop_workers(worker)
    finally:
        worker.kill()
        worker.wait()


def test_an_event_of_this_minute_and_one_without_a_worker_are_no_frozen_worker(catalog: Resources) -> None:
    worker = start_worker(catalog, manifest="services.catalog.service:SERVICE")
    try:
        wait_until_ready(worker)
        with stopped(worker.pid):
            publish(catalog, minutes_ago=0.2)
            assert doctor(catalog).ok
    finally:
        worker.kill()
        worker.wait()
    publish(catalog, minutes_ago=2)
    assert doctor(catalog).ok
