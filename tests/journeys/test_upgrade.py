"""Each recorded release serves while this checkout migrates its databases, and the last one runs beside it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Engine, MetaData, create_engine, select, text

from services.catalog.works.keys import RULES
from tests.builders import book, iso
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.journeys.library import QUERIES
from tests.journeys.releases import (
    Program,
    Release,
    ReleaseUnavailable,
    recorded_releases,
    unpack,
    upgraded_releases,
)

# Tables that running processes change at any time, and those of revisions.
VOLATILE_TABLES = {
    *("leases", "job_runs", "searches", "index_queue", "outbox"),
    *("alembic_version", "chassis_revision", "schema_support"),
}
# What jobs of this checkout write in rows of an older release: works by the rules of now, and how items are used.
COMPLETED_COLUMNS = {
    "installation": {"works_rules", "regrouped"},
    "records": {"work_number", "work_keys", "version"},
    "items": {"access", "told", "version", "changed_at"},
}
REGROUPED_TABLES = {"work_keys"}
# Without the queries that find more than in an older release: a class without `class:`.
SAME_QUERIES = tuple(query for query in QUERIES if query != "2X4")
READY_SECONDS = 120
PAUSE_SECONDS = 0.05


@pytest.fixture(scope="module")
def sources_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Release], Path]:
    """Unpacks a release once for all tests; its bytecode is there for the next ones."""

    @cache
    def unpacked(release: Release) -> Path:
        return unpack(release, tmp_path_factory.mktemp("release"))

    return unpacked


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Settings of one machine: databases, index and local bus."""
    variables = {"DATA": str(tmp_path / "var"), "HOST": "127.0.0.1", "PORT": "0", "RATE_LIMIT": "0"}
    return variables | (request.getfixturevalue("postgres_template") if request.param == "postgresql" else {})


