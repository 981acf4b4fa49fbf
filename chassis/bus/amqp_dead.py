"""The dead list on RabbitMQ: each handler's `.dead` queue.

A queue can only be read by removing its messages, and a returned message counts as delivered (a quorum queue drops a
message after too many deliveries). So each message is published again at the end of the queue, and the old one is
acknowledged after the broker has confirmed the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chassis.bus import BACKOFF_SECONDS, DeadEvent
from chassis.bus.amqp import BrokerMessage, Publisher, dead_queue, declare_handler, from_received, queue_of, readdress
from chassis.errors import Unavailable
from chassis.service import Consumer, Resources

MOST_MESSAGES = 10_000


class AmqpDead:
    """See chassis.bus.DeadList."""

    def __init__(self, url: str, resources: Resources) -> None:
        self._publisher = Publisher(url)
        self._service = resources.service

    def find(self) -> list[DeadEvent]:
        events: list[DeadEvent] = []

        def keep(consumer: Consumer, message: BrokerMessage) -> str:
            events.append(_event(consumer, message))
            return dead_queue(queue_of(self._service.name, consumer.name))

        self._route(keep)
        return sorted(events, key=lambda event: (event.handler, event.key))

    def replay(self, keys: Sequence[str]) -> int:
        return self._move(keys, lambda consumer: queue_of(self._service.name, consumer.name))

    def drop(self, keys: Sequence[str]) -> int:
        return self._move(keys, lambda _consumer: "")

    def close(self) -> None:
        self._publisher.close()

    def _move(self, keys: Sequence[str], target: Callable[[Consumer], str]) -> int:
        moved: list[BrokerMessage] = []

        def move(consumer: Consumer, message: BrokerMessage) -> str:
            if _key(consumer, message) in keys:
                moved.append(message)
                return target(consumer)
            return dead_queue(queue_of(self._service.name, consumer.name))

        self._route(move)
        return len(moved)

    def _route(self, target: Callable[[Consumer, BrokerMessage], str]) -> None:
        """Fetch each dead message once, and publish it to the queue that `target` returns; "" drops the message."""
        for consumer in self._service.consumers:
            channel = self._publisher.channel()
            declare_handler(channel, self._service.name, consumer, BACKOFF_SECONDS)
            dead = dead_queue(queue_of(self._service.name, consumer.name))
            for raw in _fetch(channel, dead):
                message = from_received(raw)
                queue = target(consumer, message)
                if queue:
                    self._put(readdress(message, queue) if queue == dead else readdress(message, queue, attempts=0))
                channel.basic_ack(raw.delivery_info["delivery_tag"])
            # Acknowledgements have no answer. One that is lost when the connection closes would put its message back.
            channel.queue_declare(dead, passive=True)

    def _put(self, message: BrokerMessage) -> None:
        if not self._publisher.send([message], mandatory=True)[0]:
            raise Unavailable("BUS_REFUSED", queue=message.routing_key)


def _fetch(channel: Any, queue: str) -> Iterator[Any]:
    """Fetch the messages that are in the queue now, but not those that are added to its end meanwhile."""
    count = channel.queue_declare(queue, passive=True).message_count
    for _ in range(min(count, MOST_MESSAGES)):
        message = channel.basic_get(queue)
        if message is None:
            return
        yield message


def _key(consumer: Consumer, message: BrokerMessage) -> str:
    return f"{consumer.name}/{message.message_id or message.headers.get('event_id', '')}"


def _event(consumer: Consumer, message: BrokerMessage) -> DeadEvent:
    headers = message.headers
    return DeadEvent(
        key=_key(consumer, message),
        handler=consumer.name,
        type=message.type,
        body=message.body.decode(errors="backslashreplace"),
        institution=str(headers.get("institution", "")),
        actor=str(headers.get("actor", "")),
        occurred=str(headers.get("occurred_at", "")),
        attempts=int(headers.get("attempts", 0)),
        error=str(headers.get("error", ""))
        or "dropped by the broker: its worker process died several times while handling it",
    )


def open_dead(url: str, *, resources: Resources) -> AmqpDead:
    """Open the dead list of an `amqp:` or `amqps:` URL."""
    return AmqpDead(url, resources)
