"""The local bus: rows, waits that grow, and a dead list."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from chassis import clock, jobs
from chassis.bus import BACKOFF_SECONDS
from chassis.bus.local import Deliveries, deliver, deliveries, open_local
from chassis.context import system
from chassis.service import Resources
from chassis.settings import load
from tests.toys.house import CHECKOUT, House, environment_of, eventually, open_house

NEVER = threading.Event()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(load({"DATA": str(tmp_path)})) as house:
        yield house


def waiting(house: House) -> list[tuple[int, bool]]:
    with house.kitchen.database.reading(system("test")) as session:
        return [(row.attempts, row.dead) for row in session.execute(select(deliveries))]


def test_waits_grow_until_the_event_is_dead(house: House) -> None:
    house.stove_is_out(True)
    house.fill("mango")
    house.publish()
    kitchen, moment = Deliveries(house.kitchen), clock.now() + timedelta(seconds=1)
    for attempt, seconds in enumerate(BACKOFF_SECONDS, start=1):
        with clock.frozen(moment):
            assert kitchen.run_due(NEVER) == 1
        assert waiting(house) == [(attempt, False)]
        with clock.frozen(moment + timedelta(seconds=seconds - 0.1)):
            assert kitchen.run_due(NEVER) == 0
        moment += timedelta(seconds=seconds)
    with clock.frozen(moment):
        assert kitchen.run_due(NEVER) == 1
    assert waiting(house) == [(len(BACKOFF_SECONDS) + 1, True)]
    with clock.frozen(moment + timedelta(days=1)):
        assert kitchen.run_due(NEVER) == 0


def test_one_event_that_fails_holds_up_no_other(house: House) -> None:
    with house.open_bus() as bus:
        bus.publish([house.some_event(body="unreadable")])
    house.fill("mango")
    house.publish()
    Deliveries(house.kitchen).run_due(NEVER)
    assert house.meals() == ["mango"]


def test_an_event_whose_handler_is_gone_in_this_release_is_kept_as_dead(house: House) -> None:
    house.fill("mango")
    house.publish()
    later = replace(house.kitchen, service=replace(house.kitchen.service, consumers=()))
    Deliveries(later).run_due(NEVER)
    with house.open_dead("kitchen") as dead:
        assert [each.error for each in dead.find()] == ["no handler cook in this release"]


def test_an_event_that_ends_its_process_counts_as_tried_and_is_given_up_in_the_end(house: House) -> None:
    with house.open_bus() as bus:
        bus.publish([house.some_event(body='{"name": "mango"}')])
    command = [sys.executable, "-m", "tests.toys.dying", "handlers", "handler.before_effect"]
    for _ in range(3):
        child = subprocess.run(command, env=environment_of(house.settings), cwd=CHECKOUT, timeout=30)
        assert child.returncode == -signal.SIGKILL
    assert waiting(house) == [(2, False)]
    with clock.frozen(clock.now() + timedelta(hours=1)):
        Deliveries(house.kitchen, backoff=BACKOFF_SECONDS[:2]).run_due(NEVER)
    assert waiting(house) == [(3, True)]
    with house.open_dead("kitchen") as dead:
        assert [each.error for each in dead.find()] == ["its process died while handling it"]


def test_a_handler_done_leaves_no_row(house: House) -> None:
    house.fill("mango")
    house.publish()
    assert waiting(house) == [(0, False)]
    Deliveries(house.kitchen).run_due(NEVER)
    assert waiting(house) == []


def test_the_delivery_job_ends_when_told_to(house: House) -> None:
    stop = threading.Event()
    job = threading.Thread(target=deliver, args=(house.kitchen, stop))
    job.start()
    assert job.is_alive()
    stop.set()
    job.join(5)
    assert not job.is_alive()


def test_a_service_delivers_only_on_the_local_bus_and_only_with_consumers(house: House) -> None:
    def delivers(resources: Resources) -> bool:
        return "deliver" in [job.name for job in jobs.jobs_of(resources)]

    assert delivers(house.kitchen)
    assert not delivers(house.on_bus("amqp://nowhere").kitchen)
    assert not delivers(replace(house.kitchen, service=replace(house.kitchen.service, consumers=())))


def test_opened_by_its_url_it_is_well_and_serves_the_service_itself(house: House) -> None:
    bus = open_local("local:", resources=house.kitchen)
    bus.check()
    assert bus.publish([house.some_event()])
    assert waiting(house) == [(0, False)]
    bus.close()


def test_the_chassis_jobs_carry_and_handle_under_their_leases(house: House) -> None:
    stop = threading.Event()
    threads = jobs.start(jobs.jobs_of(house.kitchen), house.kitchen, stop)
    with house.open_bus() as bus:
        event = house.some_event(body='{"name": "mango"}')
        bus.publish([event])
    eventually(lambda: house.meals() == ["mango"] and house.unpublished_of(house.kitchen) == 0)
    stop.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
