"""What every bus promises, on each of them: the local one on SQLite, RabbitMQ with PostgreSQL and real workers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.toys.house import House, eventually, open_house, settings_of


@pytest.fixture(scope="module", params=["local", pytest.param("amqp", marks=pytest.mark.servers)])
def busy_house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests here: its workers take seconds to start and stop."""
    if request.param == "amqp":
        request.getfixturevalue("servers")
    folder = tmp_path_factory.mktemp("house")
    with settings_of(request.param, folder) as settings, open_house(settings) as house, house.at_work():
        yield house


@pytest.fixture
def house(busy_house: House) -> House:
    busy_house.begin_afresh()
    return busy_house


class TestBus:
    def test_a_fact_has_its_effect_in_the_other_service(self, house: House) -> None:
        house.fill("mango")
        eventually(lambda: house.meals() == ["mango"])

    def test_a_handlers_own_fact_travels_back(self, house: House) -> None:
        house.fill("mango", "guava")
        eventually(lambda: house.uses() == ["guava", "mango"])

    def test_a_fact_published_twice_has_one_effect(self, house: House) -> None:
        house.fill("mango")
        eventually(lambda: house.uses() == ["mango"])
        house.publish_again()
        house.fill("guava")
        eventually(lambda: house.unpublished() == 0 and house.uses() == ["guava", "mango"])
        time.sleep(0.3)
        assert house.meals() == ["guava", "mango"]

    def test_a_handler_that_fails_is_tried_again_and_leaves_nothing_meanwhile(self, house: House) -> None:
        house.stove_is_out(True)
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

    def test_after_the_last_attempt_a_fact_is_on_the_dead_list_and_can_be_replayed(self, house: House) -> None:
        house.stove_is_out(True)
        with house.open_dead("kitchen") as dead:
            house.fill("mango")
            eventually(lambda: len(dead.find()) == 1)
            found = dead.find()[0]
            assert (found.handler, found.type, found.attempts) == ("cook", "toys.v1.JarFilled", 3)
            assert "the stove is out" in found.error
            assert f'"{house.named("mango")}"' in found.body
            house.stove_is_out(False)
            assert dead.replay([found.key]) == 1
            eventually(lambda: house.uses() == ["mango"])
            assert dead.find() == []
            assert house.meals() == ["mango"]

    def test_a_dropped_fact_is_gone_and_the_others_stay(self, house: House) -> None:
        house.stove_is_out(True)
        with house.open_dead("kitchen") as dead:
            house.fill("mango", "guava")
            eventually(lambda: len(dead.find()) == 2)
            first, second = dead.find()
            assert dead.drop([first.key, "cook/unknown"]) == 1
            assert dead.find() == [second]

    def test_a_body_that_cannot_be_read_goes_to_the_dead_at_once(self, house: House) -> None:
        with house.open_dead("kitchen") as dead, house.open_bus() as bus:
            bus.publish([house.some_event(body="no protobuf JSON")])
            eventually(lambda: len(dead.find()) == 1)
            found = dead.find()[0]
            assert (found.body, found.attempts) == ("no protobuf JSON", 1)
            assert "EVENT_UNREADABLE" in found.error

    def test_the_list_may_be_looked_at_often(self, house: House) -> None:
        with house.open_dead("kitchen") as dead, house.open_bus() as bus:
            bus.publish([house.some_event(body="1"), house.some_event(body="2")])
            eventually(lambda: len(dead.find()) == 2)
            for _ in range(30):
                assert [each.body for each in dead.find()] == ["1", "2"]

    def test_a_field_of_a_later_release_is_passed_over(self, house: House) -> None:
        with house.open_bus() as bus:
            bus.publish([house.some_event(body=f'{{"name": "{house.named("durian")}", "not_known_yet": 7}}')])
            eventually(lambda: house.meals() == ["durian"])

    def test_the_handler_is_told_whose_act_it_was(self, house: House) -> None:
        house.fill("mango")
        eventually(lambda: ("SOLOK", "amak") in house.cooks())

    def test_the_bus_says_that_it_is_well(self, house: House) -> None:
        with house.open_bus() as bus:
            bus.check()
