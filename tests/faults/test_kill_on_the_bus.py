"""kill -9 at every point between an act and its effect elsewhere: then everything is there, once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toys.house import (
    CHECKOUT,
    House,
    environment_of,
    eventually,
    open_house,
    settings_of,
    start_worker,
)

BUSES = ["local", pytest.param("amqp", marks=pytest.mark.servers)]
JARS = ["guava", "mango", "rambutan"]


@pytest.fixture(params=BUSES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with settings_of(request.param, tmp_path) as settings, open_house(settings) as house:
        yield house


def dies(house: House, role: str, point: str) -> None:
    """Run this part of the house in a process of its own, and see it killed at the point."""
    if role == "handlers" and not house.is_local:
        process = start_worker(house.kitchen, manifest="tests.toys.dying:KITCHEN", DYING_AT=point)
    else:
        command = [sys.executable, "-m", "tests.toys.dying", role, point]
        process = subprocess.Popen(command, env=environment_of(house.settings), cwd=CHECKOUT, stdout=subprocess.PIPE)
    try:
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL


def everything_is_there_once(house: House, expected: list[str]) -> None:
    with house.at_work("kitchen"):
        eventually(lambda: house.unpublished() == 0 and house.meals() == expected)
        # The last in line: whatever was on its way before it has arrived.
        house.fill("zucchini")
        eventually(lambda: "zucchini" in house.meals())
    assert house.meals() == [*expected, "zucchini"]


def test_an_act_killed_before_its_commit_never_was(house: House) -> None:
    dies(house, "act", "act.before_commit")
    house.fill(*JARS)
    everything_is_there_once(house, JARS)


def test_an_act_killed_after_its_commit_has_its_effect(house: House) -> None:
    dies(house, "act", "act.after_commit")
    everything_is_there_once(house, ["papaya"])


@pytest.mark.parametrize(
    "point",
    [
        "relay.before_publish",
        "relay.in_publish",
        "relay.after_publish",
        "relay.before_mark_commits",
        "relay.after_mark",
    ],
)
def test_a_relay_killed(house: House, point: str) -> None:
    house.declare()
    house.fill(*JARS)
    dies(house, "relay", point)
    everything_is_there_once(house, JARS)


@pytest.mark.parametrize("point", ["handler.before_effect", "handler.after_effect", "handler.after_commit"])
def test_a_handler_killed(house: House, point: str) -> None:
    house.declare()
    house.fill(*JARS)
    house.publish()
    dies(house, "handlers", point)
    everything_is_there_once(house, JARS)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_putting_off_a_handler_that_failed(house: House, moment: str) -> None:
    house.declare()
    house.stove_is_out(True)
    house.fill(*JARS)
    house.publish()
    dies(house, "handlers", f"handler.{moment}_put_off" if house.is_local else f"handler.{moment}_move")
    house.stove_is_out(False)
    everything_is_there_once(house, JARS)
