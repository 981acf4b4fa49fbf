"""A library and a house of toys at work, processes of theirs killed at random, and what must hold in the end.

Seeds make the same choices again: how long to wait, whom to kill, what to begin. The machine makes the rest.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import Parse
from sqlalchemy import func, select

from bench import generate
from chassis.bus.amqp import UNROUTED, Publisher
from chassis.context import READER
from chassis.db import Database
from chassis.outbox import outbox
from chassis.urls import open_url
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from services.catalog.index.port import ENGINES
from services.catalog.index.rebuilds import index_fault
from services.catalog.marc.record import Record as Marc
from services.catalog.settings import CatalogSettings
from services.catalog.tables import IndexQueue, IndexRebuild, Record
from tests.builders import iso
from tests.conftest import CHECKOUT
from tests.faults.imports import (
    RANGKIANG,
    SOURCE,
    Store,
    cluster,
    embedded,
    eventually,
    everything_is_there_once,
    session_of,
    stopped,
)
from tests.toys.house import House, environment_of, open_house, settings_of, start_worker
from tests.toys.pantry.tables import jars

EDITIONS = ("embedded", "cluster")
PAUSE_SECONDS = (0.2, 2.0)
REBUILDS = 0.1  # how often, before a kill, somebody wishes for a new index
PATIENCE_SECONDS = 150


@dataclass
class Part:
    """One process at work, and all that it starts.

    hit  one of them was killed, so it may end in any way
    """

    process: subprocess.Popen[bytes]
    log: Path
    hit: bool = False

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


class Soak:
    """One edition at work.

    records  of one import; each further round imports them changed
    """

    def __init__(self, store: Store, house: House, folder: Path, *, seed: int, records: int) -> None:
        self.store, self.house, self.folder = store, house, folder
        self.killed: Counter[str] = Counter()
        self.rounds = 0
        self._random = random.Random(seed)
        self._books = list(generate.records(records))
        self._parts: dict[str, Part] = {}
        self._roles: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
            "import": self._import,
            "pantry": lambda: self._toy("pantry"),
            "kitchen": lambda: self._toy("kitchen"),
        }
        if house.is_local:
            self._roles["up"] = self._up
        else:
            self._roles |= {
                "serve": lambda: self._serve("serve"),
                "replica": lambda: self._serve("replica"),
                "pantry worker": lambda: self._worker("pantry"),
                "kitchen worker": lambda: self._worker("kitchen"),
            }

    def run(self, kills: int, *, tell: Callable[[str], None] = lambda _: None) -> None:
        """Kill so many processes, then let everything come to rest, and look."""
        self.house.declare()
        self._write_round()
        try:
            for kill in range(1, kills + 1):
                self._keep_going()
                time.sleep(self._random.uniform(*PAUSE_SECONDS))
                if self._random.random() < REBUILDS and "rebuild" not in self._parts:
                    self._start("rebuild", lambda: self._command("rebuild", RANGKIANG, "index", "rebuild", "--json"))
                tell(f"kill {kill}: {self._kill_one()}; import {self.rounds + 1}")
            self._rest()
        finally:
            for part in self._parts.values():
                stopped(part.process)
        self._look()

    def books(self, number: int) -> list[Marc]:
        """The records of one round, counted from 1."""
        return [
            Marc(
                each.leader,
                [[*f[:3], f"{f[3]} putaran {number}", *f[4:]] if f[0] == "245" else f for f in each.fields],
            )
            for each in self._books
        ]

    def _kill_one(self) -> str:
        """Kill one process of one part, each part as likely as another; says which."""
        living = {name: sorted(session_of(part.process.pid)) for name, part in sorted(self._parts.items())}
        name = self._random.choice([name for name, processes in living.items() if processes])
        part, victim = self._parts[name], self._random.choice(living[name])
        part.hit = True
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        which = name if victim == part.process.pid else f"child of {name}"
        self.killed[which] += 1
        return which

    def _keep_going(self) -> None:
        """Whoever has ended is started again, as its supervisor or its operator would."""
        for name in [*self._roles, "rebuild"]:
            part = self._parts.get(name)
            if part is not None and part.process.poll() is None:
                continue
            if part is not None:
                self._ended(name, part)
            if name in self._roles:
                self._start(name, self._roles[name])

    def _ended(self, name: str, part: Part) -> None:
        code = part.process.returncode
        del self._parts[name]
        if name == "import" and code == 0:
            self.rounds += 1
            self._write_round()
        elif code != 0 or name not in ("import", "rebuild"):
            assert part.hit, f"{name} ended by itself with {code}: {part.last_words()}"

    def _rest(self) -> None:
        """The import under way ends; index and bus come to rest."""
        begun, last = time.monotonic(), self.rounds + 1
        while self.rounds < last or "rebuild" in self._parts:
            self._keep_going()
            assert time.monotonic() - begun < PATIENCE_SECONDS, f"no end of {sorted(self._parts)}"
            time.sleep(0.05)
        # The next one has begun by now; it is given again, and goes on where it was killed.
        stopped(self._parts.pop("import").process)
        self.store.import_(self._file())
        self.rounds += 1
        with self._database() as database:
            eventually(lambda: self._waiting(database) == 0, seconds=PATIENCE_SECONDS)

    def _waiting(self, database: Database) -> int:
        """Rows that somebody has to do something about."""
        with database.reading(READER) as session:
            return sum(
                session.scalar(each) or 0
                for each in (
                    select(func.count()).select_from(IndexQueue),
                    select(func.count()).select_from(outbox).where(outbox.c.published_at.is_(None)),
                    select(func.count()).select_from(IndexRebuild).where(IndexRebuild.finished_at.is_(None)),
                )
            )

    def _look(self) -> None:
        """Database and index agree; every change was told of once, and every jar became one meal."""
        everything_is_there_once(self.store, self.books(self.rounds))
        with self._database() as database:
            with closing(open_url(self.store.settings.of(CatalogSettings).search, ENGINES)) as index:
                assert index_fault(database, index) == ""
            with database.reading(READER) as session:
                assert set(session.scalars(select(Record.version))) == {self.rounds}
                ids = session.scalars(select(Record.id)).all()
                facts = session.execute(select(outbox)).all()
        told = [
            (record, version)
            for fact in facts
            for body in [Parse(fact.body, RecordsChanged())]
            for record, version in zip(body.record_ids, body.versions, strict=True)
        ]
        assert sorted(told) == sorted((str(each), version) for each in ids for version in range(1, self.rounds + 1))
        if not self.house.is_local:
            assert {str(fact.id) for fact in facts} <= self._arrived()
        self._look_at_the_toys()

    def _look_at_the_toys(self) -> None:
        house = self.house
        filled = house._names(house.pantry.database, jars)
        assert filled
        with house.at_work():
            eventually(lambda: house.uses() == filled, seconds=PATIENCE_SECONDS)
        assert house.meals() == filled
        for name in ("pantry", "kitchen"):
            with house.open_dead(name) as dead:
                assert dead.find() == []

    def _arrived(self) -> set[str]:
        """Ids of the facts that the broker has; nobody wants them, so they are all in one queue."""
        found = set()
        with closing(Publisher(self.store.settings.bus_url)) as publisher:
            channel = publisher.channel()
            while (message := channel.basic_get(UNROUTED, no_ack=True)) is not None:
                found.add(str(message.properties["message_id"]))
        return found

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

    def _command(self, name: str, *words: str, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                words,
                env=environment or self.store.environment,
                cwd=CHECKOUT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _up(self) -> subprocess.Popen[bytes]:
        return self._command("up", RANGKIANG, "up", "--workers", "2", "--port", "0")

    def _serve(self, name: str) -> subprocess.Popen[bytes]:
        environment = {**self.store.environment, "GRPC_PORT": "0"}
        return self._command(name, RANGKIANG, "serve", "catalog", environment=environment)

    def _import(self) -> subprocess.Popen[bytes]:
        return self._command("import", RANGKIANG, "import", str(self._file()), "--source", SOURCE, "--json")

    def _toy(self, name: str) -> subprocess.Popen[bytes]:
        environment = environment_of(self.house.settings)
        return self._command(name, sys.executable, "-m", "tests.toys.living", name, environment=environment)

    def _worker(self, name: str) -> subprocess.Popen[bytes]:
        return start_worker(self.house.pantry if name == "pantry" else self.house.kitchen)


@contextmanager
def soak(edition: str, folder: Path, *, seed: int, records: int) -> Iterator[Soak]:
    """An edition with a store, a bus and a house of its own."""
    local = edition == "embedded"
    with (
        (embedded if local else cluster)(folder) as store,
        settings_of("local" if local else "amqp", folder / "toys") as settings,
        open_house(settings) as house,
    ):
        yield Soak(store, house, folder, seed=seed, records=records)