@pytest.fixture(params=["embedded", pytest.param("cluster", marks=pytest.mark.servers)])
def edition(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Settings of one edition: the cluster has PostgreSQL, RabbitMQ and Elasticsearch."""
    variables = {"DATA": str(tmp_path / "var"), "HOST": "127.0.0.1", "PORT": "0", "RATE_LIMIT": "0"}
    if request.param == "embedded":
        return variables
    return (
        variables
        | request.getfixturevalue("postgres_template")
        | {
            "BUS_URL": request.getfixturevalue("amqp_url"),
            "SEARCH_URL": request.getfixturevalue("elasticsearch_url"),
        }
    )


# The oldest applies every revision on either database. What the newest writes and reads on SQLite is tested below.
OLDEST, *NEWEST = upgraded_releases()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("release", "settings"),
    [
        (OLDEST, "sqlite"),
        *(pytest.param(release, "postgresql", marks=pytest.mark.servers) for release in (OLDEST, *NEWEST)),
    ],
    indirect=["settings"],
    ids=lambda value: getattr(value, "version", value),
)
def test_a_release_serves_while_its_databases_are_migrated(
    release: Release, sources_of: Callable[[Release], Path], settings: dict[str, str], tmp_path: Path
) -> None:
    sources = sources_of(release)
    old_program, new_program = Program(sources, settings), Program(CHECKOUT, settings)
    with old_program.up() as address:
        sample = old_program.run("sample", "load")
        assert sample["created"] > 500
        eventually(lambda: _total(address, "minangkabau") > 0, seconds=READY_SECONDS)
        if lent := sample.get("added", {}).get("loans"):  # their events change the holdings of records
            eventually(lambda: _lent_items(settings) == lent, seconds=READY_SECONDS)
        rows = _rows(settings)
        with _readers(address) as failures:
            import_process = old_program.start(*_import(tmp_path, range(40), by=release))
            applied = new_program.run("migrate")["applied"]["catalog"]
            assert old_program.result(import_process)["created"] == 40
            assert old_program.run(*_import(tmp_path, range(40, 60)))["created"] == 20
        eventually(lambda: _total(address, "selasar") == 60, seconds=READY_SECONDS)
        assert failures == []
        assert applied == sorted(_revisions(CHECKOUT) - _revisions(sources), key=_platform_first)
        _assert_kept(rows, _rows(settings))
        rows, results = _rows(settings), _results(address)
    with new_program.up() as address:
        eventually(lambda: _is_complete(settings), seconds=READY_SECONDS)
        # A comparison ends at the first query that differs.
        eventually(lambda: all(_result(address, query) == results[query] for query in results), seconds=READY_SECONDS)
        _assert_kept(_lasting(rows), _rows(settings))


@pytest.mark.timeout(300)
def test_the_release_before_runs_beside_this_one(
    sources_of: Callable[[Release], Path], edition: dict[str, str], tmp_path: Path
) -> None:
    """In a rolling upgrade both read what the other wrote, and write over it."""
    release = recorded_releases()[-1]
    old_program = Program(sources_of(release), edition)
    new_program = Program(CHECKOUT, edition)
    with old_program.up() as old_address, new_program.up() as new_address:
        for first, second, start in ((old_program, new_program, 0), (new_program, old_program, 30)):
            maker = None if start else release
            created = first.run(*_import(tmp_path, range(start, start + 30), by=maker))
            assert created["created"] == 30
            same = second.run(*_import(tmp_path, range(start, start + 30)))
            assert (same["created"], same["updated"]) == (0, 0)
            changed = second.run(*_import(tmp_path, range(start, start + 10), word="Serambi"))
            assert (changed["created"], changed["updated"]) == (0, 10)
        records = _record_ids(edition)
        assert len(records) == 60
        for record in records:
            old_page, new_page = _get(old_address, f"/records/{record}"), _get(new_address, f"/records/{record}")
            assert old_page["record"]["title"].startswith(("Selasar", "Serambi"))
            # A newer release may say more.
            assert {name: new_page[name] for name in old_page} == old_page
        exports = []
        for program in (old_program, new_program):
            path = tmp_path / f"{len(exports)}.mrc"
            program.run("export", "--to", str(path))
            exports.append(path.read_bytes())
        assert exports[0] == exports[1]
        assert exports[0].count(b"Serambi") == 20
        for address in (old_address, new_address):
            eventually(lambda address=address: _total(address, "serambi") == 20, seconds=READY_SECONDS)


@pytest.mark.timeout(300)
def test_members_lending_and_notices_of_the_release_before_run_beside_this_one(
    sources_of: Callable[[Release], Path], edition: dict[str, str]
) -> None:
    """A member of one release borrows and returns at desks of both; each shows what the other did."""
    old_program = Program(sources_of(recorded_releases()[-1]), edition)
    new_program = Program(CHECKOUT, edition)
    with old_program.up() as old_address:
        assert old_program.run("sample", "load")["created"] > 500
        secret = old_program.run("client", "create", "desk", "--institution", "PKS", "--role", "administrator")
        with new_program.up() as new_address:
            desks = [_desk(address, secret) for address in (old_address, new_address)]
            for number, (first, second) in enumerate((desks, desks[::-1])):
                name = f"Rolling {number}"
                member = {"name": name, "category": "umum", "sex": "female", "birth_date": "1990-01-31"}
                registered = _post(first, "/members", member, status=201)["id"]
                eventually(lambda s=second, n=name: _names(s, n) == [n], seconds=READY_SECONDS)
                item = {"item": ITEMS[number]}
                lent = {**item, "member": registered, "branch": BRANCH[second is desks[1]]}
                loan = _post(second, "/check-outs", lent, status=201)["loan"]
                assert first.get("/loans", params={"item": ITEMS[number]}).json()["hits"][0]["id"] == loan["id"]
                assert (
                    _post(first, "/check-ins", {**item, "branch": BRANCH[first is desks[1]]})["loan"]["id"]
                    == loan["id"]
                )
                assert second.get("/loans", params={"item": ITEMS[number]}).json()["hits"] == []
            for desk in desks:
                assert desk.get("/notices").status_code == 200
                desk.close()


# How a desk of the release before, and one of this release, names its branch.
BRANCH = ("PST", "PKS/PST")
# Of the sample library.
ITEMS = ("KS0012001", "KS0015001")


def _desk(address: str, secret: dict[str, str]) -> httpx.Client:
    """An HTTP client with the token of a program with all scopes of an administrator."""
    credentials = {"client_id": secret["client_id"], "client_secret": secret["client_secret"]}
    reply = httpx.post(f"{address}/api/v1/tokens", json=credentials, timeout=20, verify=False)
    token = reply.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=20, verify=False)


def _post(desk: httpx.Client, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
    reply = desk.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert reply.status_code == status, reply.text
    return reply.json()


def _names(desk: httpx.Client, name: str) -> list[str]:
    return [hit["name"] for hit in desk.get("/members", params={"q": name}).json()["hits"]]


def _record_ids(settings: dict[str, str]) -> list[str]:
    return [
        str(UUID(bytes=row["id"]) if isinstance(row["id"], bytes) else row["id"]) for row in _rows(settings)["records"]
    ]


def _revisions(sources: Path) -> set[str]:
    """The revisions of the catalogue's database in these sources, such as chassis/0001."""
    packages = {"chassis": sources / "chassis", "catalog": sources / "services" / "catalog"}
    return {
        f"{name}/{file.name[:4]}"
        for name, package in packages.items()
        for file in (package / "migrations" / "versions").glob("[0-9]*.py")
    }


def _platform_first(revision: str) -> tuple[bool, str]:
    return not revision.startswith("chassis/"), revision


def test_a_shallow_clone_fetches_the_release(sources_of: Callable[[Release], Path], tmp_path: Path) -> None:
    clone, release = tmp_path / "clone", recorded_releases()[0]
    sources_of(release)  # this checkout may itself be a shallow clone
    command = ["git", "clone", "-q", "--depth=1", "--no-checkout", f"file://{CHECKOUT}", str(clone)]
    subprocess.run(command, check=True, timeout=60)
    unpack(release, tmp_path / "release", repository=clone)
    assert (tmp_path / "release" / "pyproject.toml").exists()


def test_a_missing_release_fails(tmp_path: Path) -> None:
    with pytest.raises(ReleaseUnavailable, match=r"release 0\.0\.1"):
        unpack(Release("0.0.1", "0" * 39 + "1"), tmp_path / "release")


def _import(folder: Path, numbers: range, *, word: str = "Selasar", by: Release | None = None) -> tuple[str, ...]:
    """The command that imports books of these numbers, which this word finds.

    by  the release that makes the source; up to 0.3.0 without an option
    """
    path = folder / f"{word}-{numbers.start}.mrc"
    path.write_bytes(iso(book(f"r{number}", f"{word} {number}") for number in numbers))
    with_option = by is not None and by not in recorded_releases()[:3]
    option = ("--new-source", "--institution", "PKS") if with_option else ()
    return "import", str(path), "--source", "UPGRADE", *option


def _get(address: str, path: str, **query: Any) -> Any:
    reply = httpx.get(f"{address}/api/v1{path}", params=query, timeout=20, verify=False)
    assert reply.status_code == 200, reply.text
    return reply.json()


def _total(address: str, query: str) -> int:
    total: int = _get(address, "/search", q=query)["total"]
    return total


def _results(address: str) -> dict[str, Any]:
    """The result of each query."""
    results = {query: _result(address, query) for query in SAME_QUERIES}
    assert any(total for total, *_ in results.values())
    return results


def _result(address: str, query: str) -> tuple[int, list[str], str, int]:
    """Total and record ids in order, and the title and number of items of the first record."""
    reply = _get(address, "/search", q=query, limit=50, sort="title")
    ids = [hit["id"] for hit in reply["hits"]]
    title = _get(address, f"/records/{ids[0]}")["record"]["title"] if ids else ""
    items = _get(address, f"/records/{ids[0]}/items")["total"] if ids else 0
    return reply["total"], ids, title, items


@contextmanager
def _readers(address: str) -> Iterator[list[str]]:
    """Request pages and records during the block; yield the list of failures."""
    stop, failures, counts = threading.Event(), [], [0, 0]  # type: ignore[var-annotated]
    record = _get(address, "/search", q="minangkabau")["hits"][0]["id"]
    paths = ("/api/v1/search?q=surau&facets=language", "/", f"/api/v1/records/{record}", "/api/v1/suggest?q=min")

    def read(number: int) -> None:
        with httpx.Client(base_url=address, timeout=20, verify=False) as client:
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
    assert min(counts) >= len(paths), "each reader has requested each path"


def _catalogue(settings: dict[str, str]) -> Engine:
    template = settings.get("DATABASE_OWNER_URL", f"sqlite:///{settings['DATA']}/{{service}}.db")
    return create_engine(template.replace("{service}", "catalog"))


def _lent_items(settings: dict[str, str]) -> int:
    engine = _catalogue(settings)
    with engine.connect() as connection:
        count: int = connection.scalar(text("SELECT count(*) FROM item_states WHERE state = 'on_loan'")) or 0
    engine.dispose()
    return count


def _is_complete(settings: dict[str, str]) -> bool:
    """Say whether the jobs have completed all rows of the older release."""
    engine = _catalogue(settings)
    with engine.connect() as connection:
        rules = connection.scalar(text("SELECT works_rules FROM installation"))
        items = connection.scalar(text("SELECT count(*) FROM items WHERE access IS NULL"))
    engine.dispose()
    return (rules, items) == (RULES, 0)


def _lasting(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Leave out what the jobs complete."""
    return {
        table: [
            {name: value for name, value in row.items() if name not in COMPLETED_COLUMNS.get(table, ())}
            for row in table_rows
        ]
        for table, table_rows in rows.items()
        if table not in REGROUPED_TABLES
    }


def _rows(settings: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Every row of the catalogue's database, except of tables that running processes change at any time."""
    engine = _catalogue(settings)
    metadata = MetaData()
    with engine.connect() as connection:
        metadata.reflect(connection)
        rows = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in metadata.tables.values()
            if table.name not in VOLATILE_TABLES
        }
    engine.dispose()
    assert rows["records"]
    return rows


def _assert_kept(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> None:
    """Assert that each row still has its values; there may be new columns and rows."""
    losses = []
    for table, rows in before.items():
        columns = list(rows[0]) if rows else []
        missing = [column for column in columns if after[table] and column not in after[table][0]]
        assert not missing, f"{table}: columns {missing} are gone"
        remaining = {tuple(row[column] for column in columns) for row in after[table]}
        lost = [row for row in rows if tuple(row.values()) not in remaining]
        if lost:
            losses.append(f"{table}: {len(lost)} of {len(rows)} rows lost or changed, such as {lost[0]}")
    assert not losses, "\n".join(losses)
