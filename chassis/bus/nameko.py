"""Workers: `python -m chassis.bus.nameko SERVICE` runs a service's handlers on the messages of the broker.

As the main module it patches sockets and waiting with eventlet before other imports; as an import it never patches.
gRPC must not be imported in this process, because its calls hang under eventlet.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Otherwise psycopg waits in C, and one waiting handler blocks all others.
    os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
    import warnings

    # nameko needs eventlet, so operators cannot act on this warning.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import errno
import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import eventlet
import psycopg.waiting
from kombu.entity import Queue
from nameko.exceptions import ContainerBeingKilled
from nameko.messaging import Consumer as NamekoConsumer
from nameko.messaging import QueueConsumer
from nameko.runners import ServiceRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis import bus
from chassis.bus.amqp import (
    BROKER_ERRORS,
    BrokerMessage,
    Publisher,
    dead_queue,
    declare_events,
    declare_handler,
    event_of,
    from_received,
    poison_queue,
    queue_of,
    readdress,
    wait_queue,
)
from chassis.bus.handling import handle
from chassis.bus.poison_messages import MayBePoison, PoisonMessages, Turns, refuse_poison
from chassis.command_errors import exit_with
from chassis.context import system
from chassis.database.db import Database
from chassis.database.db_errors import check_answers, is_away, is_outage
from chassis.errors import Error, Invalid, Unavailable
from chassis.gc_tuning import tune_gc
from chassis.metrics import telemetry
from chassis.migrations import revisions
from chassis.output import json_text, print_text
from chassis.service import Consumer, Resources, load
from chassis.settings import load as load_settings
from chassis.urls import known_scheme, resolve

log = logging.getLogger(__name__)

HANDLERS_AT_ONCE = 10
PAUSE_SECONDS = 1.0
OUTAGE_SECONDS = 2.0  # between two looks while the database is away
LONGEST_BLOCK_SECONDS = 0.2
BLOCKED_QUERIES = 3  # in a row; on a busy machine, or while it connects, the process also pauses when nothing blocks it


class Failures:
    """Moves messages whose handler failed or must not run now to another queue."""

    def __init__(self, service: str, publisher: Publisher) -> None:
        self._service, self._publisher = service, publisher
        self._is_logged = False  # that the broker does not answer

    def put_off(self, consumer: Consumer, message: BrokerMessage, problem: Exception) -> bool:
        """Publish a message to the queue of its next attempt, of poison messages or of dead events. Returns success."""
        queue = queue_of(self._service, consumer.name)
        if isinstance(problem, MayBePoison):
            return self._move(consumer, readdress(message, poison_queue(queue)))
        if is_outage(problem):
            # Only a poison message, which is fetched alone: other handlers keep the message in hand (`Outage`).
            return self._move(consumer, readdress(message, queue))
        attempts = _attempts(message)
        dead = attempts >= len(bus.BACKOFF_SECONDS) or _cannot_succeed(problem)
        target = dead_queue(queue) if dead else wait_queue(queue, bus.BACKOFF_SECONDS[attempts])
        log.warning(
            "handler_failed",
            extra={
                "handler": consumer.name,
                "event_id": message.message_id,
                "attempts": attempts + 1,
                "dead": dead,
            },
            exc_info=problem,
        )
        error = f"{type(problem).__name__}: {problem}"[:2000]
        return self._move(consumer, readdress(message, target, attempts=attempts + 1, error=error))

    def _move(self, consumer: Consumer, message: BrokerMessage) -> bool:
        try:
            stored = self._publisher.send([message], mandatory=True)[0]
        except Unavailable as outage:
            if not self._is_logged:
                log.warning("message_not_moved", extra={"handler": consumer.name, "why": str(outage)})
            self._is_logged = True
            return False
        self._is_logged = False
        return stored


class Outage:
    """Keeps messages in hand, unacknowledged and without an attempt, while the database is away or read-only.

    The broker sends at most HANDLERS_AT_ONCE messages of a queue that are not acknowledged, and keeps the others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: list[tuple[EventConsumer, Any]] = []
        self._stopping = threading.Event()

    def is_on(self) -> bool:
        return bool(self._kept)

    def keep(self, consumer: EventConsumer, message: Any, problem: BaseException | None = None) -> None:
        if problem is not None and not (self._kept or is_away(problem)):
            log.warning("handlers_wait", extra={"handler": consumer.consumer.name, "why": str(problem)})
        self._kept.append((consumer, message))

    def run(self) -> None:
        """Handle the kept messages when the database answers again, until `stop`."""
        while not self._stopping.wait(OUTAGE_SECONDS):
            if self._kept and self._database_answers():
                kept, self._kept = self._kept, []
                for consumer, message in kept:
                    consumer.spawn(message)

    def stop(self) -> None:
        """End `run`; the broker delivers the kept messages again when the connection ends."""
        self._stopping.set()

    def _database_answers(self) -> bool:
        try:
            with self._database.reading(system("worker")) as session:
                check_answers(session)
        except (Error, DBAPIError):
            return False
        return True


