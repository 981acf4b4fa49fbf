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
from chassis.inbox import first_time
from chassis.outbox import Relay, tidy
from chassis.wake import open_wake
from tests.toys.house import COOK, House, drain, eventually, open_house, settings_of

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
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with settings_of(request.param, tmp_path) as settings, open_house(settings) as house:
        yield house


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def relay(house: House, bus: FakeBus) -> Relay:
    return Relay(house.pantry.database, bus)


def names(bus: FakeBus) -> list[str]:
    return [json.loads(event.body)["name"] for event in bus.taken]


def test_a_fact_of_an_act_that_failed_is_never_told(house: House, relay: Relay) -> None:
    with suppress(ZeroDivisionError), house.pantry.database.transaction(COOK) as session:
        house.fill_in(session, "mango")
        raise ZeroDivisionError
    assert drain(relay) == 0


def test_facts_go_out_in_the_order_they_were_told_whole(house: House, relay: Relay, bus: FakeBus) -> None:
    jars = [f"jar{number:04}" for number in range(450)]
    house.fill(*jars)
    assert drain(relay) == 450
    assert names(bus) == jars
    first = bus.taken[0]
    assert (first.type, first.institution, first.actor, first.version) == ("toys.v1.JarFilled", "SOLOK", "amak", 1)
    assert json.loads(first.body)["jar_id"] == first.aggregate_id
    assert abs(clock.now() - first.occurred_at) < timedelta(minutes=1)


def test_what_was_taken_is_not_published_again(house: House, relay: Relay, bus: FakeBus) -> None:
    house.fill("mango")
    assert [relay.step(), relay.step()] == [1, 0]
    assert names(bus) == ["mango"]


def test_what_the_bus_refuses_waits_alone(house: House, relay: Relay, bus: FakeBus) -> None:
    bus.refused = "mango"
    house.fill("guava", "mango", "papaya")
    assert drain(relay) == 2
    assert house.unpublished() == 1
    bus.refused = ""
    assert drain(relay) == 1


def test_nothing_is_marked_while_the_bus_is_away(house: House, relay: Relay, bus: FakeBus) -> None:
    bus.away = True
    house.fill("mango")
    with pytest.raises(Unavailable):
        relay.step()
    assert house.unpublished() == 1


def test_a_running_relay_publishes_soon_after_the_commit(house: House, relay: Relay, bus: FakeBus) -> None:
    stop = threading.Event()
    with closing(open_wake(house.pantry.database)) as wake:
        thread = threading.Thread(target=relay.run, args=(stop, wake))
        thread.start()
        waits = []
        for name in ("a", "b", "c", "d", "e"):
            begun = time.monotonic()
            house.fill(name)
            eventually(lambda name=name: name in names(bus))  # type: ignore[misc]
            waits.append(time.monotonic() - begun)
        stop.set()
        thread.join()
    assert sorted(waits)[2] < 0.5  # sweeping alone would take half a second on average


def test_a_running_relay_rests_when_there_is_nothing(house: House, relay: Relay, bus: FakeBus) -> None:
    stop, steps = threading.Event(), []
    step = relay.step
    relay.step = lambda: steps.append(1) or step()  # type: ignore[method-assign,func-returns-value]
    house.fill("mango")
    with closing(open_wake(house.pantry.database)) as wake:
        thread = threading.Thread(target=relay.run, args=(stop, wake))
        thread.start()
        eventually(lambda: names(bus) == ["mango"])
        time.sleep(1)
        stop.set()
        thread.join()
    assert len(steps) < 8


def test_two_relays_at_once_publish_each_fact_once(servers: dict[str, str], tmp_path: Path) -> None:
    with settings_of("amqp", tmp_path) as settings, open_house(settings) as house:
        house.fill(*(f"jar{number}" for number in range(600)))
        buses = [FakeBus(), FakeBus()]
        relays = [threading.Thread(target=drain, args=(Relay(house.pantry.database, bus),)) for bus in buses]
        for thread in relays:
            thread.start()
        for thread in relays:
            thread.join()
        drain(Relay(house.pantry.database, buses[0]))
        assert len(names(buses[0]) + names(buses[1])) == 600
        assert len({*names(buses[0]), *names(buses[1])}) == 600


def test_published_facts_are_forgotten_after_a_week_unpublished_ones_never(house: House, relay: Relay) -> None:
    house.fill("mango")
    drain(relay)
    house.fill("guava")
    tidy(house.pantry, threading.Event())
    assert rows(house, outbox.outbox) == 2
    with clock.frozen(clock.now() + timedelta(days=7, seconds=1)):
        tidy(house.pantry, threading.Event())
    assert rows(house, outbox.outbox) == 1
    assert house.unpublished() == 1


def test_a_consumer_sees_a_fact_for_the_first_time_once(house: House) -> None:
    event = house.some_event().id
    with house.pantry.database.transaction(TEST) as session:
        assert first_time(session, "cook", event)
        assert not first_time(session, "cook", event)
        assert first_time(session, "another", event)


def test_what_a_consumer_saw_is_forgotten_after_a_month(house: House) -> None:
    with house.pantry.database.transaction(TEST) as session:
        first_time(session, "cook", house.some_event().id)
    with clock.frozen(clock.now() + timedelta(days=29)):
        tidy(house.pantry, threading.Event())
    assert rows(house, inbox.inbox) == 1
    with clock.frozen(clock.now() + timedelta(days=30, seconds=1)):
        tidy(house.pantry, threading.Event())
    assert rows(house, inbox.inbox) == 0


def rows(house: House, table: object) -> int:
    with house.pantry.database.reading(TEST) as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
