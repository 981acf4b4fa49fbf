"""Doctor finds wrong rights, row security, indexes and damage in a database; each test plants one fault."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, make_url, table, text

from chassis.context import system
from chassis.errors import Unavailable
from chassis.migrations.migrate import migrate
from chassis.operations import structure
from chassis.operations.health import Finding, examine
from chassis.rpc.server import DatabaseCheck
from chassis.settings import Settings, load
from services.circulation.service import SERVICE
from tests.migrated import copied_databases, copy_migrated

TESTS = system("tests")
PARTS = [
    f"circulation {part}"
    for part in ("database", "migrations", "structure", "rights", "row security", "indexes", "pages")
]


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Settings:
    settings = Settings(data=tmp_path, port=0)
    copy_migrated(SERVICE, Path(str(make_url(settings.database("circulation")).database)))
    return settings


@pytest.fixture
def on_postgres(servers: dict[str, str], tmp_path: Path) -> Iterator[Settings]:
    with copied_databases([SERVICE]) as urls:
        yield load({**urls, "DATA": str(tmp_path), "PORT": "0"})


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.servers])])
def settings(request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue("on_sqlite" if request.param == "sqlite" else "on_postgres")
    return found


def owner_runs(settings: Settings, statement: str) -> None:
    """Run a statement as the owner of the database, with its name as {database} and the service's role as {role}."""
    url = settings.database("circulation") if not settings.database_url else settings.database_owner("circulation")
    names = {"database": make_url(url).database, "role": make_url(settings.database("circulation")).username}
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement.format(**names))
    engine.dispose()


def faults(settings: Settings) -> dict[str, Finding]:
    found = examine(settings, [SERVICE])
    return {finding.part: finding for finding in found if finding.part in PARTS and not finding.ok}


def write(settings: Settings) -> None:
    with closing(SERVICE.open_database(settings, pool_size=1)) as database, database.transaction(TESTS) as session:
        session.execute(delete(table("loans")))


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Unavailable) as raised:
        act()
    return raised.value.reason


def is_ready(settings: Settings) -> bool:
    with closing(SERVICE.open_database(settings, pool_size=1)) as database:
        return DatabaseCheck(database)()


def test_a_sound_database_has_no_fault_and_doctor_leaves_no_row(settings: Settings) -> None:
    assert faults(settings) == {}
    with closing(SERVICE.open_database(settings)) as database, database.reading(TESTS) as session:
        assert session.scalars(text("SELECT name FROM job_runs WHERE name = 'doctor'")).all() == []


def test_a_read_only_database_refuses_is_not_ready_and_is_named(on_postgres: Settings) -> None:
    assert is_ready(on_postgres)
    owner_runs(on_postgres, 'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    assert reason_of(lambda: write(on_postgres)) == "DATABASE_READ_ONLY"
    assert not is_ready(on_postgres)
    finding = faults(on_postgres)["circulation database"]
    assert "read-only" in finding.message.en
    assert "standby" in finding.advice.en


def test_a_right_that_was_revoked_is_named_and_a_migration_grants_it_again(on_postgres: Settings) -> None:
    owner_runs(on_postgres, "REVOKE INSERT, DELETE ON loans FROM {role}")
    assert reason_of(lambda: write(on_postgres)) == "DATABASE_RIGHT_MISSING"
    finding = faults(on_postgres)["circulation rights"]
    assert finding.message.en.endswith(": INSERT loans, DELETE loans.")
    urls = on_postgres.database_owner("circulation"), on_postgres.database("circulation")
    migrate(SERVICE, owner_url=urls[0], app_url=urls[1])
    write(on_postgres)
    assert faults(on_postgres) == {}


def test_a_server_without_a_free_connection_is_named(on_postgres: Settings) -> None:
    owner_runs(on_postgres, 'ALTER DATABASE "{database}" CONNECTION LIMIT 0')
    assert reason_of(lambda: write(on_postgres)) == "DATABASE_CONNECTIONS_USED_UP"
    found = faults(on_postgres)
    assert list(found) == ["circulation database", "circulation migrations", "circulation structure"]
    for finding in found.values():
        assert "All connections of the database server" in finding.message.en
        assert "max_connections" in finding.advice.en


def test_a_process_without_a_free_connection_names_its_pool(on_postgres: Settings) -> None:
    with closing(SERVICE.open_database(on_postgres, pool_size=1)) as database, database.reading(TESTS):
        assert reason_of(database.reading(TESTS).__enter__) == "DATABASE_POOL_USED_UP"


@pytest.mark.parametrize("change", ["DISABLE", "NO FORCE"])
def test_a_table_whose_rows_are_not_limited_is_found_and_the_advice_repairs_it(
    on_postgres: Settings, change: str
) -> None:
    owner_runs(on_postgres, f"ALTER TABLE loans {change} ROW LEVEL SECURITY")
    finding = faults(on_postgres)["circulation row security"]
    assert finding.message.en.endswith("in these tables: loans.")
    owner_runs(on_postgres, finding.advice.en.partition("run: ")[2])
    assert faults(on_postgres) == {}


@pytest.mark.parametrize("index", ["loans_open_copy", "loans_due"])
def test_a_missing_index_is_found_and_the_advice_makes_it_again(settings: Settings, index: str) -> None:
    owner_runs(settings, f"DROP INDEX {index}")
    finding = faults(settings)["circulation indexes"]
    assert f": {index}." in finding.message.en
    owner_runs(settings, finding.advice.en.partition("run: ")[2])
    assert faults(settings) == {}


def test_a_missing_unique_constraint_is_found_and_the_advice_makes_it_again(on_postgres: Settings) -> None:
    owner_runs(on_postgres, "ALTER TABLE institutions DROP CONSTRAINT institutions_code_key")
    finding = faults(on_postgres)["circulation indexes"]
    assert ": institutions (code)." in finding.message.en
    owner_runs(on_postgres, finding.advice.en.partition("run: ")[2])
    assert faults(on_postgres) == {}


def test_an_invalid_index_is_found_and_the_advice_makes_it_again(on_postgres: Settings) -> None:
    owner_runs(on_postgres, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'loans_due'::regclass")
    finding = faults(on_postgres)["circulation indexes"]
    assert ": loans_due." in finding.message.en
    owner_runs(on_postgres, finding.advice.en.partition("run: ")[2])
    assert faults(on_postgres) == {}


def damage_index(settings: Settings) -> None:
    """Overwrite the page of an index that no other check of doctor reads."""
    path = str(make_url(settings.database("circulation")).database)
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'loans_due'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with Path(path).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x55" * size)


def test_a_damaged_page_is_found(on_sqlite: Settings) -> None:
    damage_index(on_sqlite)
    assert list(faults(on_sqlite)) == ["circulation pages"]
    finding = faults(on_sqlite)["circulation pages"]
    assert re.search(r"circulation\.db is damaged: .*Page", finding.message.en)
    assert "rangkiang restore" in finding.advice.en


def test_of_a_file_that_is_not_read_in_time_doctor_says_what_checks_it(
    on_sqlite: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "PAGES_SECONDS", 0.1)
    path = str(make_url(on_sqlite.database("circulation")).database)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("PRAGMA locking_mode = EXCLUSIVE")
        reader.execute("BEGIN EXCLUSIVE")
        (finding,) = structure.check_pages(on_sqlite, SERVICE)
    assert finding.ok
    assert "rangkiang backup" in finding.message.en