class RawQueueConsumer(QueueConsumer):  # type: ignore[misc]
    """nameko's consumer, with three differences.

    It declares the queues, it does not decode messages, and it goes on when the connection ends during an
    acknowledgement, because then the broker delivers the message again.
    """

    def get_consumers(self, consumer_cls: Any, channel: Any) -> Any:
        declare_events(channel)
        for provider in self._providers:
            declare_handler(channel, provider.service, provider.consumer, bus.BACKOFF_SECONDS)
            receive = partial(self.handle_message, provider, None)
            consumer = consumer_cls(
                queues=[provider.queue], on_message=receive, on_decode_error=_without_error(receive)
            )
            consumer.qos(prefetch_count=self.prefetch_count)
            self._consumers[provider] = consumer
        return self._consumers.values()

    def ack_message(self, message: Any) -> None:
        with suppress(*BROKER_ERRORS):
            super().ack_message(message)

    def requeue_message(self, message: Any) -> None:
        with suppress(*BROKER_ERRORS):
            super().requeue_message(message)


class EventConsumer(NamekoConsumer):  # type: ignore[misc]
    """One handler's queue. A message is acknowledged when its effect is committed or another queue has stored it."""

    queue_consumer = RawQueueConsumer()

    def __init__(
        self, service: str, consumer: Consumer, failures: Failures, poison_messages: PoisonMessages, outage: Outage
    ) -> None:
        self.service, self.consumer = service, consumer
        self._failures, self._poison_messages, self._outage = failures, poison_messages, outage
        super().__init__(queue=Queue(queue_of(service, consumer.name), no_declare=True))  # type: ignore[no-untyped-call]

    def handle_message(self, _body: None, message: Any) -> None:
        if self._outage.is_on():
            self._outage.keep(self, message)
        else:
            self.spawn(message)

    def spawn(self, message: Any) -> None:
        """Run the handler on a message in a green thread; wait while all are busy."""
        try:
            self.container.spawn_worker(
                self, (from_received(message),), {}, handle_result=partial(self.handle_result, message)
            )
        except ContainerBeingKilled:
            self.queue_consumer.requeue_message(message)

    def handle_result(self, message: Any, worker_ctx: Any, result: Any = None, exc_info: Any = None) -> Any:
        if exc_info is not None and is_outage(exc_info[1]):
            self._outage.keep(self, message, exc_info[1])
        elif exc_info is not None and not self._failures.put_off(self.consumer, from_received(message), exc_info[1]):
            # The message was neither handled nor moved, so the broker must keep it.
            time.sleep(PAUSE_SECONDS)
            self.queue_consumer.requeue_message(message)
        else:
            self.queue_consumer.ack_message(message)
            if exc_info is not None and isinstance(exc_info[1], MayBePoison):
                self._poison_messages.look()
        return result, exc_info


def worker_class(
    resources: Resources, turns: Turns, failures: Failures, poison_messages: PoisonMessages, outage: Outage
) -> type:
    """Build a nameko service whose entrypoints are the service's handlers."""
    methods = {
        consumer.name: EventConsumer.decorator(resources.service.name, consumer, failures, poison_messages, outage)(
            _method(resources, consumer, turns)
        )
        for consumer in resources.service.consumers
    }
    return type("Worker", (), {"name": resources.service.name, **methods})


def _method(resources: Resources, consumer: Consumer, turns: Turns) -> Callable[[Any, BrokerMessage], None]:
    def run(_worker: Any, message: BrokerMessage) -> None:
        refuse_poison(message)
        with turns.shared():
            run_handler(resources, consumer, message)

    return run


def run_handler(resources: Resources, consumer: Consumer, message: BrokerMessage) -> None:
    """Run a handler on a message. Raises the errors of `handle`."""
    handle(resources.database, [(consumer, event_of(message))])


