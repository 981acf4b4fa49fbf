"""Workers: `python -m chassis.bus.nameko SERVICE` runs a service's handlers on the messages of the broker.

Run as the main module it makes sockets and waiting green before it imports anything else; imported, it never patches.
gRPC must not be imported in this process: under eventlet its calls hang.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # psycopg waits in C otherwise, and one waiting handler would hold up all the others.
    os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
    import warnings

    # nameko stands on eventlet; an operator can do nothing about its age.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import errno
import json
import logging
import signal
import time
from collections.abc import Callable
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

from chassis import bus, telemetry
from chassis.bus.amqp import (
    Letter,
    Publisher,
    dead_queue,
    declare_events,
    declare_handler,
    event_of,
    letter_from,
    moved_to,
    queue_of,
    wait_queue,
)
from chassis.bus.handling import handle
from chassis.context import system
from chassis.db import Database
from chassis.errors import Error, Invalid, Unavailable
from chassis.service import Consumer, Resources, load
from chassis.settings import load as load_settings
from chassis.urls import known_scheme
from chassis.wake import announce_commits

log = logging.getLogger(__name__)

AT_ONCE = 10
PAUSE_SECONDS = 1.0
LONGEST_STALL_SECONDS = 0.2
DEATHS_AT_MOST = 5


class WholeMessages(QueueConsumer):  # type: ignore[misc]
    """nameko's consumer with two differences: it declares the queues, and passes each message on undecoded."""

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


class FactConsumer(NamekoConsumer):  # type: ignore[misc]
    """One handler's queue. A message is acknowledged when its effect is committed or it is safe in another queue."""

    queue_consumer = WholeMessages()

    def __init__(self, service: str, consumer: Consumer, publisher: Publisher) -> None:
        self.service, self.consumer, self._publisher = service, consumer, publisher
        super().__init__(queue=Queue(queue_of(service, consumer.name), no_declare=True))  # type: ignore[no-untyped-call]

    def handle_message(self, _body: None, message: Any) -> None:
        try:
            self.container.spawn_worker(
                self, (letter_from(message),), {}, handle_result=partial(self.handle_result, message)
            )
        except ContainerBeingKilled:
            self.queue_consumer.requeue_message(message)

    def handle_result(self, message: Any, worker_ctx: Any, result: Any = None, exc_info: Any = None) -> Any:
        if exc_info is not None and not self._put_off(letter_from(message), exc_info[1]):
            # Neither handled nor stored in another queue: the broker keeps the message.
            time.sleep(PAUSE_SECONDS)
            self.queue_consumer.requeue_message(message)
        else:
            self.queue_consumer.ack_message(message)
        return result, exc_info

    def _put_off(self, letter: Letter, problem: Exception) -> bool:
        """Publish a message to the queue of its next attempt or of the dead. Returns whether it is stored."""
        attempts = _attempts(letter)
        dead = attempts >= len(bus.BACKOFF_SECONDS) or _cannot_succeed(problem)
        queue = queue_of(self.service, self.consumer.name)
        target = dead_queue(queue) if dead else wait_queue(queue, bus.BACKOFF_SECONDS[attempts])
        log.warning(
            "handler_failed",
            extra={
                "handler": self.consumer.name,
                "event_id": letter.message_id,
                "attempts": attempts + 1,
                "dead": dead,
            },
            exc_info=problem,
        )
        error = f"{type(problem).__name__}: {problem}"[:2000]
        moved = moved_to(target, letter, attempts=attempts + 1, error=error)
        try:
            return self._publisher.send([moved], mandatory=True)[0]
        except Unavailable as outage:
            log.warning("worker_waits", extra={"handler": self.consumer.name, "why": str(outage)})
            return False


def worker_class(resources: Resources, publisher: Publisher) -> type:
    """A nameko service whose entrypoints are the service's handlers."""
    methods = {
        consumer.name: FactConsumer.decorator(resources.service.name, consumer, publisher)(_method(resources, consumer))
        for consumer in resources.service.consumers
    }
    return type("Worker", (), {"name": resources.service.name, **methods})


