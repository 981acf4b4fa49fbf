"""The RabbitMQ bus: messages, messages of other programs, and events without a consumer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from amqp import NotFound

from chassis.bus import amqp
from chassis.bus.amqp import (
    UNROUTED,
    UNROUTED_QUEUE,
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
from tests.example_services.installation import Installation, eventually, installation_of
from tests.migrated import MigratedDatabases


@pytest.fixture(scope="module")
def installation(
    servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory, migrated: MigratedDatabases
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    with installation_of("amqp", folder, migrated) as installation:
        installation.declare()
        yield installation


@pytest.fixture
def broker_message(tmp_path: Path, migrated: MigratedDatabases) -> BrokerMessage:
    with installation_of("local", tmp_path, migrated) as installation:
        return to_message(installation.some_event(body='{"name": "mangga ranum"}'))


def test_an_event_is_equal_after_a_message(broker_message: BrokerMessage) -> None:
    assert to_message(event_of(broker_message)) == broker_message


@pytest.mark.parametrize(
    "headers",
    [{}, {"event_id": "x"}, {"event_id": 7}, {"version": "many"}, {"occurred_at": "yesterday"}, {"event_id": None}],
)
def test_a_message_without_event_headers_is_refused(broker_message: BrokerMessage, headers: dict[str, object]) -> None:
    changed_message = replace(broker_message, headers={**broker_message.headers, **headers} if headers else {})
    with pytest.raises(Invalid) as refusal:
        event_of(changed_message)
    assert refusal.value.reason == "EVENT_UNREADABLE"


def test_a_moved_message_loses_the_headers_of_the_broker(broker_message: BrokerMessage) -> None:
    delivered = replace(broker_message, headers={**broker_message.headers, "x-death": [{"count": 3}], "attempts": 1})
    moved = readdress(delivered, "orders.place_order.v1", attempts=2)
    assert moved.headers == {**broker_message.headers, "attempts": 2}
    assert (moved.exchange, moved.routing_key, moved.type) == ("", "orders.place_order.v1", broker_message.type)


def test_an_event_without_a_consumer_goes_to_the_unrouted_queue(installation: Installation) -> None:
    event = installation.some_event(kind="examples.v1.WithoutConsumer")
    with (
        closing(AmqpBus(installation.settings.bus_url)) as bus,
        closing(Publisher(installation.settings.bus_url)) as publisher,
    ):
        assert bus.publish([event]) == [event.id]
        message = publisher.channel().basic_get(UNROUTED_QUEUE, no_ack=True)
        assert event_of(from_received(message)) == event
        assert message.properties["delivery_mode"] == 2


def test_the_unrouted_queue_loses_its_oldest_events_beyond_its_bytes_and_has_no_earlier_version(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "UNROUTED_QUEUE", f"{UNROUTED}.small")
    monkeypatch.setattr(amqp, "UNROUTED_MOST_BYTES", 1000)
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        channel = publisher.channel()
        # As an earlier release has declared it.
        channel.queue_declare(UNROUTED, durable=True, auto_delete=False, arguments={"x-max-length": 100_000})
        amqp.declare_events(channel)
        events = [
            installation.some_event(kind="examples.v1.WithoutConsumer", body=f'"{letter * 400}"') for letter in "abcd"
        ]
        publisher.send([to_message(event) for event in events])
        channel.queue_unbind(amqp.UNROUTED_QUEUE, UNROUTED)
        bodies = []
        while (message := channel.basic_get(amqp.UNROUTED_QUEUE, no_ack=True)) is not None:
            bodies.append(message.body[1])
        assert bodies == ["c", "d"]
        with pytest.raises(NotFound):
            channel.queue_declare(UNROUTED, passive=True)


def test_a_message_for_a_missing_queue_counts_as_refused(installation: Installation) -> None:
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        message = BrokerMessage("", queue_of("stock", "reserve"), b"{}", {}, message_id="1")
        missing = BrokerMessage("", "nowhere", b"{}", {}, message_id="2")
        assert publisher.send([message, missing, message], mandatory=True) == [True, False, True]


def test_unreadable_messages_go_to_the_dead_list_and_the_worker_continues(installation: Installation) -> None:
    queue = queue_of("orders", "place_order")
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        channel = publisher.channel()
        for body, properties in (
            (b"\xff\xfe\x00", {"content_type": "application/json", "content_encoding": "utf-8"}),
            (b"not compressed", {"headers": {"compression": "application/x-bz2"}}),
            (b"gASVBQAAAA==", {"content_type": "application/x-python-serialize", "content_encoding": "base64"}),
            (b"", {}),
        ):
            channel.basic_publish(channel.prepare_message(body, **properties), "", queue)
        channel.close()
    installation.receive("mango")
    with installation.at_work("orders"), installation.open_dead("orders") as dead_list:
        eventually(lambda: installation.placed() == ["mango"])
        eventually(lambda: len(dead_list.find()) == 4)
        assert all("EVENT_UNREADABLE" in event.error for event in dead_list.find())
        assert "not compressed" in {event.body for event in dead_list.find()}
