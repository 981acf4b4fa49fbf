"""Kill processes of a library and of an installation of example services at random; check their data at the end.

A seed repeats the choices of delays, processes and rebuilds, but not the timing of the machine.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import Parse
from sqlalchemy import func, select, text

from bench import generate
from chassis.bus.amqp import UNROUTED_QUEUE, Publisher
from chassis.bus.outbox import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.index.installation import open_index_at
from services.catalog.index.rebuilds import index_fault
from services.catalog.marc.record import Record as Marc
from services.catalog.settings import CatalogSettings
from services.catalog.tables import IndexQueue, IndexRebuild, Record
from tests import servers
from tests.builders import iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.example_services.installation import (
    Installation,
    environment_of,
    open_installation,
    settings_of,
    start_worker,
)
from tests.example_services.stock.tables import articles
from tests.faults.imports import SOURCE, Store, assert_complete, cluster, embedded, kill_session, session_of
from tests.programs import start_program

EDITIONS = ("embedded", "cluster")
PAUSE_SECONDS = (0.2, 2.0)
# Published events have no body, so the database copies each event when it is written.
COPY_BODIES = {
    "sqlite": (
        "CREATE TABLE emitted AS SELECT type, body FROM outbox WHERE false",
        "CREATE TRIGGER emitted AFTER INSERT ON outbox BEGIN INSERT INTO emitted VALUES (NEW.type, NEW.body); END",
    ),
    "postgresql": (
        "CREATE TABLE emitted AS SELECT type, body FROM outbox WHERE false",
        "CREATE RULE emitted AS ON INSERT TO outbox DO ALSO INSERT INTO emitted VALUES (NEW.type, NEW.body)",
        "GRANT SELECT ON emitted TO PUBLIC",
    ),
}
REBUILDS = 0.1  # probability of an index rebuild before a kill
TIMEOUT_SECONDS = 150


@dataclass
class Part:
    """One running process and its children.

    was_hit  one of them was killed, so any exit code is correct
    """

    process: subprocess.Popen[bytes]
    log: Path
    was_hit: bool = False

    def log_end(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


class Soak:
    """A running edition whose processes are killed at random.

    records  number of records of an import; each further round imports them with changes
    """

    def __init__(self, store: Store, installation: Installation, folder: Path, *, seed: int, records: int) -> None:
        self.store, self.installation, self.folder = store, installation, folder
        self.killed: Counter[str] = Counter()
        self.rounds = 0
        self._random = random.Random(seed)
        self._books = list(generate.records(records))
        self._parts: dict[str, Part] = {}
        self._roles: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
            "import": self._import,
            "stock": lambda: self._example_service("stock"),
            "orders": lambda: self._example_service("orders"),
        }
        if installation.is_local:
            self._roles["up"] = self._up
        else:
            self._roles |= {
                "serve": lambda: self._serve("serve"),
                "replica": lambda: self._serve("replica"),
                "stock worker": lambda: self._worker("stock"),
                "orders worker": lambda: self._worker("orders"),
            }

    def run(self, kills: int, *, report: Callable[[str], None] = lambda _: None) -> None:
        """Kill this number of processes, wait until all work is done, and check the data."""
        self.installation.declare()
        self._copy_bodies()
        self._write_round()
        try:
            for kill in range(1, kills + 1):
                self._restart_ended()
                time.sleep(self._random.uniform(*PAUSE_SECONDS))
                if self._random.random() < REBUILDS and "rebuild" not in self._parts:
                    self._start("rebuild", lambda: self._command("rebuild", "index", "rebuild", "--json"))
                report(f"kill {kill}: {self._kill_one()}; import {self.rounds + 1}")
            self._finish_work()
        finally:
            for part in self._parts.values():
                kill_session(part.process)
        self._check_data()

    def _copy_bodies(self) -> None:
        url = self.store.database_url
        if not self.installation.is_local:
            url = servers.database_url(url.rpartition("/")[2], owner=True)
        with closing(Database(url, pool_size=1)) as database, database.transaction(system("test")) as session:
            for statement in COPY_BODIES["sqlite" if database.is_sqlite else "postgresql"]:
                session.execute(text(statement))

    def books(self, number: int) -> list[Marc]:
        """The records of one round, counted from 1."""
        return [
            Marc(
                book.leader,
                [[*f[:3], f"{f[3]} putaran {number}", *f[4:]] if f[0] == "245" else f for f in book.fields],
            )
            for book in self._books
        ]

    def _kill_one(self) -> str:
        """Kill one process of a random part; return its name."""
        pids_by_name = {name: sorted(session_of(part.process.pid)) for name, part in sorted(self._parts.items())}
        name = self._random.choice([name for name, pids in pids_by_name.items() if pids])
        part, pid = self._parts[name], self._random.choice(pids_by_name[name])
        part.was_hit = True
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        killed_name = name if pid == part.process.pid else f"child of {name}"
        self.killed[killed_name] += 1
        return killed_name

    def _restart_ended(self) -> None:
        """Start each part that has ended again, as its supervisor or operator would."""
        for name in [*self._roles, "rebuild"]:
            part = self._parts.get(name)
            if part is not None and part.process.poll() is None:
                continue
            if part is not None:
                self._handle_end(name, part)
            if name in self._roles:
                self._start(name, self._roles[name])

    def _handle_end(self, name: str, part: Part) -> None:
        code = part.process.returncode
        del self._parts[name]
        if name == "import" and code == 0:
            self.rounds += 1
            self._write_round()
        elif code != 0 or name not in ("import", "rebuild"):
            assert part.was_hit, f"{name} ended by itself with {code}: {part.log_end()}"

    def _finish_work(self) -> None:
        """Wait until the running import ends and index and bus have no work left."""
        start, last_round = time.monotonic(), self.rounds + 1
        while self.rounds < last_round or "rebuild" in self._parts:
            self._restart_ended()
            assert time.monotonic() - start < TIMEOUT_SECONDS, f"still running: {sorted(self._parts)}"
            time.sleep(0.05)
        # The next import has already begun: kill it and run it again; it continues where it was killed.
        kill_session(self._parts.pop("import").process)
        self.store.import_(self._file())
        self.rounds += 1
        with self._database() as database:
            eventually(lambda: self._count_waiting(database) == 0, seconds=TIMEOUT_SECONDS)

    def _count_waiting(self, database: Database) -> int:
        """The number of rows that wait for indexing, publishing or a rebuild."""
        with database.reading(READER) as session:
            return sum(
                session.scalar(query) or 0
                for query in (
                    select(func.count()).select_from(IndexQueue),
                    select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None)),
                    select(func.count()).select_from(IndexRebuild).where(IndexRebuild.finished_at.is_(None)),
                )
            )

    def _check_data(self) -> None:
        """Assert that database and index agree, each change was published once and each article became one order."""
        assert_complete(self.store, self.books(self.rounds))
        with self._database() as database:
            with closing(open_index_at(self.store.settings.of(CatalogSettings).search, database)) as index:
                assert index_fault(database, index) == ""
            with database.reading(READER) as session:
                assert set(session.scalars(select(Record.version))) == {self.rounds}
                ids = session.scalars(select(Record.id)).all()
                events = set(session.scalars(select(outbox.c.id)))
                emitted = text("SELECT body FROM emitted WHERE type = :type")
                bodies = session.scalars(emitted, {"type": RecordsChanged.DESCRIPTOR.full_name}).all()
        versions = [
            (record, version)
            for body in [Parse(body, RecordsChanged()) for body in bodies]
            for record, version in zip(body.record_ids, body.versions, strict=True)
        ]
        assert sorted(versions) == sorted((str(id_), version) for id_ in ids for version in range(1, self.rounds + 1))
        if not self.installation.is_local:
            assert {str(event) for event in events} <= self._published_ids()
        self._check_bus()

    def _check_bus(self) -> None:
        installation = self.installation
        received = installation._names(installation.stock.database, articles)
        assert received
        with installation.at_work():
            eventually(lambda: installation.reservations() == received, seconds=TIMEOUT_SECONDS)
        assert installation.placed() == received
        for name in ("stock", "orders"):
            with installation.open_dead(name) as dead_list:
                assert dead_list.find() == []

    def _published_ids(self) -> set[str]:
        """Ids of the events at the broker; they have no consumer, so all of them are in one queue."""
        ids = set()
        with closing(Publisher(self.store.settings.bus_url)) as publisher:
            channel = publisher.channel()
            while (message := channel.basic_get(UNROUTED_QUEUE, no_ack=True)) is not None:
                ids.add(str(message.properties["message_id"]))
        return ids

    @contextmanager
    def _database(self) -> Iterator[Database]:
        with closing(Database(self.store.database_url, pool_size=2)) as database:
            yield database

    def _file(self) -> Path:
        return self.folder / f"round{self.rounds + 1}.mrc"

    def _write_round(self) -> None:
        self._file().write_bytes(iso(self.books(self.rounds + 1)))

    def _start(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._parts[name] = Part(start(), self.folder / f"{name}.log")

    def _command(
        self, name: str, *words: str, program: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return start_program(
                words,
                program=program,
                env=environment or self.store.environment,
                cwd=CHECKOUT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _up(self) -> subprocess.Popen[bytes]:
        return self._command("up", "up", "--workers", "2", "--port", "0")

    def _serve(self, name: str) -> subprocess.Popen[bytes]:
        environment = {**self.store.environment, "GRPC_PORT": "0"}
        return self._command(name, "serve", "catalog", environment=environment)

    def _import(self) -> subprocess.Popen[bytes]:
        return self._command("import", "import", str(self._file()), "--source", SOURCE, "--new-source", "--json")

    def _example_service(self, name: str) -> subprocess.Popen[bytes]:
        environment = environment_of(self.installation.settings)
        program = "tests.example_services.service_process:main"
        return self._command(name, name, program=program, environment=environment)

    def _worker(self, name: str) -> subprocess.Popen[bytes]:
        return start_worker(self.installation.stock if name == "stock" else self.installation.orders)


@contextmanager
def soak(edition: str, folder: Path, *, seed: int, records: int) -> Iterator[Soak]:
    """Run an edition with its own store, bus and installation."""
    local = edition == "embedded"
    with (
        (embedded if local else cluster)(folder) as store,
        settings_of("local" if local else "amqp", folder / "example services") as settings,
        open_installation(settings) as installation,
    ):
        yield Soak(store, installation, folder, seed=seed, records=records)
