"""The local bus: delivery rows, growing delays and the dead list."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import BACKOFF_SECONDS, local_delivery
from chassis.bus.inbox import record_deliveries
from chassis.bus.local import deliveries, open_local
from chassis.bus.local_delivery import Deliveries, deliver
from chassis.context import Context, system
from chassis.errors import Unavailable
from chassis.jobs import jobs
from chassis.migrations.migrate import migrate
from chassis.service import Resources, discover
from tests.commits import after_commit
from tests.example_services.installation import CHECKOUT, Installation, environment_of, eventually, installation_of
from tests.example_services.orders import handlers
from tests.example_services.orders.handlers import place_order
from tests.example_services.orders.tables import placed_orders
from tests.example_services.proto.examples_pb2 import ArticleReceived
from tests.migrated import MigratedDatabases
from tests.programs import start_program

NEVER = threading.Event()


@pytest.fixture
def installation(tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("local", tmp_path, migrated) as installation:
        yield installation


def delivery_rows(installation: Installation) -> list[tuple[int, bool]]:
    with installation.orders.database.reading(system("test")) as session:
        return [(row.attempts, row.dead) for row in session.execute(select(deliveries))]


def test_delays_grow_until_the_event_is_dead(installation: Installation) -> None:
    installation.break_orders(True)
    installation.receive("mango")
    installation.publish()
    orders, moment = Deliveries(installation.orders), clock.now() + timedelta(seconds=1)
    for attempt, seconds in enumerate(BACKOFF_SECONDS, start=1):
        with clock.frozen(moment):
            assert orders.run_due(NEVER) == 1
        assert delivery_rows(installation) == [(attempt, False)]
        with clock.frozen(moment + timedelta(seconds=seconds - 0.1)):
            assert orders.run_due(NEVER) == 0
        moment += timedelta(seconds=seconds)
    with clock.frozen(moment):
        assert orders.run_due(NEVER) == 1
    assert delivery_rows(installation) == [(len(BACKOFF_SECONDS) + 1, True)]
    with clock.frozen(moment + timedelta(days=1)):
        assert orders.run_due(NEVER) == 0


def test_a_failed_event_is_tried_again_when_it_is_due(installation: Installation) -> None:
    installation.break_orders(True)
    installation.receive("mango")
    installation.publish()
    orders, stop = Deliveries(installation.orders, backoff=(0.5,)), threading.Event()
    assert orders.run_due(NEVER) == 1
    installation.break_orders(False)
    thread = threading.Thread(target=orders.run, args=(stop,))
    thread.start()
    eventually(lambda: installation.placed() == ["mango"])
    stop.set()
    thread.join()


def test_an_event_that_fails_blocks_no_other(installation: Installation) -> None:
    with installation.open_bus() as bus:
        bus.publish([installation.some_event(body="unreadable")])
    installation.receive("mango")
    installation.publish()
    Deliveries(installation.orders).run_due(NEVER)
    assert installation.placed() == ["mango"]


def test_an_event_without_a_handler_in_this_release_is_dead(installation: Installation) -> None:
    installation.receive("mango")
    installation.publish()
    next_release = replace(installation.orders, service=replace(installation.orders.service, consumers=()))
    Deliveries(next_release).run_due(NEVER)
    with installation.open_dead("orders") as dead_list:
        assert [event.error for event in dead_list.find()] == ["no handler place_order in this release"]


def run_killed(installation: Installation, point: str) -> int:
    """Run the handlers in a process that kills itself at the point. Returns its exit code."""
    program, environment = "tests.example_services.kill_points:main", environment_of(installation.settings)
    return start_program(["handlers", point], program=program, env=environment, cwd=CHECKOUT).wait(timeout=30)


def test_an_event_that_kills_its_process_counts_as_tried_and_is_dead_after_several(installation: Installation) -> None:
    with installation.open_bus() as bus:
        bus.publish([installation.some_event(body='{"name": "mango"}')])
    for _ in range(3):
        assert run_killed(installation, "handler.before_effect") == -signal.SIGKILL
    assert delivery_rows(installation) == [(2, False)]
    with clock.frozen(clock.now() + timedelta(hours=1)):
        Deliveries(installation.orders, backoff=BACKOFF_SECONDS[:2]).run_due(NEVER)
    assert delivery_rows(installation) == [(3, True)]
    with installation.open_dead("orders") as dead_list:
        assert [event.error for event in dead_list.find()] == ["its process died while handling it"]


def transactions(installation: Installation) -> list[int]:
    """A list with one element for each transaction of orders that has written."""
    written: list[int] = []
    after_commit(installation.orders.database, lambda: written.append(1))
    return written


def test_of_many_events_some_fail_and_the_others_have_their_effect_once(installation: Installation) -> None:
    names = [f"rotten{number:03}" if number in (7, 100, 249) else f"article{number:03}" for number in range(250)]
    installation.receive(*names)
    installation.publish()
    orders = Deliveries(installation.orders)
    with clock.frozen(clock.now()):  # on a busy machine those that were put off for a second would be due again
        assert [orders.run_due(NEVER), orders.run_due(NEVER), orders.run_due(NEVER)] == [200, 50, 0]
    assert installation.placed() == [name for name in names if not name.startswith("rotten")]
    assert delivery_rows(installation) == [(1, False)] * 3
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        assert orders.run_due(NEVER) == 3
    assert delivery_rows(installation) == [(2, False)] * 3
    assert installation.unpublished_of(installation.orders) == 247


def test_events_are_handled_in_the_order_of_their_times(installation: Installation) -> None:
    installation.receive("first", "second", "third")
    installation.publish()
    with installation.orders.database.transaction(system("test")) as session:
        events = session.scalars(select(deliveries.c.event_id).order_by(deliveries.c.event_id)).all()
        for seconds, event in enumerate(events):
            time = clock.now() - timedelta(seconds=seconds)
            session.execute(update(deliveries).where(deliveries.c.event_id == event).values(next_at=time))
    Deliveries(installation.orders).run_due(NEVER)
    with installation.orders.database.reading(system("test")) as session:
        names = session.scalars(select(placed_orders.c.name).order_by(placed_orders.c.number)).all()
    assert names == ["third", "second", "first"]


@pytest.mark.parametrize(("limit", "value"), [("TOGETHER", 2), ("TOGETHER_CHARACTERS", 250)])
def test_a_transaction_has_few_events_because_people_wait_for_its_lock(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    installation.receive(*(f"article{number}" for number in range(5)))
    installation.publish()
    written = transactions(installation)
    monkeypatch.setattr(local_delivery, limit, value)
    Deliveries(installation.orders).run_due(NEVER)
    assert (len(written), len(installation.placed())) == (3, 5)


def place_orders(session: Session, orders: Sequence[tuple[ArticleReceived, Context]]) -> None:
    """Place an order for each call, named by all its articles, and an order for each article."""
    names = "+".join(order.name for order, _ in orders)
    session.execute(insert(placed_orders).values(name=names, institution="", actor=""))
    for order, context in orders:
        place_order(session, order, context)


def taking_many(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Resources:
    """Orders with a handler that takes many events."""
    monkeypatch.setattr(handlers, "place_order", place_orders)
    (consumer,) = installation.orders.service.consumers
    service = replace(installation.orders.service, consumers=(replace(consumer, takes_many=True),))
    return replace(installation.orders, service=service)


def test_a_handler_that_takes_many_events_gets_new_ones_in_order_in_one_call(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, seen = taking_many(installation, monkeypatch), installation.some_event()
    with installation.orders.database.transaction(system("test")) as session:
        record_deliveries(session, [("place_order", seen.id)])
    with installation.open_bus() as bus:
        bus.publish([seen])
    installation.receive("guava", "mango", "papaya")
    installation.publish()
    Deliveries(orders).run_due(NEVER)
    assert installation.placed() == ["guava", "guava+mango+papaya", "mango", "papaya"]
    assert delivery_rows(installation) == []


def test_a_handler_that_takes_many_events_gets_each_alone_after_a_failure(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = taking_many(installation, monkeypatch)
    installation.receive("guava", "rotten", "papaya")
    installation.publish()
    Deliveries(orders).run_due(NEVER)
    assert installation.placed() == ["guava", "guava", "papaya", "papaya"]
    assert delivery_rows(installation) == [(1, False)]


def test_an_event_that_ends_the_transaction_of_many_is_tried_alone(installation: Installation) -> None:
    """A handler that ends its transaction takes the effects of the others with it."""

    def roll_back(session: Session, order: ArticleReceived, context: Context) -> None:
        if order.name == "mango":
            session.connection().exec_driver_sql("ROLLBACK")
            raise OSError("the disk is full")
        place_order(session, order, context)

    installation.receive("guava", "mango", "papaya")
    installation.publish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handlers, "place_order", roll_back)
        Deliveries(installation.orders).run_due(NEVER)
    assert installation.placed() == ["guava", "papaya"]
    assert delivery_rows(installation) == [(1, False)]


@pytest.mark.parametrize("names", [["mango"], ["guava", "mango", "papaya"]])
def test_a_database_that_admits_no_transaction_is_tried_once_and_counts_no_attempt(
    installation: Installation, names: list[str]
) -> None:
    database, refused = installation.orders.database, []
    transaction = database.transaction

    @contextmanager
    def busy(context: Context) -> Iterator[Session]:
        if "handler:" in context.actor:
            refused.append(context)
            raise Unavailable("DATABASE_BUSY")
        with transaction(context) as session:
            yield session

    installation.receive(*names)
    installation.publish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "transaction", busy)
        with pytest.raises(Unavailable):
            Deliveries(installation.orders).run_due(NEVER)
    assert len(refused) == 1
    assert delivery_rows(installation) == [(0, False)] * len(names)
    Deliveries(installation.orders).run_due(NEVER)
    assert installation.placed() == names


def test_an_event_whose_own_statement_takes_too_long_is_put_off_alone(installation: Installation) -> None:
    def time_out(session: Session, order: ArticleReceived, context: Context) -> None:
        if order.name == "mango":
            raise Unavailable("DATABASE_BUSY")
        place_order(session, order, context)

    installation.receive("guava", "mango", "papaya")
    installation.publish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handlers, "place_order", time_out)
        Deliveries(installation.orders).run_due(NEVER)
    assert installation.placed() == ["guava", "papaya"]
    assert delivery_rows(installation) == [(1, False)]


def test_of_many_events_only_the_one_in_hand_counts_the_death_of_its_process(installation: Installation) -> None:
    names = [f"article{number}" for number in range(8)]
    installation.receive(*names)
    installation.publish()
    assert run_killed(installation, "handler.fifth") == -signal.SIGKILL
    written, orders, left = (
        transactions(installation),
        Deliveries(installation.orders),
        len(delivery_rows(installation)),
    )
    assert orders.run_due(NEVER) == left - 1
    assert delivery_rows(installation) == [(1, False)]
    # One that counts the death, and one for each event.
    assert len(written) == left
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        assert orders.run_due(NEVER) == 1
    assert installation.placed() == names
    installation.receive("mango", "guava")
    installation.publish()
    written.clear()
    assert orders.run_due(NEVER) == 2
    assert len(written) == 1


def test_a_handled_event_has_no_row(installation: Installation) -> None:
    installation.receive("mango")
    installation.publish()
    assert delivery_rows(installation) == [(0, False)]
    Deliveries(installation.orders).run_due(NEVER)
    assert delivery_rows(installation) == []


def test_the_delivery_job_ends_when_stopped(installation: Installation) -> None:
    stop = threading.Event()
    job = threading.Thread(target=deliver, args=(installation.orders, stop))
    job.start()
    assert job.is_alive()
    stop.set()
    job.join(5)
    assert not job.is_alive()


def test_a_service_delivers_only_on_the_local_bus_and_only_with_consumers(installation: Installation) -> None:
    def delivers(resources: Resources) -> bool:
        return "deliver" in [job.name for job in jobs.jobs_of(resources)]

    assert delivers(installation.orders)
    assert not delivers(installation.on_bus("amqp://nowhere").orders)
    assert not delivers(replace(installation.orders, service=replace(installation.orders.service, consumers=())))


def test_a_local_bus_opened_by_its_url_delivers_to_its_own_service(installation: Installation) -> None:
    settings = installation.orders.settings
    for service in discover():
        migrate(service, owner_url=settings.database(service.name), app_url=settings.database(service.name))
    bus = open_local("local:", resources=installation.orders)
    bus.check()
    assert bus.publish([installation.some_event()])
    assert delivery_rows(installation) == [(0, False)]
    bus.close()


def test_the_chassis_jobs_publish_and_deliver_under_their_leases(installation: Installation) -> None:
    stop = threading.Event()
    threads = jobs.start(jobs.jobs_of(installation.orders), installation.orders, stop)
    with installation.open_bus() as bus:
        event = installation.some_event(body='{"name": "mango"}')
        bus.publish([event])
    eventually(lambda: installation.placed() == ["mango"] and installation.unpublished_of(installation.orders) == 0)
    stop.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
