"""The dead list on RabbitMQ: each handler's `.dead` queue.

A queue has no way to look without taking, and giving back counts as a delivery (a quorum queue drops what was given
back too often). So a message looked at is published anew at the queue's end, confirmed, and only then acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chassis.bus import BACKOFF_SECONDS
from chassis.bus.amqp import Letter, Publisher, dead_queue, declare_handler, letter_from, moved_to, queue_of
from chassis.bus.dead import DeadEvent
from chassis.errors import Unavailable
from chassis.service import Consumer, Resources

AT_MOST = 10_000


class AmqpDead:
    def __init__(self, url: str, resources: Resources) -> None:
        self._publisher = Publisher(url)
        self._service = resources.service

    def find(self) -> list[DeadEvent]:
        found: list[DeadEvent] = []

        def look(consumer: Consumer, letter: Letter) -> str:
            found.append(_told(consumer, letter))
            return dead_queue(queue_of(self._service.name, consumer.name))

        self._each(look)
        return sorted(found, key=lambda each: (each.handler, each.key))

    def replay(self, keys: Sequence[str]) -> int:
        return self._move(keys, lambda consumer: queue_of(self._service.name, consumer.name))

    def drop(self, keys: Sequence[str]) -> int:
        return self._move(keys, lambda _consumer: "")

    def close(self) -> None:
        self._publisher.close()

    def _move(self, keys: Sequence[str], to: Callable[[Consumer], str]) -> int:
        wanted, moved = set(keys), []

        def decide(consumer: Consumer, letter: Letter) -> str:
            if _key(consumer, letter) in wanted:
                moved.append(letter)
                return to(consumer)
            return dead_queue(queue_of(self._service.name, consumer.name))

        self._each(decide)
        return len(moved)

    def _each(self, decide: Callable[[Consumer, Letter], str]) -> None:
        """Take up each dead message once and publish it to the queue that `decide` names; "" drops it."""
        for consumer in self._service.consumers:
            channel = self._publisher.channel()
            declare_handler(channel, self._service.name, consumer, BACKOFF_SECONDS)
            dead = dead_queue(queue_of(self._service.name, consumer.name))
            for message in _take(channel, dead):
                letter = letter_from(message)
                to = decide(consumer, letter)
                if to:
                    self._put(moved_to(to, letter) if to == dead else moved_to(to, letter, attempts=0))
                channel.basic_ack(message.delivery_info["delivery_tag"])

    def _put(self, letter: Letter) -> None:
        if not self._publisher.send([letter], mandatory=True)[0]:
            raise Unavailable("BUS_REFUSED", queue=letter.routing_key)


def _take(channel: Any, queue: str) -> Iterator[Any]:
    """What is in the queue now, and not what this very pass puts at its end."""
    waiting = channel.queue_declare(queue, passive=True).message_count
    for _ in range(min(waiting, AT_MOST)):
        message = channel.basic_get(queue)
        if message is None:
            return
        yield message


def _key(consumer: Consumer, letter: Letter) -> str:
    return f"{consumer.name}/{letter.message_id or letter.headers.get('event_id', '')}"


def _told(consumer: Consumer, letter: Letter) -> DeadEvent:
    headers = letter.headers
    return DeadEvent(
        key=_key(consumer, letter),
        handler=consumer.name,
        type=letter.type,
        body=letter.body.decode(errors="backslashreplace"),
        institution=str(headers.get("institution", "")),
        actor=str(headers.get("actor", "")),
        occurred=str(headers.get("occurred_at", "")),
        attempts=int(headers.get("attempts", 0)),
        error=str(headers.get("error", "")) or "given up by the broker: its worker died of it again and again",
    )


def open_dead(url: str, *, resources: Resources) -> AmqpDead:
    """Adapter for `amqp:` and `amqps:`."""
    return AmqpDead(url, resources)
