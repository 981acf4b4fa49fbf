"""kill -9 at every point between an act and its effect elsewhere: then everything is there, once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.example_services.installation import (
    CHECKOUT,
    Installation,
    environment_of,
    eventually,
    open_installation,
    settings_of,
    start_worker,
)

BUSES = ["local", pytest.param("amqp", marks=pytest.mark.servers)]
ARTICLES = ["guava", "mango", "rambutan"]


@pytest.fixture(params=BUSES)
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with settings_of(request.param, tmp_path) as settings, open_installation(settings) as installation:
        yield installation


def dies(installation: Installation, role: str, point: str) -> None:
    """Run this part of the installation in a process of its own, and see it killed at the point."""
    if role == "handlers" and not installation.is_local:
        process = start_worker(installation.orders, manifest="tests.example_services.dying:ORDERS", DYING_AT=point)
    else:
        command = [sys.executable, "-m", "tests.example_services.dying", role, point]
        process = subprocess.Popen(
            command, env=environment_of(installation.settings), cwd=CHECKOUT, stdout=subprocess.PIPE
        )
    try:
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL


def everything_is_there_once(installation: Installation, expected: list[str]) -> None:
    with installation.at_work("orders"):
        eventually(lambda: installation.unpublished() == 0 and installation.placed() == expected)
        # The last in line: whatever was on its way before it has arrived.
        installation.receive("zucchini")
        eventually(lambda: "zucchini" in installation.placed())
    assert installation.placed() == [*expected, "zucchini"]


def test_an_act_killed_before_its_commit_never_was(installation: Installation) -> None:
    dies(installation, "act", "act.before_commit")
    installation.receive(*ARTICLES)
    everything_is_there_once(installation, ARTICLES)


def test_an_act_killed_after_its_commit_has_its_effect(installation: Installation) -> None:
    dies(installation, "act", "act.after_commit")
    everything_is_there_once(installation, ["papaya"])


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
def test_a_relay_killed(installation: Installation, point: str) -> None:
    installation.declare()
    installation.receive(*ARTICLES)
    dies(installation, "relay", point)
    everything_is_there_once(installation, ARTICLES)


@pytest.mark.parametrize("point", ["handler.before_effect", "handler.after_effect", "handler.after_commit"])
def test_a_handler_killed(installation: Installation, point: str) -> None:
    installation.declare()
    installation.receive(*ARTICLES)
    installation.publish()
    dies(installation, "handlers", point)
    everything_is_there_once(installation, ARTICLES)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_putting_off_a_handler_that_failed(installation: Installation, moment: str) -> None:
    installation.declare()
    installation.break_orders(True)
    installation.receive(*ARTICLES)
    installation.publish()
    dies(installation, "handlers", f"handler.{moment}_put_off" if installation.is_local else f"handler.{moment}_move")
    installation.break_orders(False)
    everything_is_there_once(installation, ARTICLES)
