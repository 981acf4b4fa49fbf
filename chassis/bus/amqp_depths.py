"""Counts the events that wait in the queues of a service's handlers, without declaring a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from amqp import AMQPError, NotFound
from kombu.connection import Connection
from kombu.exceptions import KombuError

from chassis.bus.amqp import CONNECT_SECONDS, EXCHANGE, UNROUTED_QUEUE, dead_queue, queue_of
from chassis.bus.depths import Depth
from chassis.errors import Unavailable
from chassis.service import Resources


class AmqpDepths:
    """Asks the broker for its counts; connects when needed, and again after a failure."""

    def __init__(self, url: str, *, resources: Resources) -> None:
        self._url, self._service = url, resources.service
        self._connection: Any = None

    def count(self) -> list[Depth]:
        depths = []
        for consumer in self._service.consumers:
            queue = queue_of(self._service.name, consumer.name)
            own, dead = self._ask(queue), self._ask(dead_queue(queue))
            missing = tuple(name for name, answer in ((queue, own), (dead_queue(queue), dead)) if answer is None)
            waiting, workers = own or (0, 0)
            is_late = bool(waiting) and not workers
            depths.append(Depth(consumer.name, waiting, dead[0] if dead else 0, is_late, missing))
        return depths

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
                self._connection = Connection(self._url, connect_timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
                self._connection.connect()
            channel = self._connection.channel()
            yield channel
            if channel.is_open:
                channel.close()
        except (OSError, AMQPError, KombuError) as problem:
            self.close()
            raise Unavailable("BUS_UNAVAILABLE", why=f"{type(problem).__name__}: {problem}"[:200]) from problem
