"""A house where pantry and kitchen live: their databases, their relays, and their handlers at work."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import DEAD_ADAPTERS, DeadList, Event
from chassis.bus.amqp import AmqpBus, Publisher, declare_handler
from chassis.bus.local import Deliveries, LocalBus
from chassis.context import Context, system
from chassis.db import Database
from chassis.ids import new_id
from chassis.outbox import Relay, outbox
from chassis.service import Resources, Service
from chassis.settings import Settings, environment_with, load
from chassis.testing import migrated_database
from chassis.urls import open_url
from chassis.wake import open_wake
from tests import servers
from tests.toys.kitchen.service import SERVICE as KITCHEN
from tests.toys.kitchen.tables import faults, meals
from tests.toys.pantry.filling import fill
from tests.toys.pantry.service import SERVICE as PANTRY
from tests.toys.pantry.tables import uses

BACKOFF_SECONDS = (0.2, 0.2)
COOK = Context(institution="SOLOK", actor="amak")
CHECKOUT = Path(__file__).resolve().parents[2]


def drain(relay: Relay) -> int:
    """Publish until the outbox is empty or the bus takes no more; how many."""
    return sum(iter(relay.step, 0))


class House:
    """Pantry and kitchen on one bus; `at_work()` runs their relays and handlers."""

    def __init__(self, pantry: Resources, kitchen: Resources) -> None:
        self.pantry, self.kitchen = pantry, kitchen
        self.settings = pantry.settings
        self._tag = ""

    def begin_afresh(self) -> None:
        """For the next test in the same house: names of its own, nothing out of order, nobody dead."""
        self._tag = uuid.uuid4().hex[:8]
        self.stove_is_out(False)
        for name in ("pantry", "kitchen"):
            with self.open_dead(name) as dead:
                dead.drop([each.key for each in dead.find()])

    def named(self, name: str) -> str:
        return f"{name}{self._tag}"

    def on_bus(self, url: str) -> House:
        """The same house, reaching its bus by another way."""
        settings = self.settings.model_copy(update={"bus_url": url})
        return House(replace(self.pantry, settings=settings), replace(self.kitchen, settings=settings))

    @property
    def is_local(self) -> bool:
        return self.settings.bus_url == "local:"

    @contextmanager
    def open_bus(self) -> Iterator[LocalBus | AmqpBus]:
        bus = LocalBus([self.pantry, self.kitchen]) if self.is_local else AmqpBus(self.settings.bus_url)
        with closing(bus):
            yield bus

    def some_event(self, *, kind: str = "toys.v1.JarFilled", body: str = "{}") -> Event:
        return Event(new_id(), kind, body, "a", 1, COOK.institution, COOK.actor, clock.now())

    def declare(self) -> None:
        """Let the broker know who wants what, as workers that have run once do."""
        if not self.is_local:
            with closing(Publisher(self.settings.bus_url)) as publisher:
                for resident in (self.pantry, self.kitchen):
                    for consumer in resident.service.consumers:
                        declare_handler(publisher.channel(), resident.service.name, consumer, BACKOFF_SECONDS)

    def publish(self) -> None:
        with self.open_bus() as bus:
            drain(Relay(self.pantry.database, bus))

    @contextmanager
    def open_dead(self, name: str) -> Iterator[DeadList]:
        resident = self.kitchen if name == "kitchen" else self.pantry
        with closing(open_url(self.settings.bus_url, DEAD_ADAPTERS, resources=resident)) as dead:
            yield dead

    def fill(self, *names: str) -> None:
        with self.pantry.database.transaction(COOK) as session:
            for name in names:
                self.fill_in(session, name)

    def fill_in(self, session: Session, name: str) -> None:
        fill(session, self.named(name), context=COOK)

    def meals(self) -> list[str]:
        return self._names(self.kitchen.database, meals)

    def uses(self) -> list[str]:
        return self._names(self.pantry.database, uses)

    def cooks(self) -> list[tuple[str, str]]:
        with self.kitchen.database.reading(system("test")) as session:
            return [(row.institution, row.actor) for row in session.execute(select(meals))]

    def stove_is_out(self, out: bool) -> None:
        with self.kitchen.database.transaction(system("test")) as session:
            session.execute(delete(faults))
            if out:
                session.execute(insert(faults).values(name="stove"))

    def publish_again(self) -> None:
        """As after a relay that died between publishing and marking."""
        with self.pantry.database.transaction(system("test")) as session:
            session.execute(update(outbox).values(published_at=None))

    def unpublished(self) -> int:
        return self.unpublished_of(self.pantry)

    def unpublished_of(self, resident: Resources) -> int:
        with resident.database.reading(system("test")) as session:
            count = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            return session.execute(count).scalar_one()

    @contextmanager
    def at_work(self, *names: str) -> Iterator[None]:
        """Both relays in threads, and the handlers of these services (of both when none is named): in threads on the
        local bus, on RabbitMQ in worker processes, which are killed in the end (a gentle end takes seconds).
        """
        stop = threading.Event()
        self.declare()
        busy = [each for each in (self.pantry, self.kitchen) if each.service.name in (names or ("pantry", "kitchen"))]
        runs = [partial(self.run_relay, resident) for resident in (self.pantry, self.kitchen)]
        if self.is_local:
            runs += [partial(self.run_handlers, resident) for resident in busy]
        threads = [threading.Thread(target=run, args=(stop,)) for run in runs]
        workers = [] if self.is_local else [start_worker(resident) for resident in busy]
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

    def run_relay(self, resident: Resources, stop: threading.Event) -> None:
        with self.open_bus() as bus, closing(open_wake(resident.database)) as wake:
            Relay(resident.database, bus).run(stop, wake)

    def run_handlers(self, resident: Resources, stop: threading.Event) -> None:
        deliveries = Deliveries(resident, backoff=BACKOFF_SECONDS)
        with closing(open_wake(resident.database)) as wake, closing(deliveries):
            deliveries.run(stop, wake)

    def _names(self, database: Database, table: Any) -> list[str]:
        with database.reading(system("test")) as session:
            found = session.execute(select(table.c.name)).scalars()
            return sorted(name.removesuffix(self._tag) for name in found if name.endswith(self._tag))


@contextmanager
def settings_of(bus: str, folder: Path) -> Iterator[Settings]:
    """Settings for "local" (SQLite files in `folder`) or "amqp" (databases and a virtual host, dropped afterwards)."""
    if bus == "local":
        yield load({"DATA": str(folder)})
        return
    name = f"test_{uuid.uuid4().hex[:12]}"
    databases = [f"{name}_{service.name}" for service in (PANTRY, KITCHEN)]
    for each in databases:
        servers.create_database(each)
    yield load(
        {
            "DATABASE_URL": servers.database_url(f"{name}_{{service}}"),
            "DATABASE_OWNER_URL": servers.database_url(f"{name}_{{service}}", owner=True),
            "BUS_URL": servers.create_vhost(name),
        }
    )
    servers.drop_vhost(name)
    for each in databases:
        servers.drop_database(each)


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """A house on migrated databases of its own."""
    with ExitStack() as stack:
        residents = [
            Resources(settings=settings, database=stack.enter_context(_database(service, settings)), service=service)
            for service in (PANTRY, KITCHEN)
        ]
        yield House(*residents)


def _database(service: Service, settings: Settings) -> Any:
    return migrated_database(service, settings.database(service.name), owner_url=settings.database_owner(service.name))


def eventually(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until it holds, and fail when it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


# A worker is the module that runs in production, with short waits.
WORKER = """
import sys, chassis.bus
chassis.bus.BACKOFF_SECONDS = {backoff}
sys.argv = ["worker", {service!r}, "--json"]
import runpy
runpy.run_module("chassis.bus.nameko", run_name="__main__", alter_sys=True)
"""


def start_worker(resident: Resources, *, manifest: str = "", **more: str) -> subprocess.Popen[bytes]:
    """A `work` process of this service, in a session of its own, with `more` in its environment: wait_until_ready()."""
    manifest = manifest or f"tests.toys.{resident.service.name}.service:SERVICE"
    source = WORKER.format(backoff=BACKOFF_SECONDS, service=manifest)
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", source],
        env=environment_of(resident.settings, **more),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """For a child process with the same settings."""
    return environment_with(
        DATA=str(settings.data),
        DATABASE_URL=settings.database("{service}"),
        BUS_URL=settings.bus_url,
        LOG_FORMAT="json",
        **more,
    )


def wait_until_ready(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdout is not None
    assert worker.stdout.readline(), "the worker ended before it was ready"


def stop_workers(*workers: subprocess.Popen[bytes]) -> None:
    """Stop them as Kubernetes would; they must end well by themselves."""
    for worker in workers:
        worker.terminate()
    try:
        for worker in workers:
            worker.communicate(timeout=20)
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0] * len(workers)