def refuse_when_waiting_blocks(database: Database) -> None:
    """Refuse to start if a handler that waits for PostgreSQL would block the others. Raises RuntimeError."""
    if database.is_sqlite:
        return
    if psycopg.waiting.wait is not psycopg.waiting.wait_select:
        raise RuntimeError("psycopg was imported before PSYCOPG_WAIT_FUNC was set")
    longest: list[float] = []
    while len(longest) < BLOCKED_QUERIES:
        longest.append(longest_block(database))
        if longest[-1] <= LONGEST_BLOCK_SECONDS:
            return
    raise RuntimeError(f"a query blocks the other handlers ({min(longest):.2f} s)")


def longest_block(database: Database) -> float:
    """Return the longest time in seconds that the others wait for their turn during a query."""
    query = eventlet.spawn(_sleep_in_database, database)
    longest, before = 0.0, time.monotonic()
    while not query.dead:
        eventlet.sleep(0.01)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    query.wait()
    return longest


def _sleep_in_database(database: Database) -> None:
    with database.reading(system("worker")) as session:
        session.execute(text("SELECT pg_sleep(0.4)"))


def main(name: str, *, json_lines: bool = False) -> None:
    """Handle events until SIGTERM or SIGINT; then finish the running handlers."""
    settings = load_settings()
    service = load(name)
    telemetry.start(settings, f"{service.name}-work")
    # nameko's log of a handler's exception is off, because handler_failed has it.
    logging.getLogger("nameko.containers").setLevel(logging.CRITICAL)
    if known_scheme(settings.bus_url, bus.ADAPTERS) == "local":
        raise Invalid("WORKER_NEEDS_BROKER")
    database = service.open_database(settings, pool_size=HANDLERS_AT_ONCE + 2)
    database.check_revisions()
    refuse_when_waiting_blocks(database)
    publisher = Publisher(settings.bus_url)
    resources = Resources(settings=settings, database=database, service=service)
    # Imported by name, because chassis.operations.sampling imports chassis.bus.
    resolve("chassis.operations.sampling:watch")(resources, sampling_end := threading.Event())
    runner = ServiceRunner({"AMQP_URI": settings.bus_url, "max_workers": HANDLERS_AT_ONCE})
    turns, failures = Turns(), Failures(service.name, publisher)
    poison_messages = PoisonMessages(resources, turns, run=partial(run_handler, resources), put_off=failures.put_off)
    outage = Outage(database)
    runner.add_service(worker_class(resources, turns, failures, poison_messages, outage))

    def stop() -> None:
        poison_messages.stop()
        outage.stop()
        runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        # eventlet's hub runs signal handlers and must not wait, so `stop` runs in its own green thread.
        signal.signal(number, lambda *_: eventlet.spawn_n(stop))
    revisions.watch(database, lambda: eventlet.spawn_n(stop))
    runner.start()
    tune_gc()
    poison_thread = eventlet.spawn(poison_messages.run)
    outage_thread = eventlet.spawn(outage.run)
    names = [consumer.name for consumer in service.consumers]
    line = json_text({"service": service.name, "consumers": names}) if json_lines else f"{service.name}: {names}"
    print_text(line)
    _wait(runner)
    poison_messages.stop()
    poison_thread.wait()
    outage.stop()
    outage_thread.wait()
    sampling_end.set()
    publisher.close()
    database.close()
    telemetry.stop()
    if database.guard is not None:
        database.guard.raise_refusal()


def _wait(runner: Any) -> None:
    end = eventlet.spawn(runner.wait)
    while True:
        try:
            # Short sleeps, because an idle hub sleeps for a minute before it starts the green thread of a signal.
            while not end.dead:
                eventlet.sleep(0.5)
            end.wait()
        except OSError as problem:
            # A signal during the hub's wait raises EINTR here.
            if problem.errno != errno.EINTR:
                raise
        else:
            return


def _attempts(message: BrokerMessage) -> int:
    attempts = message.headers.get("attempts", 0)
    return attempts if isinstance(attempts, int) and attempts >= 0 else 0


def _cannot_succeed(problem: Exception) -> bool:
    return isinstance(problem, Invalid) and problem.reason == "EVENT_UNREADABLE"


def _without_error(receive: Callable[[Any], None]) -> Callable[[Any, Exception], None]:
    return lambda message, _problem: receive(message)


if __name__ == "__main__":
    try:
        main(sys.argv[1], json_lines="--json" in sys.argv)
    except Error as error:
        exit_with(error)
