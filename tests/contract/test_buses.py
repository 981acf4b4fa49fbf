"""What every bus promises, on each of them: the local one on SQLite, RabbitMQ with PostgreSQL and real workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.settings import Settings, load
from tests import servers as development
from tests.conftest import _fresh_name
from tests.toys.house import House, eventually, open_house


@pytest.fixture(params=["local", "amqp"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "local":
        yield load({"DATA": str(tmp_path)})
        return
    request.getfixturevalue("servers")
    name = _fresh_name()
    databases = [f"{name}_{service}" for service in ("pantry", "kitchen")]
    for each in databases:
        development.create_database(each)
    yield load(
        {
            "DATABASE_URL": development.database_url(f"{name}_{{service}}"),
            "DATABASE_OWNER_URL": development.database_url(f"{name}_{{service}}", owner=True),
            "BUS_URL": development.create_vhost(name),
        }
    )
    development.drop_vhost(name)
    for each in databases:
        development.drop_database(each)


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    with open_house(settings) as house:
        yield house


class TestBus:
    def test_a_fact_has_its_effect_in_the_other_service(self, house: House) -> None:
        with house.at_work():
            house.fill("mango")
            eventually(lambda: house.meals() == ["mango"])

    def test_a_handlers_own_fact_travels_back(self, house: House) -> None:
        with house.at_work():
            house.fill("mango", "guava")
            eventually(lambda: house.uses() == ["guava", "mango"])

    def test_a_fact_published_twice_has_one_effect(self, house: House) -> None:
        with house.at_work():
            house.fill("mango")
            eventually(lambda: house.uses() == ["mango"])
            house.publish_again()
            house.fill("guava")
            eventually(lambda: house.unpublished() == 0 and house.uses() == ["guava", "mango"])
            time.sleep(0.3)
            assert house.meals() == ["guava", "mango"]

    def test_a_handler_that_fails_is_tried_again_and_leaves_nothing_meanwhile(self, house: House) -> None:
        house.stove_is_out(True)
        with house.at_work():
            house.fill("mango")
            eventually(lambda: house.unpublished() == 0)
            assert house.meals() == []
            house.stove_is_out(False)
            eventually(lambda: house.meals() == ["mango"])
            eventually(lambda: house.uses() == ["mango"])

    def test_a_fact_that_nobody_wants_is_no_error(self, house: House) -> None:
        with house.open_bus() as bus:
            event = house.some_event(kind="toys.v1.NobodyKnowsThis")
            assert bus.publish([event]) == [event.id]
