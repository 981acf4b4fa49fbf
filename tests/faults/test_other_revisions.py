"""Processes of this release beside a database of a newer release, or beside one that is not migrated."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, inspect, text

from chassis.service import discover
from services.catalog.service import SERVICE
from tests import servers
from tests.builders import book, iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT, fresh_name
from tests.migrated import copied_databases, copy_all
from tests.programs import run_command, start_program

pytestmark = pytest.mark.timeout(150)

NEWER = "9999"
# The command in a process that compares, with its workers, twice a second, not once a minute.
COMPARES_OFTEN = "tests.faults.frequent_comparisons:main"
WRITTEN = ("records", "leases", "job_runs", "import_runs", "outbox")


class Library:
    """Databases with the owner's role, and commands on them."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        self._environment = {
            **inherited, "DATA": str(folder / "var"), "PORT": "0", "GRPC_PORT": "0", "RATE_LIMIT": "0", **settings,
        }  # fmt: skip
        template = settings.get("DATABASE_OWNER_URL", f"sqlite:///{folder}/var/{{service}}.db")
        self.owner_url = template.replace("{service}", "catalog")

    def start(self, *words: str, program: str = "") -> subprocess.Popen[bytes]:
        words = (*words, "--json")
        return start_program(words, program=program, env=self._environment, cwd=CHECKOUT, stderr=subprocess.PIPE)

    def run(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run a command; return its exit code and its last line."""
        result = run_command([*words, "--json"], environment=self._environment, folder=CHECKOUT)
        return self._end(result.returncode, result.stdout.decode(), result.stderr.decode())

    @staticmethod
    def end_of(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
        output, errors = process.communicate(timeout=60)
        return Library._end(process.returncode, output.decode(), errors.decode())

    @staticmethod
    def _end(code: int, output: str, errors: str) -> tuple[int, dict[str, Any]]:
        assert "Traceback" not in errors, errors
        return code, json.loads(output.splitlines()[-1]) if output else {}

    def set_revision(self, revision: str) -> None:
        engine = create_engine(self.owner_url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        engine.dispose()

    def written(self) -> dict[str, int]:
        engine = create_engine(self.owner_url)
        with engine.connect() as connection:
            counts = {
                table: connection.scalar(text(f"SELECT count(*) FROM {table}"))
                for table in WRITTEN
                if inspect(connection).has_table(table)
            }
        engine.dispose()
        return counts


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)]


@pytest.fixture(params=KINDS)
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A library with migrated databases."""
    if request.param == "sqlite":
        copy_all(tmp_path / "var")
        yield Library(tmp_path, {})
        return
    request.getfixturevalue("servers")
    with copied_databases(discover()) as settings:
        yield Library(tmp_path, settings)


@pytest.fixture(params=KINDS)
def unmigrated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A library whose catalogue has an empty database."""
    if request.param == "sqlite":
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "catalog.db").touch()
        yield Library(tmp_path, {})
        return
    request.getfixturevalue("servers")
    name = fresh_name()
    servers.create_database(f"{name}_catalog")
    template = f"{name}_{{service}}"
    yield Library(
        tmp_path,
        {
            "DATABASE_URL": servers.database_url(template),
            "DATABASE_OWNER_URL": servers.database_url(template, owner=True),
        },
    )
    servers.drop_database(f"{name}_catalog")


def test_each_command_refuses_a_newer_database_before_it_writes(library: Library) -> None:
    (library.folder / "buku.mrc").write_bytes(iso([book("r1", "Selasar")]))
    library.set_revision(NEWER)
    before = library.written()
    for words in (
        ("import", str(library.folder / "buku.mrc"), "--source", "UJI", "--new-source"),
        ("migrate",),
        ("dead", "list", "--service", "catalog"),
        ("serve", "catalog"),
        ("up",),
    ):
        code, line = library.run(*words)
        assert (code, line["error"]["reason"]) == (3, "DATABASE_NEWER"), words
        assert f"catalog/{NEWER}" in line["error"]["sentence"]["id"]
    assert library.written() == before


@pytest.mark.parametrize("words", [("serve", "catalog"), ("up",)], ids=" ".join)
def test_a_running_process_ends_when_its_database_is_newer(library: Library, words: tuple[str, ...]) -> None:
    process = library.start(*words, program=COMPARES_OFTEN)
    assert process.stdout is not None
    assert process.stdout.readline()
    library.set_revision(NEWER)
    code, line = library.end_of(process)
    assert (code, line["error"]["reason"]) == (3, "DATABASE_NEWER")


def test_workers_of_a_newer_database_are_not_started_again(tmp_path: Path) -> None:
    copy_all(tmp_path / "var")
    library = Library(tmp_path, {})
    process = library.start("up", "--workers", "2")
    assert process.stdout is not None
    assert process.stdout.readline()
    library.set_revision(NEWER)
    workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, timeout=10)
    os.kill(int(workers.stdout.split()[0]), 9)
    code, line = library.end_of(process)
    assert (code, line["error"]["reason"]) == (3, "DATABASE_NEWER")


def test_a_worker_of_the_broker_refuses_a_newer_database(amqp_url: str, tmp_path: Path) -> None:
    with copied_databases([SERVICE]) as settings:
        library = Library(tmp_path, {**settings, "BUS_URL": amqp_url})
        library.set_revision(NEWER)
        code, line = library.run("work", "catalog")
    assert (code, line["error"]["reason"]) == (3, "DATABASE_NEWER")


def test_serve_is_not_ready_until_its_database_is_migrated(unmigrated: Library) -> None:
    library = unmigrated
    process = library.start("serve", "catalog")
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["grpc"]
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def status() -> Any:
                return stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status

            assert status() == health_pb2.HealthCheckResponse.NOT_SERVING
            assert library.written() == {}
            assert library.run("migrate", "catalog")[0] == 0
            eventually(lambda: status() == health_pb2.HealthCheckResponse.SERVING)
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=30)