def _method(resources: Resources, consumer: Consumer) -> Callable[[Any, Letter], None]:
    def run(_worker: Any, letter: Letter) -> None:
        event = event_of(letter)
        _refuse_deadly(letter)
        with telemetry.span(
            f"process {consumer.name}",
            kind="consumer",
            parent={"traceparent": event.traceparent},
            messaging_message_id=str(event.id),
        ):
            handle(resources.database, consumer, event)

    return run


def refuse_when_not_green(database: Database) -> None:
    """Refuse to start when a handler that waits for PostgreSQL would hold up the others. Raises RuntimeError."""
    if database.is_sqlite:
        return
    if psycopg.waiting.wait is not psycopg.waiting.wait_select:
        raise RuntimeError("psycopg was imported before PSYCOPG_WAIT_FUNC was set")
    waiting = eventlet.spawn(_sleep_in_database, database)
    longest, before = 0.0, time.monotonic()
    while not waiting.dead:
        eventlet.sleep(0.01)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    waiting.wait()
    if longest > LONGEST_STALL_SECONDS:
        raise RuntimeError(f"a query stalls the other handlers ({longest:.2f} s)")


def _sleep_in_database(database: Database) -> None:
    with database.reading(system("worker")) as session:
        session.execute(text("SELECT pg_sleep(0.4)"))


def main(name: str, *, json_lines: bool = False) -> None:
    """Work until SIGTERM or SIGINT; then finish the handlers that run."""
    settings = load_settings()
    service = load(name)
    telemetry.start(settings, f"{service.name}-work")
    # What a handler raised is logged once, as handler_failed.
    logging.getLogger("nameko.containers").setLevel(logging.CRITICAL)
    if known_scheme(settings.bus_url, bus.ADAPTERS) == "local":
        raise Invalid("WORKER_NEEDS_BROKER")
    database = service.open_database(settings, pool_size=AT_ONCE + 2)
    refuse_when_not_green(database)
    announce_commits(database)
    publisher = Publisher(settings.bus_url)
    resources = Resources(settings=settings, database=database, service=service)
    runner = ServiceRunner({"AMQP_URI": settings.bus_url, "max_workers": AT_ONCE})
    runner.add_service(worker_class(resources, publisher))
    for number in (signal.SIGTERM, signal.SIGINT):
        # The hub runs signal handlers; stopping waits, so it needs a green thread of its own.
        signal.signal(number, lambda *_: eventlet.spawn_n(runner.stop))
    runner.start()
    names = [consumer.name for consumer in service.consumers]
    line = json.dumps({"service": service.name, "consumers": names}) if json_lines else f"{service.name}: {names}"
    print(line, flush=True)
    _wait(runner)
    publisher.close()
    database.close()
    telemetry.stop()


def _wait(runner: Any) -> None:
    waiting = eventlet.spawn(runner.wait)
    while True:
        try:
            # An idle hub sleeps for a minute and would see a signal's green thread only then.
            while not waiting.dead:
                eventlet.sleep(0.5)
            waiting.wait()
        except OSError as problem:
            # A signal that comes while the hub waits surfaces here.
            if problem.errno != errno.EINTR:
                raise
        else:
            return


def _attempts(letter: Letter) -> int:
    attempts = letter.headers.get("attempts", 0)
    return attempts if isinstance(attempts, int) and attempts >= 0 else 0


def _cannot_succeed(problem: Exception) -> bool:
    return isinstance(problem, Invalid) and problem.reason in {"EVENT_UNREADABLE", "EVENT_DEADLY"}


def _refuse_deadly(letter: Letter) -> None:
    """Refuse a message whose worker died of it several times; quorum queues count its deliveries.

    raises  Invalid  EVENT_DEADLY
    """
    deaths = letter.headers.get("x-delivery-count", 0)
    if deaths >= DEATHS_AT_MOST:
        raise Invalid("EVENT_DEADLY", deaths=deaths)


def _without_error(receive: Callable[[Any], None]) -> Callable[[Any, Exception], None]:
    return lambda message, _problem: receive(message)


if __name__ == "__main__":
    try:
        main(sys.argv[1], json_lines="--json" in sys.argv)
    except Error as refusal:
        print(refusal.sentence.speak("id"), refusal.sentence.en, sep="\n", file=sys.stderr)
        sys.exit(3 if isinstance(refusal, Unavailable) else 2)
