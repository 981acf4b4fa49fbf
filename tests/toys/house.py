"""A house where pantry and kitchen live: their databases, their relays, and their handlers at work."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from chassis import clock
from chassis.bus import Event
from chassis.bus.amqp import AmqpBus
from chassis.bus.local import Deliveries, LocalBus
from chassis.context import Context, system
from chassis.db import Database
from chassis.ids import new_id
from chassis.outbox import Relay, outbox
from chassis.service import Resources, Service
from chassis.settings import Settings, environment_with
from chassis.testing import migrated_database
from chassis.wake import open_wake
from tests.toys.kitchen.service import SERVICE as KITCHEN
from tests.toys.kitchen.tables import faults, meals
from tests.toys.pantry.filling import fill
from tests.toys.pantry.service import SERVICE as PANTRY
from tests.toys.pantry.tables import uses

BACKOFF_SECONDS = (0.2, 0.2)
COOK = Context(institution="SOLOK", actor="amak")
CHECKOUT = Path(__file__).resolve().parents[2]


class House:
    """Pantry and kitchen on one bus; `at_work()` runs their relays and handlers."""

    def __init__(self, pantry: Resources, kitchen: Resources) -> None:
        self.pantry, self.kitchen = pantry, kitchen
        self.settings = pantry.settings

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

    def fill(self, *names: str) -> None:
        with self.pantry.database.transaction(COOK) as session:
            for name in names:
                fill(session, name, context=COOK)

    def meals(self) -> list[str]:
        return self._names(self.kitchen.database, meals)

    def uses(self) -> list[str]:
        return self._names(self.pantry.database, uses)

    def stove_is_out(self, out: bool) -> None:
        with self.kitchen.database.transaction(system("test")) as session:
            session.execute(insert(faults).values(name="stove") if out else delete(faults))

    def publish_again(self) -> None:
        """As after a relay that died between publishing and marking."""
        with self.pantry.database.transaction(system("test")) as session:
            session.execute(update(outbox).values(published_at=None))

    def unpublished(self) -> int:
        with self.pantry.database.reading(system("test")) as session:
            count = select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None))
            return session.execute(count).scalar_one()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with ExitStack() as stack:
            for resident in (self.pantry, self.kitchen):
                stack.enter_context(self._handlers(resident))
            for resident in (self.pantry, self.kitchen):
                stack.enter_context(self._relay(resident))
            yield

    @contextmanager
    def _relay(self, resident: Resources) -> Iterator[None]:
        with (
            self.open_bus() as bus,
            closing(open_wake(resident.database)) as wake,
            _thread(lambda stop: Relay(resident.database, bus).run(stop, wake)),
        ):
            yield

    @contextmanager
    def _handlers(self, resident: Resources) -> Iterator[None]:
        if self.is_local:
            deliveries = Deliveries(resident, backoff=BACKOFF_SECONDS)
            with closing(open_wake(resident.database)) as wake, _thread(lambda stop: deliveries.run(stop, wake)):
                yield
        else:
            worker = start_worker(resident)
            try:
                yield
            finally:
                stop_worker(worker)

    def _names(self, database: Database, table: Any) -> list[str]:
        with database.reading(system("test")) as session:
            return sorted(session.execute(select(table.c.name)).scalars())


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


# A worker is the module that runs in production, with short waits and perhaps a fault put in before it runs.
WORKER = """
import sys, chassis.bus
chassis.bus.BACKOFF_SECONDS = {backoff}
{prelude}
sys.argv = ["worker", {service!r}, "--json"]
import runpy
runpy.run_module("chassis.bus.nameko", run_name="__main__", alter_sys=True)
"""


def start_worker(resident: Resources, *, prelude: str = "") -> subprocess.Popen[bytes]:
    """A `work` process of this service that has said it is ready."""
    name = resident.service.name
    source = WORKER.format(backoff=BACKOFF_SECONDS, prelude=prelude, service=f"tests.toys.{name}.service:SERVICE")
    url = resident.settings.database(name)
    worker = subprocess.Popen(
        [sys.executable, "-c", source],
        env=environment_with(DATABASE_URL=url, BUS_URL=resident.settings.bus_url, LOG_FORMAT="json"),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline(), "the worker ended before it was ready"
    return worker


def stop_worker(worker: subprocess.Popen[bytes]) -> int:
    """Stop it as Kubernetes would. Returns its exit code."""
    worker.terminate()
    try:
        worker.communicate(timeout=20)
    finally:
        worker.kill()
    return worker.returncode


@contextmanager
def _thread(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
