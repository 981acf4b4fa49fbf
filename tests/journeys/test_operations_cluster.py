"""The commands of docs/operations.md for PostgreSQL: back up, damage, restore; and its numbers of connections."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from chassis.database.table_access import SET_INSTITUTION, protect_rows
from chassis.ids import new_id
from tests import servers as development
from tests.builders import book, iso
from tests.conditions import eventually
from tests.journeys.library import search_results
from tests.journeys.test_operations_doc import START, STOP, english, sections
from tests.programs import BIN
from tests.servers import postgres, state
from tests.servers.cluster import SERVICES, Cluster

READY_SECONDS = 60
COMMAND_SECONDS = 120
THREADS = 4
PAUSE_SECONDS = 0.25
LATER = "zyxwvuts"  # a word of no record of the sample

pytestmark = [pytest.mark.timeout(600), pytest.mark.cluster]


class Installation:
    """A cluster whose tables belong to a role without privileges, as in production: it obeys row-level security."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(prefix=f"operations_{uuid.uuid4().hex[:8]}_")
        self.cluster.environment |= {"DATA": str(folder / "var"), "GRPC_THREADS": str(THREADS)}
        self.database = f"{self.cluster.prefix}catalog"
        self.owner = f"{self.cluster.prefix}owner"
        server = make_url(self.cluster.owner_url)
        self.cluster.owner_url = self.cluster.owner_url.replace(f"//{server.username}:", f"//{self.owner}:")
        self.environment = {
            **self.cluster.environment,
            "DATABASE_OWNER_URL": self.cluster.owner_url,
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        role = f"LOGIN CREATEDB NOSUPERUSER NOBYPASSRLS PASSWORD '{server.password}'"
        self.sql(f"CREATE ROLE {self.owner} {role}")
        # `migrate` makes the databases, which then belong to the role.
        self.cluster.run("migrate", DATABASE_OWNER_URL=self.cluster.owner_url)

    def sql(self, statement: str) -> None:
        """Run a statement as the administrator of the server."""
        postgres.sql(state.read("postgres"), statement)

    def remove(self) -> None:
        self.cluster.stop()
        self.cluster.remove()
        for service in SERVICES:
            development.drop_database(f"{self.cluster.prefix}{service}_replaced")
        self.sql(f"DROP ROLE {self.owner}")

    @contextmanager
    def connection(self, institution: str = "*") -> Iterator[Any]:
        """A transaction of the owner role."""
        engine = create_engine(self.cluster.owner_url.replace("{service}", "catalog"))
        try:
            with engine.begin() as connection:
                connection.execute(text(SET_INSTITUTION.format(":institution")), {"institution": institution})
                yield connection
        finally:
            engine.dispose()

    def protect_a_table(self) -> None:
        """Make a table whose rows only their institution reads, with a row of each of two."""
        with self.connection() as connection:
            connection.execute(text("CREATE TABLE letters (number INT PRIMARY KEY, institution_id UUID NOT NULL)"))
            protect_rows(Operations(MigrationContext.configure(connection)), "letters")
            for number in range(2):
                row = {"number": number, "institution": str(new_id())}
                connection.execute(text("INSERT INTO letters VALUES (:number, :institution)"), row)

    def letters(self, institution: str = "*") -> int:
        with self.connection(institution) as connection:
            count: int = connection.execute(text("SELECT count(*) FROM letters")).scalar_one()
            return count

    def connections(self, connection: Connection) -> int:
        """Count the connections of the database, over a connection of another one."""
        counted = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        count: int = connection.execute(counted, {"name": self.database}).scalar_one()
        return count

    def type(self, block: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a block, on the database and the folder of this test."""
        for place, ours in {
            "/var/backups/rangkiang": str(self.folder / "backups"),
            "rangkiang doctor": "{ rangkiang doctor || test $? -eq 1; }",
        }.items():
            block = block.replace(place, ours)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            env={**self.environment, **changes},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def start(self) -> None:
        self.cluster.start()

    def stop(self) -> None:
        self.cluster.stop()
        self.cluster.processes.clear()

    def get(self, path: str, **query: Any) -> Any:
        """JSON of the API."""
        response = httpx.get(f"{self.cluster.address}/api/v1{path}", params=query, timeout=20, verify=False)
        assert response.status_code == 200, response.text
        return response.json()

    def export(self) -> bytes:
        """Every record as it was imported."""
        result = self.type("rangkiang export --format marc --to all.mrc")
        assert result.returncode == 0, result.stderr
        return (self.folder / "all.mrc").read_bytes()

    def catalogue(self) -> dict[str, Any]:
        return search_results(self.get)

    def findings(self) -> dict[str, bool]:
        """Whether doctor finds each part well, asking the gateway as it does in a Pod."""
        result = self.type('rangkiang "doctor" --json || test $? -eq 1', PUBLIC_URL=self.cluster.address)
        assert result.returncode == 0, result.stderr
        return {finding["part"]: finding["ok"] for finding in json.loads(result.stdout.splitlines()[-1])["findings"]}

    def load(self, word: str, *, records: int) -> None:
        """Import books with a word and wait until searches find them."""
        path = self.folder / f"{word}.mrc"
        path.write_bytes(iso(book(f"r{number}", f"{word} {number}") for number in range(records)))
        result = self.type(f"rangkiang import {path} --source {word} --new-source")
        assert result.returncode == 0, result.stderr
        eventually(lambda: self.get("/search", q=word)["total"] == records, seconds=READY_SECONDS)


@pytest.fixture(scope="module")
def installation(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("operations"))
    try:
        running.protect_a_table()
        running.start()
        yield running
    finally:
        running.remove()


def test_the_page_restores_a_damaged_database_and_builds_its_index_again(installation: Installation) -> None:
    assert installation.type("rangkiang sample load").returncode == 0
    assert installation.letters() == 2
    assert installation.letters(str(new_id())) == 0, "the owner obeys row-level security"
    records, catalogue = installation.export(), installation.catalogue()
    done = []
    for kind, block in english():
        if kind == "machine":
            for line in block.splitlines():
                if line.startswith("kubectl") and line in STOP:
                    installation.stop()
                elif line.startswith("kubectl") and line in START:
                    installation.start()
        if kind != "cluster":
            continue
        if "rangkiang restore" in block:
            damage(installation)
        result = installation.type(block)
        assert result.returncode == 0, block + result.stdout[-2000:] + result.stderr[-2000:]
        if "rangkiang backup" in block:
            installation.load(LATER, records=20)
        done.append(block)
    assert len(done) == 4
    assert installation.export() == records
    eventually(lambda: installation.get("/search", q=LATER)["total"] == 0, seconds=READY_SECONDS)
    assert installation.catalogue() == catalogue
    assert installation.letters() == 2
    well = installation.findings()
    assert all(
        well[part] for part in ("catalog database", "catalog migrations", "catalog index", "gateway", "proxy")
    ), well


def test_a_backup_is_restored_on_a_server_that_has_only_the_roles_of_the_page(
    installation: Installation, tmp_path: Path
) -> None:
    installation.load("qzxvwjk", records=20)  # a word of no record, and more hits than a search completes
    backup = tmp_path / "backup"
    assert installation.type(f"rangkiang backup {backup}").returncode == 0
    section = sections()[1].partition("## Backup and restore: cluster edition")[2].partition("\n## ")[0]
    (statements,) = re.findall(r"^```sql\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    prefix = f"{installation.cluster.prefix}new_"
    server = make_url(installation.cluster.owner_url)
    created = statements.replace("rangkiang_", prefix).replace("…", str(server.password)).splitlines()
    here = server.set(username=f"{prefix}{{service}}", password=None, database=f"{prefix}{{service}}")
    owner = here.set(username=f"{prefix}owner", password=server.password)
    urls = {
        name: url.render_as_string(hide_password=False).replace("%7Bservice%7D", "{service}")
        for name, url in {"DATABASE_URL": here, "DATABASE_OWNER_URL": owner}.items()
    }
    try:
        for statement in created:
            installation.sql(statement)
        result = installation.type(f"rangkiang restore {backup}", **urls)
        assert result.returncode == 0, result.stderr
        role = here.set(username=f"{prefix}catalog", password=server.password, database=f"{prefix}catalog")
        engine = create_engine(role)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM records")).scalar_one() >= 20
        engine.dispose()
    finally:
        for service in SERVICES:
            development.drop_database(f"{prefix}{service}")
        for statement in created:
            installation.sql(f"DROP ROLE IF EXISTS {statement.split()[2]}")


def damage(installation: Installation) -> None:
    """Lose the records, the letters and the index."""
    with installation.connection() as connection:
        connection.execute(text("DROP TABLE records CASCADE"))
        connection.execute(text("DROP TABLE letters"))
    development.drop_indices(installation.cluster.prefix.replace("_", "-"))


def test_processes_take_no_more_connections_than_the_page_says(installation: Installation) -> None:
    table = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", sections()[1], re.MULTILINE))
    (more,) = re.findall(r"^`GRPC_THREADS` \+ (\d+) ", table["`serve`"])
    serve, command = THREADS + int(more), int(table["a command, such as `import`"])
    stop, are_open, most = threading.Event(), threading.Event(), [0]

    def search() -> None:
        with httpx.Client(base_url=installation.cluster.address, timeout=20, verify=False) as client:
            # All threads search at once; beside the command with pauses, because it needs the processors too.
            while not stop.wait(PAUSE_SECONDS if are_open.is_set() else 0):
                client.get("/api/v1/search", params={"q": f"sejarah {uuid.uuid4().hex[:4]}"})
                client.get("/api/v1/suggest", params={"q": "min"})

    def watch() -> None:
        engine = create_engine(development.database_url("postgres", owner=True), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            while not stop.wait(0.1):
                most[0] = max(most[0], installation.connections(connection))
        engine.dispose()

    threads = [threading.Thread(target=search) for _ in range(4 * THREADS)] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: most[0] >= THREADS, seconds=READY_SECONDS)
        alone = most[0]
        are_open.set()
        assert installation.type("rangkiang sample load").returncode == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert alone <= serve
    assert alone < most[0] <= serve + command
