"""Events are written in the transaction of their act, published in order, marked once published and deleted later."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.bus import Event, inbox, outbox
from chassis.bus.inbox import record_deliveries
from chassis.bus.outbox import Relay, tidy
from chassis.context import system
from chassis.errors import Unavailable
from tests.commits import after_commit
from tests.example_services.installation import CLERK, Installation, drain, eventually, installation_of
from tests.migrated import MigratedDatabases

TEST = system("test")


class FakeBus:
    """Keeps the published events; can be unavailable, or refuse events with a text."""

    writes_databases = False

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.unavailable = False
        self.refused_text = ""

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        if self.unavailable:
            raise Unavailable("BUS_UNAVAILABLE", why="tests")
        accepted = [event for event in events if event.body.find(self.refused_text) < 0 or not self.refused_text]
        self.published += accepted
        return [event.id for event in accepted]

    def check(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(params=["local", pytest.param("amqp", marks=pytest.mark.servers)], ids=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with installation_of(request.param, tmp_path, migrated) as installation:
        yield installation


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def relay(installation: Installation, bus: FakeBus) -> Relay:
    return Relay(installation.stock.database, bus)


def names(bus: FakeBus) -> list[str]:
    return [json.loads(event.body)["name"] for event in bus.published]


def test_an_event_of_a_failed_act_is_never_published(installation: Installation, relay: Relay) -> None:
    with suppress(ZeroDivisionError), installation.stock.database.transaction(CLERK) as session:
        installation.receive_in(session, "mango")
        raise ZeroDivisionError
    assert drain(relay) == 0


def test_events_are_published_completely_and_in_order(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    articles = [f"article{number:04}" for number in range(450)]
    installation.receive(*articles)
    assert drain(relay) == 450
    assert names(bus) == articles
    event = bus.published[0]
    assert (event.type, event.institution, event.actor, event.version) == (
        "examples.v1.ArticleReceived",
        "SOLOK",
        "amak",
        1,
    )
    assert json.loads(event.body)["article_id"] == event.aggregate_id
    assert abs(clock.now() - event.occurred_at) < timedelta(minutes=1)


def test_a_published_event_is_not_published_again(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    installation.receive("mango")
    assert [relay.step(), relay.step()] == [1, 0]
    assert names(bus) == ["mango"]


@pytest.mark.parametrize("is_local", [False, True], ids=["broker", "local bus"])
def test_a_published_event_stays_but_on_the_local_bus_without_its_body(
    installation: Installation, bus: FakeBus, is_local: bool
) -> None:
    bus.refused_text, bus.writes_databases = "mango", is_local
    relay = Relay(installation.stock.database, bus)
    installation.receive("guava", "mango")
    relay.step()
    with installation.stock.database.reading(TEST) as session:
        events = [
            (row.published_at is None, row.body != "", row.type, row.version)
            for row in session.execute(select(outbox.outbox).order_by(outbox.outbox.c.id))
        ]
    article = "examples.v1.ArticleReceived"
    assert events == [(False, not is_local, article, 1), (True, True, article, 1)]


def test_an_event_that_the_bus_refuses_blocks_no_other(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    bus.refused_text = "mango"
    installation.receive("guava", "mango", "papaya")
    assert drain(relay) == 2
    assert installation.unpublished() == 1
    bus.refused_text = ""
    assert drain(relay) == 1


def test_nothing_is_marked_while_the_bus_is_unavailable(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    bus.unavailable = True
    installation.receive("mango")
    with pytest.raises(Unavailable):
        relay.step()
    assert installation.unpublished() == 1


def test_a_running_relay_publishes_soon_after_the_commit(
    installation: Installation, relay: Relay, bus: FakeBus
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    waits = []
    for name in ("a", "b", "c", "d", "e"):
        start = time.monotonic()
        installation.receive(name)
        eventually(lambda name=name: name in names(bus))  # type: ignore[misc]
        waits.append(time.monotonic() - start)
    stop.set()
    thread.join()
    assert sorted(waits)[2] < 1


def test_an_idle_relay_takes_few_steps(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    stop, steps = threading.Event(), []
    step = relay.step
    relay.step = lambda: steps.append(1) or step()  # type: ignore[method-assign,func-returns-value]
    installation.receive("mango")
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    eventually(lambda: names(bus) == ["mango"])
    time.sleep(1)
    stop.set()
    thread.join()
    assert len(steps) < 8


def test_two_relays_at_once_publish_each_event_once(
    servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases
) -> None:
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.receive(*(f"article{number}" for number in range(600)))
        buses = [FakeBus(), FakeBus()]
        relays = [threading.Thread(target=drain, args=(Relay(installation.stock.database, bus),)) for bus in buses]
        for thread in relays:
            thread.start()
        for thread in relays:
            thread.join()
        drain(Relay(installation.stock.database, buses[0]))
        assert len(names(buses[0]) + names(buses[1])) == 600
        assert len({*names(buses[0]), *names(buses[1])}) == 600


def test_published_events_are_deleted_after_three_days_and_unpublished_ones_never(
    installation: Installation, relay: Relay
) -> None:
    installation.receive("mango")
    drain(relay)
    installation.receive("guava")
    tidy(installation.stock, threading.Event())
    assert rows(installation, outbox.outbox) == 2
    with clock.frozen(clock.now() + timedelta(days=3, seconds=1)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, outbox.outbox) == 1
    assert installation.unpublished() == 1


@pytest.mark.parametrize("installation", ["local"], indirect=True, ids=["sqlite"])
def test_the_log_is_emptied_daily(installation: Installation) -> None:
    installation.receive("mango")
    log = Path(f"{installation.stock.database.url.database}-wal")
    assert log.stat().st_size > 0
    tidy(installation.stock, threading.Event())
    assert log.stat().st_size == 0


def test_an_event_is_new_to_a_consumer_once(installation: Installation) -> None:
    event = installation.some_event().id
    with installation.stock.database.transaction(TEST) as session:
        assert record_deliveries(session, [("place_order", event)])
        assert not record_deliveries(session, [("place_order", event)])
        assert record_deliveries(session, [("another", event)])


def test_inbox_rows_are_deleted_after_a_month(installation: Installation) -> None:
    with installation.stock.database.transaction(TEST) as session:
        record_deliveries(session, [("place_order", installation.some_event().id)])
    with clock.frozen(clock.now() + timedelta(days=29)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, inbox.inbox) == 1
    with clock.frozen(clock.now() + timedelta(days=30, seconds=1)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, inbox.inbox) == 0


def test_old_rows_are_deleted_a_few_at_a_time(installation: Installation) -> None:
    with installation.stock.database.transaction(TEST) as session:
        for name in ("place_order", "another"):
            for _ in range(250):
                record_deliveries(session, [(name, installation.some_event().id)])
    written: list[int] = []
    after_commit(installation.stock.database, lambda: written.append(1))
    with clock.frozen(clock.now() + timedelta(days=31)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, inbox.inbox) == 0
    assert len(written) == 3


def rows(installation: Installation, table: object) -> int:
    with installation.stock.database.reading(TEST) as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
