"""Without RabbitMQ lending continues and loses nothing; without PostgreSQL it fails at once with the reason."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conditions import eventually
from tests.faults.lending_outages import Lending, lend_without_broker, lending_library


@pytest.fixture(scope="module")
def lending(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lending]:
    with lending_library(tmp_path_factory.mktemp("lending")) as lending:
        yield lending


def test_lending_goes_on_without_the_broker_and_nothing_is_lost(lending: Lending) -> None:
    assert lending.lend().status_code == 201
    assert lend_without_broker(lending, seconds=3) > 5


def test_a_desk_knows_within_two_seconds_that_the_database_is_silent(lending: Lending) -> None:
    """Packets are dropped: nothing says that the server is away. A fresh connection and one that has been idle."""
    for idle_seconds in (0.0, 1.2):
        lending.database.open()
        eventually(lambda: lending.lend().status_code == 201)
        time.sleep(idle_seconds)
        lending.database.stall()
        for _ in range(3):
            start = time.monotonic()
            response = lending.lend()
            seconds = time.monotonic() - start
            assert (response.status_code, response.json()["reason"]) == (503, "DATABASE_UNAVAILABLE")
            assert int(response.headers["Retry-After"]) > 0
            assert seconds < 2
        lending.database.cut()
    lending.database.open()
    eventually(lambda: lending.lend().status_code == 201)
    assert len(lending.loans()) == lending.lent


def test_without_the_database_an_act_fails_at_once_with_the_reason_and_succeeds_later(lending: Lending) -> None:
    lending.database.shut()
    for _ in range(3):
        start = time.monotonic()
        response = lending.lend()
        assert (response.status_code, response.json()["reason"]) == (503, "DATABASE_UNAVAILABLE")
        assert int(response.headers["Retry-After"]) > 0
        assert time.monotonic() - start < 2
    lending.database.open()
    eventually(lambda: lending.lend().status_code == 201)
    assert len(lending.loans()) == lending.lent
