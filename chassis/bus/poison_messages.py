"""Poison messages: events that were in a worker when it died. Each is handled alone, so that only its own deaths count.

A worker holds several messages, and the broker delivers all of them again when the worker dies. A message that is
delivered again goes to a queue of its own (`….suspects`). It is fetched from there when no other handler runs in the
process, so if the process dies now, this message is the cause. The waiting time grows with each death; after
DEATHS_AT_MOST the message goes to the dead list.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chassis import bus
from chassis.bus.amqp import (
    BROKER_ERRORS,
    BrokerMessage,
    Publisher,
    dead_queue,
    declare_poison_queue,
    from_received,
    poison_queue,
    queue_of,
    readdress,
    wait_queue,
)
from chassis.errors import Invalid, Unavailable
from chassis.service import Consumer, Resources

log = logging.getLogger(__name__)

DEATHS_AT_MOST = 3
SWEEP_SECONDS = 5.0  # because a worker may have died after it moved a message
PAUSE_SECONDS = 1.0


class MayBePoison(Exception):
    """The message was in a worker that died. Raised before the handler runs."""


def refuse_poison(message: BrokerMessage) -> None:
    """Raise MayBePoison if the message may have killed a worker."""
    if message.redelivered or _deaths(message):
        raise MayBePoison


class Turns:
    """Lets many handlers run at the same time, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._alone = False  # one handler runs alone, or waits for the others to end

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Run the block beside others; wait first while a handler runs alone."""
        with self._changed:
            while self._alone:
                self._changed.wait()
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run the block alone: wait for the others to end, and let new ones wait. Only one thread calls this."""
        with self._changed:
            self._alone = True
            while self._running:
                self._changed.wait()
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


class PoisonMessages:
    """Handles the possibly poisonous messages of a service's handlers, one at a time."""

    def __init__(
        self,
        resources: Resources,
        turns: Turns,
        *,
        run: Callable[[Consumer, BrokerMessage], None],
        put_off: Callable[[Consumer, BrokerMessage, Exception], bool],
    ) -> None:
        """
        run      runs the handler; raises its errors
        put_off  stores a message for its next attempt, after its handler failed; returns whether it is stored
        """
        self._service, self._turns = resources.service, turns
        self._run, self._put_off = run, put_off
        self._publisher = Publisher(resources.settings.bus_url)
        self._survived: set[str] = set()  # ids of messages that this process has fetched without dying
        self._stopping = False
        self._wake = threading.Event()

    def run(self) -> None:
        """Handle messages until `stop`. While the broker or the database is away, wait; log that once."""
        is_logged = False
        while not self._stopping:
            self._wake.clear()
            try:
                while not self._stopping and sum(map(self._handle_next, self._service.consumers)):
                    pass
                is_logged = False
                self._wake.wait(SWEEP_SECONDS)
            except (*BROKER_ERRORS, Unavailable) as problem:
                if not is_logged:
                    extra = {"service": self._service.name, "why": str(problem)[:200]}
                    log.warning("poison_messages_unavailable", extra=extra)
                is_logged = True
                self._publisher.close()
                self._wake.wait(PAUSE_SECONDS)
        self._publisher.close()

    def look(self) -> None:
        """Handle a message that was just moved."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` after the current message."""
        self._stopping = True
        self._wake.set()

    def _handle_next(self, consumer: Consumer) -> bool:
        """Handle one message of this handler. Returns False when there is none."""
        queue = queue_of(self._service.name, consumer.name)
        if not declare_poison_queue(self._publisher.channel(), queue):
            return False
        with self._turns.alone():
            channel = self._publisher.channel()
            raw: Any = channel.basic_get(poison_queue(queue))
            if raw is None:
                return False
            message = from_received(raw)
            if message.redelivered and message.message_id not in self._survived:
                stored = self._count_death(consumer, message)
            else:
                self._survived.add(message.message_id)
                stored = self._handle(consumer, message)
            if not stored:
                raise Unavailable("BUS_REFUSED", queue=queue)
            channel.basic_ack(raw.delivery_info["delivery_tag"])
            self._survived.discard(message.message_id)
        return True

    def _handle(self, consumer: Consumer, message: BrokerMessage) -> bool:
        """Run the handler. Returns whether the message is settled."""
        try:
            self._run(consumer, message)
        except Exception as problem:
            # The handler failed, but the process is alive, so the deaths are counted anew.
            return self._put_off(consumer, readdress(message, message.routing_key, deaths=0), problem)
        return True

    def _count_death(self, consumer: Consumer, message: BrokerMessage) -> bool:
        """Move a message that was handled alone when its worker died. Returns whether it is stored."""
        deaths = _deaths(message) + 1
        queue = queue_of(self._service.name, consumer.name)
        is_dead = deaths >= DEATHS_AT_MOST
        wait = bus.BACKOFF_SECONDS[min(deaths, len(bus.BACKOFF_SECONDS)) - 1]
        log.warning(
            "handler_died",
            extra={"handler": consumer.name, "event_id": message.message_id, "deaths": deaths, "dead": is_dead},
        )
        problem = Invalid("EVENT_DEADLY", deaths=deaths)
        next_message = readdress(
            message,
            dead_queue(queue) if is_dead else wait_queue(queue, wait),
            deaths=deaths,
            error=f"{type(problem).__name__}: {problem}",
        )
        return self._publisher.send([next_message], mandatory=True)[0]


def _deaths(message: BrokerMessage) -> int:
    deaths = message.headers.get("deaths", 0)
    return deaths if isinstance(deaths, int) and deaths > 0 else 0
