"""A process whose lease has expired on PostgreSQL commits nothing and blocks no other process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, text

from chassis.bus import Event
from chassis.bus.local import LocalBus, deliveries
from chassis.bus.local_delivery import Deliveries
from chassis.bus.outbox import Relay
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Conflict, Unavailable
from chassis.jobs import jobs, lease_rows
from chassis.jobs.lease import FencedDatabase, Lease, Leases
from chassis.jobs.lease_rows import renewer_of
from chassis.service import Job
from tests.chassis import example_jobs
from tests.example_services.installation import Installation, installation_of
from tests.example_services.orders import handlers
from tests.migrated import MigratedDatabases

TEST = system("test")


@pytest.fixture
def installation(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    """On PostgreSQL, where a lease can expire without notice to its holder."""
    with installation_of("amqp", tmp_path, migrated) as installation:
        yield installation


@pytest.fixture
def hold() -> Iterator[Callable[[Database, str], Lease]]:
    leases: list[Lease] = []

    def take(database: Database, role: str) -> Lease:
        lease = Leases(database).try_hold(role)
        assert lease is not None
        leases.append(lease)
        return lease

    yield take
    for held_lease in leases:
        held_lease.release()


def expire_lease(database: Database, hold: Callable[[Database, str], Lease], role: str) -> None:
    """Let the lease expire and another process take the role, without notice to the first holder."""

    def take_over() -> None:
        with database.transaction(TEST) as session:
            session.execute(text("UPDATE leases SET until = clock_timestamp() - interval '1 minute'"))
        hold(database, role)

    # In another thread, because the holder may be inside a transaction.
    successor = threading.Thread(target=take_over)
    successor.start()
    successor.join()


class SlowBus(LocalBus):
    """A bus that is so slow that the relay's lease expires meanwhile."""

    def __init__(self, installation: Installation, sleep: Callable[[], None]) -> None:
        super().__init__([installation.orders])
        self._sleep = sleep

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        published = super().publish(events)
        self._sleep()
        return published


def test_a_relay_with_an_expired_lease_marks_nothing_and_the_next_one_publishes_again(
    installation: Installation, hold: Callable[[Database, str], Lease]
) -> None:
    database = installation.stock.database
    installation.receive("mango")
    fenced = FencedDatabase(database, hold(database, "relay"))
    with pytest.raises(Conflict) as refusal:
        Relay(fenced, SlowBus(installation, lambda: expire_lease(database, hold, "relay"))).step()
    assert refusal.value.reason == "LEASE_LOST"
    assert installation.unpublished() == 1
    installation.on_bus("local:").publish()
    assert installation.unpublished() == 0
    Deliveries(installation.orders).run_due(threading.Event())
    assert installation.placed() == ["mango"]


def test_a_handler_with_an_expired_lease_has_no_effect_and_counts_no_attempt(
    installation: Installation, hold: Callable[[Database, str], Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = installation.orders.database
    installation.receive("mango")
    installation.on_bus("local:").publish()
    fenced = replace(installation.orders, database=FencedDatabase(database, hold(database, "deliver")))
    place_order = handlers.place_order
    monkeypatch.setattr(
        handlers, "place_order", lambda *args: (place_order(*args), expire_lease(database, hold, "deliver"))
    )
    with pytest.raises(Conflict) as refusal:
        Deliveries(fenced).run_due(threading.Event())
    assert refusal.value.reason == "LEASE_LOST"
    assert installation.placed() == []
    with database.reading(TEST) as session:
        assert [row.attempts for row in session.execute(select(deliveries))] == [0]


def test_a_job_gets_a_fenced_database(
    installation: Installation, hold: Callable[[Database, str], Lease], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, stop = installation.stock.database, threading.Event()
    monkeypatch.setattr(jobs, "BACK_OFF_SECONDS", 60)
    monkeypatch.setattr(example_jobs, "sleep", lambda: expire_lease(database, hold, "role"))
    settings = installation.settings.model_copy(update={"data": tmp_path})
    job = Job(name="writer", run="tests.chassis.example_jobs:writes", lease="role")
    threads = jobs.start((job,), replace(installation.stock, settings=settings, database=database), stop)
    deadline = time.monotonic() + 10
    while example_jobs.notes(tmp_path) != ["began", "LEASE_LOST"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert installation.unpublished() == 0


def test_a_released_lease_refuses_transactions(
    installation: Installation, hold: Callable[[Database, str], Lease]
) -> None:
    database = installation.stock.database
    role = hold(database, "relay")
    role.release()
    fenced = FencedDatabase(database, role)
    with pytest.raises(Conflict), fenced.transaction(TEST):
        raise AssertionError("the transaction must not begin")


def test_a_holder_that_waits_for_its_broker_keeps_its_lease(
    installation: Installation, hold: Callable[[Database, str], Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 1)
    monkeypatch.setattr(lease_rows, "RENEW_SECONDS", 0.2)
    database = installation.stock.database
    installation.receive("mango")
    fenced = FencedDatabase(database, hold(database, "relay"))
    assert Relay(fenced, SlowBus(installation, lambda: time.sleep(2.5))).step() == 1
    assert installation.unpublished() == 0


def test_a_takeover_waits_no_longer_than_a_term_for_a_stalled_holder(
    installation: Installation, hold: Callable[[Database, str], Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 1)
    database = installation.stock.database
    stalled = hold(database, "relay")
    with suppress(Unavailable), database.transaction(TEST) as session:
        installation.receive_in(session, "mango")
        stalled.fence(session)
        renewer_of(database).remove(stalled)  # type: ignore[arg-type]
        start = time.monotonic()
        with Leases(database).hold("relay", threading.Event()) as successor:
            assert successor is not None
            assert time.monotonic() - start < 4
    assert installation.unpublished() == 0


def test_a_takeover_waits_for_a_commit_that_was_checked(
    installation: Installation, hold: Callable[[Database, str], Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 1)
    database = installation.stock.database
    lease = hold(database, "relay")
    counts: list[int] = []

    def take_over() -> None:
        with Leases(database).hold("relay", threading.Event()):
            counts.append(installation.unpublished())

    successor = threading.Thread(target=take_over)
    with database.transaction(TEST) as session:
        installation.receive_in(session, "mango")
        lease.fence(session)
        renewer_of(database).remove(lease)  # type: ignore[arg-type]
        successor.start()
        # A statement that takes long, so that the transaction is active.
        session.execute(text("SELECT pg_sleep(2.5)"))
    successor.join(10)
    assert counts == [1]
