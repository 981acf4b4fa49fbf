"""The dead list on RabbitMQ: each handler's `.dead` queue.

A queue cannot be read without taking its messages, and returning one counts as a delivery (a quorum queue drops a
message that was returned too often). So each message is published again at the queue's end, confirmed, and only then
acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chassis.bus import BACKOFF_SECONDS, DeadEvent
from chassis.bus.amqp import Letter, Publisher, dead_queue, declare_handler, letter_from, moved_to, queue_of
from chassis.errors import Unavailable
from chassis.service import Consumer, Resources

AT_MOST = 10_000


class AmqpDead:
    def __init__(self, url: str, resources: Resources) -> None:
        self._publisher = Publisher(url)
        self._service = resources.service

    def find(self) -> list[DeadEvent]:
        events: list[DeadEvent] = []

        def keep(consumer: Consumer, letter: Letter) -> str:
            events.append(_event(consumer, letter))
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
        wanted, moved = set(keys), []

        def move(consumer: Consumer, letter: Letter) -> str:
            if _key(consumer, letter) in wanted:
                moved.append(letter)
                return target(consumer)
            return dead_queue(queue_of(self._service.name, consumer.name))

        self._route(move)
        return len(moved)

    def _route(self, target: Callable[[Consumer, Letter], str]) -> None:
        """Take each dead message once and publish it to the queue that `target` names; "" drops it."""
        for consumer in self._service.consumers:
            channel = self._publisher.channel()
            declare_handler(channel, self._service.name, consumer, BACKOFF_SECONDS)
            dead = dead_queue(queue_of(self._service.name, consumer.name))
            for message in _take(channel, dead):
                letter = letter_from(message)
                queue = target(consumer, letter)
                if queue:
                    self._put(moved_to(queue, letter) if queue == dead else moved_to(queue, letter, attempts=0))
                channel.basic_ack(message.delivery_info["delivery_tag"])

    def _put(self, letter: Letter) -> None:
        if not self._publisher.send([letter], mandatory=True)[0]:
            raise Unavailable("BUS_REFUSED", queue=letter.routing_key)


def _take(channel: Any, queue: str) -> Iterator[Any]:
    """What is in the queue now, without what this pass puts at its end."""
    waiting = channel.queue_declare(queue, passive=True).message_count
    for _ in range(min(waiting, AT_MOST)):
        message = channel.basic_get(queue)
        if message is None:
            return
        yield message


def _key(consumer: Consumer, letter: Letter) -> str:
    return f"{consumer.name}/{letter.message_id or letter.headers.get('event_id', '')}"


def _event(consumer: Consumer, letter: Letter) -> DeadEvent:
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
        error=str(headers.get("error", "")) or "given up by the broker: its worker died of it several times",
    )


def open_dead(url: str, *, resources: Resources) -> AmqpDead:
    """Adapter for `amqp:` and `amqps:`."""
    return AmqpDead(url, resources)
