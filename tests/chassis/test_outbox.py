"""Facts are written with their act, carried in order, marked when taken, and forgotten in time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from chassis import clock, inbox, outbox
from chassis.bus import Event
from chassis.context import system
from chassis.errors import Unavailable
from chassis.inbox import record_delivery
from chassis.outbox import Relay, tidy
from chassis.wake import open_wake
from tests.example_services.installation import CLERK, Installation, drain, eventually, open_installation, settings_of

TEST = system("test")


class FakeBus:
    """Remembers what it was given; can be away, or refuse one type of fact."""

    writes_databases = False

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.away = False
        self.refused = ""

    def publish(self, events: Sequence[Event]) -> list[UUID]:
        if self.away:
            raise Unavailable("BUS_UNAVAILABLE", why="tests")
        good = [event for event in events if event.body.find(self.refused) < 0 or not self.refused]
        self.taken += good
        return [event.id for event in good]

    def check(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(params=["local", pytest.param("amqp", marks=pytest.mark.servers)], ids=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with settings_of(request.param, tmp_path) as settings, open_installation(settings) as installation:
        yield installation


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def relay(installation: Installation, bus: FakeBus) -> Relay:
    return Relay(installation.stock.database, bus)


def names(bus: FakeBus) -> list[str]:
    return [json.loads(event.body)["name"] for event in bus.taken]


def test_a_fact_of_an_act_that_failed_is_never_told(installation: Installation, relay: Relay) -> None:
    with suppress(ZeroDivisionError), installation.stock.database.transaction(CLERK) as session:
        installation.receive_in(session, "mango")
        raise ZeroDivisionError
    assert drain(relay) == 0


def test_facts_go_out_in_the_order_they_were_told_whole(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    articles = [f"article{number:04}" for number in range(450)]
    installation.receive(*articles)
    assert drain(relay) == 450
    assert names(bus) == articles
    first = bus.taken[0]
    assert (first.type, first.institution, first.actor, first.version) == (
        "examples.v1.ArticleReceived",
        "SOLOK",
        "amak",
        1,
    )
    assert json.loads(first.body)["article_id"] == first.aggregate_id
    assert abs(clock.now() - first.occurred_at) < timedelta(minutes=1)


def test_what_was_taken_is_not_published_again(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    installation.receive("mango")
    assert [relay.step(), relay.step()] == [1, 0]
    assert names(bus) == ["mango"]


def test_what_the_bus_refuses_waits_alone(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    bus.refused = "mango"
    installation.receive("guava", "mango", "papaya")
    assert drain(relay) == 2
    assert installation.unpublished() == 1
    bus.refused = ""
    assert drain(relay) == 1


def test_nothing_is_marked_while_the_bus_is_away(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    bus.away = True
    installation.receive("mango")
    with pytest.raises(Unavailable):
        relay.step()
    assert installation.unpublished() == 1


def test_a_running_relay_publishes_soon_after_the_commit(
    installation: Installation, relay: Relay, bus: FakeBus
) -> None:
    stop = threading.Event()
    with closing(open_wake(installation.stock.database)) as wake:
        thread = threading.Thread(target=relay.run, args=(stop, wake))
        thread.start()
        waits = []
        for name in ("a", "b", "c", "d", "e"):
            start = time.monotonic()
            installation.receive(name)
            eventually(lambda name=name: name in names(bus))  # type: ignore[misc]
            waits.append(time.monotonic() - start)
        stop.set()
        thread.join()
    assert sorted(waits)[2] < 0.5  # sweeping alone would take half a second on average


def test_a_running_relay_rests_when_there_is_nothing(installation: Installation, relay: Relay, bus: FakeBus) -> None:
    stop, steps = threading.Event(), []
    step = relay.step
    relay.step = lambda: steps.append(1) or step()  # type: ignore[method-assign,func-returns-value]
    installation.receive("mango")
    with closing(open_wake(installation.stock.database)) as wake:
        thread = threading.Thread(target=relay.run, args=(stop, wake))
        thread.start()
        eventually(lambda: names(bus) == ["mango"])
        time.sleep(1)
        stop.set()
        thread.join()
    assert len(steps) < 8


def test_two_relays_at_once_publish_each_fact_once(servers: dict[str, str], tmp_path: Path) -> None:
    with settings_of("amqp", tmp_path) as settings, open_installation(settings) as installation:
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


def test_published_facts_are_forgotten_after_a_week_unpublished_ones_never(
    installation: Installation, relay: Relay
) -> None:
    installation.receive("mango")
    drain(relay)
    installation.receive("guava")
    tidy(installation.stock, threading.Event())
    assert rows(installation, outbox.outbox) == 2
    with clock.frozen(clock.now() + timedelta(days=7, seconds=1)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, outbox.outbox) == 1
    assert installation.unpublished() == 1


def test_a_consumer_sees_a_fact_for_the_first_time_once(installation: Installation) -> None:
    event = installation.some_event().id
    with installation.stock.database.transaction(TEST) as session:
        assert record_delivery(session, "place_order", event)
        assert not record_delivery(session, "place_order", event)
        assert record_delivery(session, "another", event)


def test_what_a_consumer_saw_is_forgotten_after_a_month(installation: Installation) -> None:
    with installation.stock.database.transaction(TEST) as session:
        record_delivery(session, "place_order", installation.some_event().id)
    with clock.frozen(clock.now() + timedelta(days=29)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, inbox.inbox) == 1
    with clock.frozen(clock.now() + timedelta(days=30, seconds=1)):
        tidy(installation.stock, threading.Event())
    assert rows(installation, inbox.inbox) == 0


def rows(installation: Installation, table: object) -> int:
    with installation.stock.database.reading(TEST) as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
