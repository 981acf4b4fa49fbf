"""Imports as real processes into an empty store, on the adapters of either edition, and the checks after them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench import generate
from chassis.bus.outbox import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.settings import Settings, load
from services.catalog.formats import export
from services.catalog.index.installation import open_index_at
from services.catalog.index.matches import And
from services.catalog.index.port import Request
from services.catalog.index_queue import enqueue
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record as Marc
from services.catalog.search.search import search
from services.catalog.service import SERVICE
from services.catalog.settings import CatalogSettings
from services.catalog.tables import ImportRun, ImportSeen, IndexQueue, Item, Record
from tests import servers
from tests.builders import iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.migrated import copy_all, create_migrated
from tests.programs import run_command, start_program

SOURCE = "UJI"
ALL_RECORDS = And(())
SAMPLED = 20  # records that the check finds by ISBN


@dataclass
class Store:
    """Database, bus and index of one edition, and the settings of its processes."""

    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        return load(self.environment)

    @property
    def database_url(self) -> str:
        return self.settings.database("catalog")

    def start(self, *words: str, program: str = "", **changes: str) -> subprocess.Popen[bytes]:
        """Start a command in a new session, so that killing its group also kills its children."""
        return start_program(
            words,
            program=program,
            env={**self.environment, **changes},
            cwd=CHECKOUT,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def start_import(self, path: Path, **options: Any) -> subprocess.Popen[bytes]:
        return self.start("import", str(path), "--source", SOURCE, "--new-source", "--json", **options)

    def import_(self, path: Path, *, seconds: float = 100) -> dict[str, Any]:
        """Run an import to its end; return its last line."""
        return self.run("import", str(path), "--source", SOURCE, "--new-source", seconds=seconds)

    def run(self, *words: str, seconds: float = 100) -> dict[str, Any]:
        """Run a command to its end; return its last line."""
        result = run_command([*words, "--json"], environment=self.environment, folder=CHECKOUT, seconds=seconds)
        assert result.returncode == 0, result.stderr.decode()[-3000:]
        summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return summary


@contextmanager
def embedded(folder: Path) -> Iterator[Store]:
    """Make a store with SQLite and tantivy in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    store = Store(environment | {"DATA": str(folder / "var"), "PORT": "0"})
    copy_all(store.settings.data)
    yield store


@contextmanager
def cluster(folder: Path) -> Iterator[Store]:
    """Make a store with its own database, virtual host and index on the development servers."""
    name = f"fault_{uuid.uuid4().hex[:10]}"
    create_migrated(SERVICE, f"{name}_catalog")
    search = f"{servers.urls()['SEARCH_ROOT_URL']}/{name.replace('_', '-')}"
    environment = {
        **os.environ,
        "DATA": str(folder / "var"),
        "DATABASE_URL": servers.database_url(f"{name}_{{service}}"),
        "BUS_URL": servers.create_vhost(name),
        "SEARCH_URL": search,
    }
    try:
        yield Store(environment)
    finally:
        servers.drop_database(f"{name}_catalog")
        servers.drop_vhost(name)
        servers.drop_indices(name.replace("_", "-"))


def write_records(folder: Path, count: int) -> tuple[Path, list[Marc]]:
    """Write a file with this number of generated records; return its path and the records."""
    records = list(generate.records(count))
    path = folder / "koleksi.mrc"
    path.write_bytes(iso(records))
    return path, records


def assert_complete(store: Store, records: list[Marc]) -> None:
    """Assert that database and index have exactly these records and items, each once, and that no work is left."""
    database = Database(store.database_url, pool_size=2)
    try:
        exported = io.BytesIO()
        list(export.export(database, READER, to=exported, request=export.ExportRequest()))
        exported.seek(0)
        assert sorted(decode(frame).record.fingerprint() for frame in frames(exported)) == sorted(
            record.fingerprint() for record in records
        )
        with database.reading(READER) as session:
            numbers = set(session.scalars(select(Record.number)))
            assert session.scalar(select(func.count()).select_from(Item)) == sum(
                field[0] == "852" for record in records for field in record.fields
            )
            assert session.scalar(select(func.count()).select_from(IndexQueue)) == 0
            assert session.scalar(select(func.count()).select_from(ImportSeen)) == 0
            assert (
                session.scalar(select(func.count()).select_from(ImportRun).where(ImportRun.finished_at.is_(None))) == 0
            )
            events = session.execute(select(outbox.c.aggregate_id, outbox.c.version)).all()
            assert len(events) == len(set(events))
        with closing(open_index_at(store.settings.of(CatalogSettings).search, database)) as index:
            eventually(lambda: index.count() == len(records))
            result = index.search(Request(ALL_RECORDS, limit=len(records)))
            assert (result.total, set(result.numbers)) == (len(records), numbers)
            for record in records[:: max(1, len(records) // SAMPLED)]:
                hits = search(database, index, context=READER, query=f"isbn:{record.text('020', 'a')}").hits
                assert len(hits) == 1
    finally:
        database.close()


def wait_until_found(store: Store, count: int) -> None:
    """Wait until searches find this number of records: Elasticsearch finds a record half a second after its write."""
    with (
        closing(Database(store.database_url, pool_size=2)) as database,
        closing(open_index_at(store.settings.of(CatalogSettings).search, database)) as index,
    ):
        eventually(lambda: index.count() == count)


def queue_again(store: Store) -> None:
    """Put every record into the index queue again, as after an edit; the jobs of the import may have emptied it."""
    with (
        closing(Database(store.database_url, pool_size=2)) as database,
        database.transaction(system("test")) as session,
    ):
        rows = session.execute(select(Record.number, Record.version)).all()
        enqueue(session, [(row.number, row.version) for row in rows])


def session_of(leader: int) -> list[int]:
    """Ids of the processes in the session of this leader, which may have ended."""
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text().rpartition(") ")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if status[3] == str(leader) and status[0] != "Z":
                pids.append(int(folder.name))
    return pids


def command_of(pid: int) -> str:
    """Command line of a process; "" when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and every process of its session."""
    for pid in session_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
