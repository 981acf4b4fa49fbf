"""The contract of every bus: the local bus on SQLite, and RabbitMQ with PostgreSQL and real workers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.example_services.installation import Installation, eventually, installation_of
from tests.migrated import MigratedDatabases


@pytest.fixture(scope="module", params=["local", pytest.param("amqp", marks=pytest.mark.servers)])
def busy_installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: MigratedDatabases
) -> Iterator[Installation]:
    """One installation for all tests, because its workers take seconds to start and stop."""
    if request.param == "amqp":
        request.getfixturevalue("servers")
    folder = tmp_path_factory.mktemp("installation")
    with (
        installation_of(request.param, folder, migrated) as installation,
        installation.at_work(),
    ):
        yield installation


@pytest.fixture
def installation(busy_installation: Installation) -> Installation:
    busy_installation.begin_afresh()
    return busy_installation


class TestBus:
    def test_a_fact_has_its_effect_in_the_other_service(self, installation: Installation) -> None:
        installation.receive("mango")
        eventually(lambda: installation.placed() == ["mango"])

    def test_a_fact_that_a_handler_emits_reaches_the_first_service(self, installation: Installation) -> None:
        installation.receive("mango", "guava")
        eventually(lambda: installation.reservations() == ["guava", "mango"])

    def test_a_fact_published_twice_has_one_effect(self, installation: Installation) -> None:
        installation.receive("mango")
        eventually(lambda: installation.reservations() == ["mango"])
        installation.publish_again()
        installation.receive("guava")
        eventually(lambda: installation.unpublished() == 0 and installation.reservations() == ["guava", "mango"])
        time.sleep(0.3)
        assert installation.placed() == ["guava", "mango"]

    def test_a_failed_handler_is_tried_again_and_its_changes_are_rolled_back(self, installation: Installation) -> None:
        installation.break_orders(True)
        installation.receive("mango")
        eventually(lambda: installation.unpublished() == 0)
        assert installation.placed() == []
        installation.break_orders(False)
        eventually(lambda: installation.placed() == ["mango"])
        eventually(lambda: installation.reservations() == ["mango"])

    def test_a_fact_without_a_consumer_is_no_error(self, installation: Installation) -> None:
        with installation.open_bus() as bus:
            event = installation.some_event(kind="examples.v1.NobodyKnowsThis")
            assert bus.publish([event]) == [event.id]

    def test_after_the_last_attempt_a_fact_is_on_the_dead_list_and_can_be_replayed(
        self, installation: Installation
    ) -> None:
        installation.break_orders(True)
        with installation.open_dead("orders") as dead:
            installation.receive("mango")
            eventually(lambda: len(dead.find()) == 1)
            message = dead.find()[0]
            assert (message.handler, message.type, message.attempts) == (
                "place_order",
                "examples.v1.ArticleReceived",
                3,
            )
            assert "orders are broken" in message.error
            assert f'"{installation.named("mango")}"' in message.body
            installation.break_orders(False)
            assert dead.replay([message.key]) == 1
            eventually(lambda: installation.reservations() == ["mango"])
            assert dead.find() == []
            assert installation.placed() == ["mango"]

    def test_a_dropped_fact_is_deleted_and_the_others_stay(self, installation: Installation) -> None:
        installation.break_orders(True)
        with installation.open_dead("orders") as dead:
            installation.receive("mango", "guava")
            eventually(lambda: len(dead.find()) == 2)
            first_event, second_event = dead.find()
            assert dead.drop([first_event.key, "place_order/unknown"]) == 1
            assert dead.find() == [second_event]

    def test_a_body_that_cannot_be_decoded_is_dead_at_once(self, installation: Installation) -> None:
        with installation.open_dead("orders") as dead, installation.open_bus() as bus:
            bus.publish([installation.some_event(body="no protobuf JSON")])
            eventually(lambda: len(dead.find()) == 1)
            message = dead.find()[0]
            assert (message.body, message.attempts) == ("no protobuf JSON", 1)
            assert "EVENT_UNREADABLE" in message.error

    def test_the_dead_list_can_be_read_repeatedly(self, installation: Installation) -> None:
        with installation.open_dead("orders") as dead, installation.open_bus() as bus:
            bus.publish([installation.some_event(body="1"), installation.some_event(body="2")])
            eventually(lambda: len(dead.find()) == 2)
            for _ in range(30):
                assert [message.body for message in dead.find()] == ["1", "2"]

    def test_a_field_of_a_later_release_is_ignored(self, installation: Installation) -> None:
        with installation.open_bus() as bus:
            bus.publish(
                [installation.some_event(body=f'{{"name": "{installation.named("durian")}", "not_known_yet": 7}}')]
            )
            eventually(lambda: installation.placed() == ["durian"])

    def test_the_handler_receives_the_actor(self, installation: Installation) -> None:
        installation.receive("mango")
        eventually(lambda: ("SOLOK", "amak") in installation.clerks())

    def test_the_bus_reports_its_health(self, installation: Installation) -> None:
        with installation.open_bus() as bus:
            bus.check()
