"""Each recorded release goes on serving while this checkout migrates its databases; nothing is lost."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import MetaData, create_engine, select

from tests.builders import book, iso
from tests.conftest import CHECKOUT
from tests.journeys.library import QUERIES, eventually
from tests.journeys.releases import Program, Release, ReleaseUnavailable, recorded, unpack

# What running processes change by themselves, whoever migrates.
PASSING = {"leases", "searches", "index_queue", "outbox", "alembic_version"}
READY_SECONDS = 60
PAUSE_SECONDS = 0.05


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Settings of one machine: databases, index and local bus."""
    own = {"DATA": str(tmp_path / "var"), "HOST": "127.0.0.1", "PORT": "0", "RATE_LIMIT": "0"}
    return own | (request.getfixturevalue("postgres_template") if request.param == "postgresql" else {})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("release", recorded(), ids=lambda release: release.version)
def test_a_release_serves_while_its_databases_are_migrated(
    release: Release, settings: dict[str, str], tmp_path: Path
) -> None:
    old, new = Program(unpack(release, tmp_path / "release"), settings), Program(CHECKOUT, settings)
    with old.up() as address:
        assert old.run("sample", "load")["created"] > 500
        eventually(lambda: _total(address, "minangkabau") > 0, seconds=READY_SECONDS)
        rows = _rows(settings)
        with _readers(address) as failures:
            writing = _start_import(old, tmp_path, range(40))
            applied = new.run("migrate")["applied"]["catalog"]
            assert old.result(writing)["created"] == 40
            assert old.result(_start_import(old, tmp_path, range(40, 60)))["created"] == 20
        eventually(lambda: _total(address, "selasar") == 60, seconds=READY_SECONDS)
        assert failures == []
        assert applied[0].startswith("chassis/")
        _assert_kept(rows, _rows(settings))
        rows, answers = _rows(settings), _answers(address)
    with new.up() as address:
        eventually(lambda: _answers(address) == answers, seconds=READY_SECONDS)
        _assert_kept(rows, _rows(settings))


def test_a_shallow_clone_fetches_the_release(tmp_path: Path) -> None:
    clone, release = tmp_path / "clone", recorded()[0]
    unpack(release, tmp_path / "here")  # this checkout may be a shallow clone, too
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{CHECKOUT}", str(clone)], check=True, timeout=60)
    unpack(release, tmp_path / "release", repository=clone)
    assert (tmp_path / "release" / "pyproject.toml").exists()


def test_a_release_that_cannot_be_had_fails(tmp_path: Path) -> None:
    with pytest.raises(ReleaseUnavailable, match=r"release 0\.0\.1"):
        unpack(Release("0.0.1", "0" * 39 + "1"), tmp_path / "release")


def _start_import(program: Program, folder: Path, numbers: range) -> subprocess.Popen[bytes]:
    """Begin to import books of these numbers, which the word *selasar* finds."""
    path = folder / f"{numbers.start}.mrc"
    path.write_bytes(iso(book(f"r{number}", f"Selasar {number}") for number in numbers))
    return program.start("import", str(path), "--source", "UPGRADE")


def _get(address: str, path: str, **query: Any) -> Any:
    reply = httpx.get(f"{address}/api/v1{path}", params=query, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _total(address: str, query: str) -> int:
    total: int = _get(address, "/search", q=query)["total"]
    return total


def _answers(address: str) -> dict[str, Any]:
    """For each query: its total and the records' ids in their order; for its first record, title and items."""
    answers = {}
    for query in QUERIES:
        reply = _get(address, "/search", q=query, limit=50, sort="title")
        ids = [hit["id"] for hit in reply["hits"]]
        first = _get(address, f"/records/{ids[0]}") if ids else {}
        answers[query] = (reply["total"], ids, first.get("title"), len(first.get("items", ())))
    assert any(total for total, *_ in answers.values())
    return answers


@contextmanager
def _readers(address: str) -> Iterator[list[str]]:
    """Ask for pages and records as long as the block; gives the list to which failures are added."""
    stop, failures, counts = threading.Event(), [], [0, 0]  # type: ignore[var-annotated]
    record = _get(address, "/search", q="minangkabau")["hits"][0]["id"]
    paths = ("/api/v1/search?q=surau&facets=language", "/", f"/api/v1/records/{record}", "/api/v1/suggest?q=min")

    def read(number: int) -> None:
        with httpx.Client(base_url=address, timeout=20) as client:
            while not stop.wait(PAUSE_SECONDS):
                path = paths[counts[number] % len(paths)]
                try:
                    status = client.get(path).status_code
                except httpx.HTTPError as problem:
                    failures.append(f"{path}: {problem!r}")
                else:
                    failures.extend([f"{path}: {status}"] if status != 200 else [])
                counts[number] += 1

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert min(counts) > 10


def _rows(settings: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of the catalogue's database, except what running processes change by themselves."""
    template = settings.get("DATABASE_OWNER_URL", f"sqlite:///{settings['DATA']}/{{service}}.db")
    engine = create_engine(template.replace("{service}", "catalog"))
    metadata = MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
        rows = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.tables.values()
            if table.name not in PASSING
        }
    engine.dispose()
    assert rows["records"]
    return rows


def _assert_kept(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> None:
    """Each row is there with the values that it had; new columns and rows may have come."""
    for table, rows in before.items():
        columns = list(rows[0]) if rows else []
        gone = [column for column in columns if after[table] and column not in after[table][0]]
        assert not gone, f"{table}: columns {gone} are gone"
        kept = {tuple(row[column] for column in columns) for row in after[table]}
        lost = [row for row in rows if tuple(row.values()) not in kept]
        assert not lost, f"{table}: {len(lost)} of {len(rows)} rows lost or changed, such as {lost[0]}"
