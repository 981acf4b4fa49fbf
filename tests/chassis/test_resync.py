"""Copies of other services' rows are filled when they are empty, and again after a restore."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from chassis.context import system
from chassis.errors import Unavailable
from chassis.jobs.job_runs import REFILL, record_start
from chassis.operations.resync import catch_up, fill_empty
from chassis.rpc import inproc
from chassis.service import Projection, Resources
from tests.chassis.rpc import echo
from tests.example_services.installation import installation_of
from tests.migrated import MigratedDatabases

NAME = "tests.chassis.test_resync"
fills: list[str] = []
faults: list[Exception] = []


def fill_full(_resources: Resources, _channel: Any) -> int:
    fills.append("full")
    return 2


def fill_second(_resources: Resources, _channel: Any) -> int:
    if faults:
        raise faults[0]
    fills.append("second")
    return 3


def is_full(_session: Session) -> bool:
    return False


def is_empty(_session: Session) -> bool:
    return "second" not in fills


@pytest.fixture
def resources(tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Resources]:
    """Orders with two projections of echo, the first of which is not empty."""
    projections = (
        Projection("full", "echo", f"{NAME}:is_full", fill=f"{NAME}:fill_full"),
        Projection("second", "echo", f"{NAME}:is_empty", fill=f"{NAME}:fill_second"),
    )
    fills.clear()
    faults.clear()
    inproc.register("echo", echo.Echo(), echo.add)
    with installation_of("local", tmp_path, migrated) as installation:
        orders = installation.orders
        settings = orders.settings.model_copy(update={"service_urls": {"echo": "inproc:echo"}})
        yield replace(orders, settings=settings, service=replace(orders.service, projections=projections))
    inproc.unregister("echo")


def test_each_night_the_short_projections_are_filled(resources: Resources) -> None:
    full, second = resources.service.projections
    service = replace(resources.service, consumers=(), projections=(full, replace(second, nightly=True)))
    for _ in range(2):
        catch_up(replace(resources, service=service), threading.Event())
    assert fills == ["second", "second"]


def test_empty_copies_are_filled_and_all_copies_again_after_a_restore(resources: Resources) -> None:
    for _ in range(2):
        fill_empty(resources, threading.Event())
        assert fills == ["second"]
    with resources.database.transaction(system("test")) as session:
        record_start(session, REFILL)
    # Until all of it is done.
    faults.append(Unavailable("SERVICE_UNAVAILABLE", service="echo"))
    with pytest.raises(Unavailable):
        fill_empty(resources, threading.Event())
    faults.clear()
    fills.clear()
    fill_empty(resources, threading.Event())
    assert fills == ["full", "second"]
    fill_empty(resources, threading.Event())
    assert fills == ["full", "second"]
