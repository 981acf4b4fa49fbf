"""Counts the events that wait in the queues of a service's handlers, without declaring a queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from amqp import AMQPError, NotFound
from kombu.connection import Connection
from kombu.exceptions import KombuError
from sqlalchemy import select

from chassis import clock
from chassis.bus import BACKOFF_SECONDS
from chassis.bus.amqp import CONNECT_SECONDS, EXCHANGE, UNROUTED_QUEUE, dead_queue, poison_queue, queue_of, wait_queue
from chassis.bus.depths import Depth
from chassis.bus.inbox import inbox
from chassis.context import system
from chassis.errors import Unavailable
from chassis.ids import moment_of
from chassis.service import Resources

DEPTHS = system("depths")


class AmqpDepths:
    """Asks the broker for its counts; connects when needed, and again after a failure."""

    def __init__(self, url: str, *, resources: Resources) -> None:
        self._url, self._service, self._database = url, resources.service, resources.database
        self._connection: Any = None
        self._waits_since: dict[str, float] = {}  # handler -> monotonic time at which its queue was first not empty

    def count(self) -> list[Depth]:
        depths = []
        for consumer in self._service.consumers:
            queue = queue_of(self._service.name, consumer.name)
            own, dead = self._ask(queue), self._ask(dead_queue(queue))
            missing = tuple(name for name, answer in ((queue, own), (dead_queue(queue), dead)) if answer is None)
            waiting, workers = own or (0, 0)
            is_late = bool(waiting) and not workers
            oldest = self._oldest(consumer.name, waiting)
            depths.append(Depth(consumer.name, waiting, dead[0] if dead else 0, is_late, missing, oldest, workers))
        return depths

    def _oldest(self, handler: str, waiting: int) -> float:
        """Return the longest time that an event can have waited: since the queue was empty, and since the newest event
        that was handled; the broker itself does not tell."""
        if not waiting:
            self._waits_since.pop(handler, None)
            return 0.0
        seconds = time.monotonic() - self._waits_since.setdefault(handler, time.monotonic())
        with self._database.reading(DEPTHS) as session:
            newest = session.scalar(
                select(inbox.c.event_id).where(inbox.c.consumer == handler).order_by(inbox.c.event_id.desc()).limit(1)
            )
        if newest is None:
            return seconds
        return max(0.0, min(seconds, (clock.now() - moment_of(newest)).total_seconds()))

    def postponed(self, handler: str) -> int:
        queue = queue_of(self._service.name, handler)
        queues = [poison_queue(queue), *(wait_queue(queue, seconds) for seconds in BACKOFF_SECONDS)]
        return sum(counts[0] for counts in map(self._ask, queues) if counts)

    def missing(self) -> list[str]:
        with self._channel() as channel, suppress(NotFound):
            channel.exchange_declare(EXCHANGE, "topic", passive=True)
            return [] if self._ask(UNROUTED_QUEUE) else [UNROUTED_QUEUE]
        return [EXCHANGE]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect(socket_timeout=1)

    def _ask(self, queue: str) -> tuple[int, int] | None:
        """Return the numbers of ready messages and of workers; None if the broker does not have the queue."""
        with self._channel() as channel, suppress(NotFound):
            answer = channel.queue_declare(queue, passive=True)
            return int(answer.message_count), int(answer.consumer_count)
        return None

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        """Open a channel for one question; the broker closes it if the queue does not exist. Raises Unavailable."""
        try:
            if self._connection is None:
                timeouts = {"read_timeout": CONNECT_SECONDS, "write_timeout": CONNECT_SECONDS}
                self._connection = Connection(  # type: ignore[no-untyped-call]
                    self._url, connect_timeout=CONNECT_SECONDS, transport_options=timeouts
                )
                self._connection.connect()
            channel = self._connection.channel()
            yield channel
            if channel.is_open:
                channel.close()
        except (OSError, AMQPError, KombuError) as problem:
            self.close()
            raise Unavailable("BUS_UNAVAILABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem
