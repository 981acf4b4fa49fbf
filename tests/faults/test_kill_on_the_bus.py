"""SIGKILL at every point between an act and its effect in the other service: the effect happens once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.example_services.installation import (
    CHECKOUT,
    Installation,
    environment_of,
    eventually,
    installation_of,
    start_worker,
)
from tests.migrated import MigratedDatabases
from tests.programs import start_program

KILLED = "tests.example_services.kill_points:main"
BUSES = ["local", pytest.param("amqp", marks=pytest.mark.servers)]
ARTICLES = ["guava", "mango", "rambutan"]


@pytest.fixture(params=BUSES)
def installation(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with installation_of(request.param, tmp_path, migrated) as installation:
        yield installation


def run_until_killed(installation: Installation, role: str, point: str) -> None:
    """Run this part of the installation in a new process and assert that it is killed at the point."""
    if role == "handlers" and not installation.is_local:
        process = start_worker(installation.orders, manifest="tests.example_services.kill_points:ORDERS", KILL_AT=point)
    else:
        process = start_program([role, point], program=KILLED, env=environment_of(installation.settings), cwd=CHECKOUT)
    try:
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL


def assert_handled_once(installation: Installation, expected: list[str]) -> None:
    with installation.at_work("orders"):
        eventually(lambda: installation.unpublished() == 0 and installation.placed() == expected)
        # The last event: when it is handled, all events before it are handled too.
        installation.receive("zucchini")
        eventually(lambda: "zucchini" in installation.placed())
    assert installation.placed() == [*expected, "zucchini"]


def test_an_act_killed_before_its_commit_has_no_effect(installation: Installation) -> None:
    run_until_killed(installation, "act", "act.before_commit")
    installation.receive(*ARTICLES)
    assert_handled_once(installation, ARTICLES)


def test_an_act_killed_after_its_commit_has_its_effect_once(installation: Installation) -> None:
    run_until_killed(installation, "act", "act.after_commit")
    assert_handled_once(installation, ["papaya"])


def test_after_killed_relays_each_event_is_handled_once(installation: Installation) -> None:
    installation.declare()
    installation.receive(*ARTICLES)
    # In this order each point is reached: only the last one leaves no event unpublished.
    for point in ("before_publish", "in_publish", "after_publish", "before_mark_commits", "after_mark"):
        run_until_killed(installation, "relay", f"relay.{point}")
    assert_handled_once(installation, ARTICLES)


def test_after_killed_handlers_each_event_is_handled_once(installation: Installation) -> None:
    installation.declare()
    installation.receive(*ARTICLES)
    installation.publish()
    for point in ("before_effect", "after_effect", "after_commit"):
        run_until_killed(installation, "handlers", f"handler.{point}")
    assert_handled_once(installation, ARTICLES)


def test_a_worker_killed_while_it_postpones_a_failed_handler_loses_no_event(installation: Installation) -> None:
    installation.declare()
    installation.break_orders(True)
    installation.receive(*ARTICLES)
    installation.publish()
    act = "put_off" if installation.is_local else "move"
    for moment in ("before", "after"):
        run_until_killed(installation, "handlers", f"handler.{moment}_{act}")
    installation.break_orders(False)
    assert_handled_once(installation, ARTICLES)
