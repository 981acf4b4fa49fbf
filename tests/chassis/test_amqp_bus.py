"""What is particular to RabbitMQ: messages, foreign messages, and where facts go that nobody wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.bus.amqp import (
    UNROUTED,
    AmqpBus,
    BrokerMessage,
    Publisher,
    event_of,
    from_received,
    queue_of,
    readdress,
    to_message,
)
from chassis.errors import Invalid
from chassis.settings import load
from tests.example_services.installation import Installation, eventually, open_installation, settings_of


@pytest.fixture(scope="module")
def installation(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    with settings_of("amqp", folder) as settings, open_installation(settings) as installation:
        installation.declare()
        yield installation


@pytest.fixture
def letter(tmp_path: Path) -> BrokerMessage:
    with open_installation(load({"DATA": str(tmp_path)})) as installation:
        return to_message(installation.some_event(body='{"name": "mangga ranum"}'))


def test_an_event_comes_out_of_its_letter_as_it_went_in(letter: BrokerMessage) -> None:
    assert to_message(event_of(letter)) == letter


@pytest.mark.parametrize(
    "headers",
    [{}, {"event_id": "x"}, {"event_id": 7}, {"version": "many"}, {"occurred_at": "yesterday"}, {"event_id": None}],
)
def test_a_letter_that_is_no_event_is_refused(letter: BrokerMessage, headers: dict[str, object]) -> None:
    broken = replace(letter, headers={**letter.headers, **headers} if headers else {})
    with pytest.raises(Invalid) as refusal:
        event_of(broken)
    assert refusal.value.reason == "EVENT_UNREADABLE"


def test_what_the_broker_noted_on_a_letter_is_left_behind_when_it_moves(letter: BrokerMessage) -> None:
    noted = replace(letter, headers={**letter.headers, "x-death": [{"count": 3}], "attempts": 1})
    moved = readdress(noted, "orders.place_order.v1", attempts=2)
    assert moved.headers == {**letter.headers, "attempts": 2}
    assert (moved.exchange, moved.routing_key, moved.type) == ("", "orders.place_order.v1", letter.type)


def test_a_fact_that_nobody_wants_is_kept_for_a_while(installation: Installation) -> None:
    event = installation.some_event(kind="examples.v1.NobodyWantsThis")
    with (
        closing(AmqpBus(installation.settings.bus_url)) as bus,
        closing(Publisher(installation.settings.bus_url)) as publisher,
    ):
        assert bus.publish([event]) == [event.id]
        message = publisher.channel().basic_get(UNROUTED, no_ack=True)
        assert event_of(from_received(message)) == event
        assert message.properties["delivery_mode"] == 2


def test_a_letter_for_a_queue_that_is_not_there_counts_as_refused(installation: Installation) -> None:
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        there = BrokerMessage("", queue_of("stock", "reserve"), b"{}", {}, message_id="1")
        missing = BrokerMessage("", "nowhere", b"{}", {}, message_id="2")
        assert publisher.send([there, missing, there], mandatory=True) == [True, False, True]


def test_foreign_and_garbled_messages_go_to_the_dead_and_the_worker_goes_on(installation: Installation) -> None:
    queue = queue_of("orders", "place_order")
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        channel = publisher.channel()
        for body, described in (
            (b"\xff\xfe\x00", {"content_type": "application/json", "content_encoding": "utf-8"}),
            (b"not compressed", {"headers": {"compression": "application/x-bz2"}}),
            (b"gASVBQAAAA==", {"content_type": "application/x-python-serialize", "content_encoding": "base64"}),
            (b"", {}),
        ):
            channel.basic_publish(channel.prepare_message(body, **described), "", queue)
        channel.close()
    installation.receive("mango")
    with installation.at_work("orders"), installation.open_dead("orders") as dead_list:
        eventually(lambda: installation.placed() == ["mango"])
        eventually(lambda: len(dead_list.find()) == 4)
        assert all("EVENT_UNREADABLE" in event.error for event in dead_list.find())
        assert "not compressed" in {event.body for event in dead_list.find()}
