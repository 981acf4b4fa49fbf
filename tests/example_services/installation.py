"""An installation of two services, stock and orders: their databases, relays and handlers."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import DEAD_ADAPTERS, DeadList, Event
from chassis.bus.amqp import AmqpBus, Publisher, declare_handler
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.bus.outbox import Relay, outbox, unpublished
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.ids import new_id
from chassis.operations.testing import migrated_database
from chassis.service import Resources, Service
from chassis.settings import Settings, environment_with, load
from chassis.urls import open_url
from tests import servers
from tests.example_services.orders.service import SERVICE as ORDERS
from tests.example_services.orders.tables import faults, placed_orders
from tests.example_services.stock.receiving import receive
from tests.example_services.stock.service import SERVICE as STOCK
from tests.example_services.stock.tables import reservations
from tests.migrated import MigratedDatabases, copied_databases
from tests.programs import start_program

BACKOFF_SECONDS = (0.2, 0.2)
CLERK = Context(institution="SOLOK", actor="amak")
CHECKOUT = Path(__file__).resolve().parents[2]


def drain(relay: Relay) -> int:
    """Publish until the outbox is empty or the bus refuses; return the number of published events."""
    return sum(iter(relay.step, 0))


class Installation:
    """Stock and orders on one bus; `at_work()` runs their relays and handlers."""

    def __init__(self, stock: Resources, orders: Resources) -> None:
        self.stock, self.orders = stock, orders
        self.settings = stock.settings
        self._tag = ""
        self._emitted: dict[UUID, str] = {}

    def begin_afresh(self) -> None:
        """Prepare for the next test in the same installation: new names, no faults, no dead events."""
        self._tag = uuid.uuid4().hex[:8]
        self.break_orders(False)
        for name in ("stock", "orders"):
            with self.open_dead(name) as dead_list:
                dead_list.drop([event.key for event in dead_list.find()])

    def named(self, name: str) -> str:
        return f"{name}{self._tag}"

    def on_bus(self, url: str) -> Installation:
        """The same installation with another address of its bus."""
        settings = self.settings.model_copy(update={"bus_url": url})
        return Installation(replace(self.stock, settings=settings), replace(self.orders, settings=settings))

    @property
    def is_local(self) -> bool:
        return self.settings.bus_url == "local:"

    @contextmanager
    def open_bus(self) -> Iterator[LocalBus | AmqpBus]:
        bus = LocalBus([self.stock, self.orders]) if self.is_local else AmqpBus(self.settings.bus_url)
        with closing(bus):
            yield bus

    def some_event(self, *, kind: str = "examples.v1.ArticleReceived", body: str = "{}") -> Event:
        return Event(new_id(), kind, body, "a", 1, CLERK.institution, CLERK.actor, clock.now())

    def declare(self) -> None:
        """Declare the queues of the handlers, as workers do at their start."""
        if not self.is_local:
            with closing(Publisher(self.settings.bus_url)) as publisher:
                for resources in (self.stock, self.orders):
                    for consumer in resources.service.consumers:
                        declare_handler(publisher.channel(), resources.service.name, consumer, BACKOFF_SECONDS)

    def publish(self) -> None:
        with self.open_bus() as bus:
            drain(Relay(self.stock.database, bus))

    @contextmanager
    def open_dead(self, name: str) -> Iterator[DeadList]:
        resources = self.orders if name == "orders" else self.stock
        with closing(open_url(self.settings.bus_url, DEAD_ADAPTERS, resources=resources)) as dead_list:
            yield dead_list

    def receive(self, *names: str) -> None:
        with self.stock.database.transaction(CLERK) as session:
            for name in names:
                self.receive_in(session, name)
            self._emitted |= {event.id: event.body for event in unpublished(session, limit=1000)}

    def receive_in(self, session: Session, name: str) -> None:
        receive(session, self.named(name), context=CLERK)

    def placed(self) -> list[str]:
        return self._names(self.orders.database, placed_orders)

    def reservations(self) -> list[str]:
        return self._names(self.stock.database, reservations)

    def clerks(self) -> list[tuple[str, str]]:
        with self.orders.database.reading(system("test")) as session:
            return [(row.institution, row.actor) for row in session.execute(select(placed_orders))]

    def break_orders(self, is_broken: bool) -> None:
        with self.orders.database.transaction(system("test")) as session:
            session.execute(delete(faults))
            if is_broken:
                session.execute(insert(faults).values(name="fault"))

    def publish_again(self) -> None:
        """Mark all events as unpublished, as if a relay had ended between publishing and marking."""
        with self.stock.database.transaction(system("test")) as session:
            for event_id, body in self._emitted.items():
                session.execute(update(outbox).where(outbox.c.id == event_id).values(published_at=None, body=body))

    def unpublished(self) -> int:
        return self.unpublished_of(self.stock)

    def unpublished_of(self, resources: Resources) -> int:
        with resources.database.reading(system("test")) as session:
            count = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            return session.execute(count).scalar_one()

    @contextmanager
    def at_work(self, *names: str) -> Iterator[None]:
        """Run both relays in threads, and the handlers of these services (by default of both): in threads on the
        local bus, on RabbitMQ in worker processes, which are killed at the end (a graceful end takes seconds).
        """
        stop = threading.Event()
        self.declare()
        active = [
            candidate
            for candidate in (self.stock, self.orders)
            if candidate.service.name in (names or ("stock", "orders"))
        ]
        loops = [partial(self.run_relay, resources) for resources in (self.stock, self.orders)]
        if self.is_local:
            loops += [partial(self.run_handlers, resources) for resources in active]
        threads = [threading.Thread(target=loop, args=(stop,)) for loop in loops]
        workers = [] if self.is_local else [start_worker(resources) for resources in active]
        try:
            for worker in workers:
                wait_until_ready(worker)
            for thread in threads:
                thread.start()
            yield
        finally:
            stop.set()
            for worker in workers:
                worker.kill()
                worker.communicate()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def run_relay(self, resources: Resources, stop: threading.Event) -> None:
        with self.open_bus() as bus:
            Relay(resources.database, bus).run(stop)

    def run_handlers(self, resources: Resources, stop: threading.Event) -> None:
        with closing(Deliveries(resources, backoff=BACKOFF_SECONDS)) as deliveries:
            deliveries.run(stop)

    def _names(self, database: Database, table: Any) -> list[str]:
        with database.reading(system("test")) as session:
            names = session.execute(select(table.c.name)).scalars()
            return sorted(name.removesuffix(self._tag) for name in names if name.endswith(self._tag))


@contextmanager
def installation_of(bus: str, folder: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    """An open installation on "local" or "amqp", migrated and empty; a process of tests opens one at a time."""
    with ExitStack() as stack:
        if bus == "local":
            kind, settings = "sqlite", load({"DATA": str(folder)})
        else:
            name = f"test_{uuid.uuid4().hex[:12]}"
            kind, settings = "postgresql", load({**migrated.urls(), "BUS_URL": servers.create_vhost(name)})
            stack.callback(servers.drop_vhost, name)
        yield Installation(
            *(
                Resources(
                    settings=settings,
                    database=stack.enter_context(migrated.open(service, kind, folder)),
                    service=service,
                )
                for service in (STOCK, ORDERS)
            )
        )


@contextmanager
def settings_of(bus: str, folder: Path, *, is_empty: bool = False) -> Iterator[Settings]:
    """Settings for "local" (SQLite files in `folder`) or "amqp" (databases and a virtual host, dropped afterwards).

    is_empty  the databases have no tables, so that a backup can be restored into them
    """
    if bus == "local":
        yield load({"DATA": str(folder)})
        return
    name = f"test_{uuid.uuid4().hex[:12]}"
    with copied_databases((STOCK, ORDERS), is_empty=is_empty) as urls:
        yield load({**urls, "BUS_URL": servers.create_vhost(name)})
        servers.drop_vhost(name)


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """Open an installation on its own migrated databases."""
    with ExitStack() as stack:
        all_resources = [
            Resources(settings=settings, database=stack.enter_context(_database(service, settings)), service=service)
            for service in (STOCK, ORDERS)
        ]
        yield Installation(*all_resources)


def _database(service: Service, settings: Settings) -> Any:
    return migrated_database(service, settings.database(service.name), owner_url=settings.database_owner(service.name))


def eventually(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until the condition holds; fail after the timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)


def start_worker(
    resources: Resources, *, manifest: str = "", backoff: Sequence[float] = BACKOFF_SECONDS, **variables: str
) -> subprocess.Popen[bytes]:
    """Start a `work` process of this service in a new session, with short delays and more environment variables."""
    manifest = manifest or f"tests.example_services.{resources.service.name}.service:SERVICE"
    environment = environment_of(resources.settings, **variables)
    words = [manifest, ",".join(map(str, backoff))]
    return start_program(
        words, program="tests.example_services.worker:main", env=environment, cwd=CHECKOUT, start_new_session=True
    )


def environment_of(settings: Settings, **variables: str) -> dict[str, str]:
    """The environment of a child process with the same settings."""
    return environment_with(
        DATA=str(settings.data),
        DATABASE_URL=settings.database("{service}"),
        BUS_URL=settings.bus_url,
        LOG_FORMAT="json",
        **variables,
    )


def wait_until_ready(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline(), "the worker ended before it was ready"


def stop_workers(*workers: subprocess.Popen[bytes]) -> None:
    """Stop workers with SIGTERM, as Kubernetes does; each must end with exit code 0."""
    for worker in workers:
        worker.terminate()
    try:
        for worker in workers:
            worker.communicate(timeout=20)
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0] * len(workers)
