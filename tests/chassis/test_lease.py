"""A role has one holder at a time, and a new holder soon after that process dies."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import URL

from chassis.context import system
from chassis.database import postgres
from chassis.database.db import Database
from chassis.errors import Conflict
from chassis.jobs import lease_rows
from chassis.jobs.lease import Leases
from tests.programs import start_script

HOLDER = """
import sys, time
from chassis.database.db import Database
from chassis.jobs.lease import Leases
held = Leases(Database(sys.argv[1])).try_hold("index")
print("held" if held else "free", flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_owner_url")
    database = Database(url)
    lease_rows.leases.create(database.writer)
    yield database
    database.close()


def test_a_role_has_one_holder_and_is_free_after_release(database: Database) -> None:
    leases = Leases(database)
    first = leases.try_hold("index")
    assert first is not None
    assert first.is_held
    assert leases.try_hold("index") is None
    relay_lease = leases.try_hold("relay")
    assert relay_lease is not None
    first.release()
    assert not first.is_held
    second = leases.try_hold("index")
    assert second is not None
    for lease in (relay_lease, second):
        lease.release()


def test_a_waiter_gets_the_role_or_is_stopped(database: Database) -> None:
    leases, stop = Leases(database), threading.Event()
    first = leases.try_hold("index")
    assert first is not None
    threading.Timer(0.2, first.release).start()
    with leases.hold("index", stop) as second:
        assert second is not None
        threading.Timer(0.2, stop.set).start()
        with leases.hold("index", stop) as third:
            assert third is None


def test_a_killed_holder_is_replaced(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    holder = start_script(HOLDER, url)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert Leases(database).try_hold("index") is None
    holder.kill()
    holder.wait()
    died = time.monotonic()
    with Leases(database).hold("index", threading.Event()) as lease:
        wait_seconds = time.monotonic() - died
        assert lease is not None
    # The kernel releases a file lock at once; a row expires by the database's clock.
    assert wait_seconds < (2 if database.is_sqlite else lease_rows.LEASE_SECONDS + 2)


@pytest.fixture
def rows(postgres_owner_url: str) -> Iterator[Database]:
    """A PostgreSQL database, in which leases are rows."""
    database = Database(postgres_owner_url)
    lease_rows.leases.create(database.writer)
    yield database
    database.close()


def test_idle_holders_and_waiters_send_few_statements(rows: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting_database, stop = Database(rows.url.render_as_string(hide_password=False)), threading.Event()
    statements = count_statements(monkeypatch, rows, waiting_database)
    roles = [f"role{number}" for number in range(8)]
    leases = [Leases(rows).try_hold(role) for role in roles]

    def wait_for(role: str) -> None:
        # A second connection has its own renewer, as another process has.
        with Leases(waiting_database).hold(role, stop) as lease:
            assert lease is None

    waiters = [threading.Thread(target=wait_for, args=(role,)) for role in roles]
    for waiter in waiters:
        waiter.start()
    time.sleep(3)
    statements.clear()
    time.sleep(6)
    # One renewal every two seconds for any number of roles, and one look a second for each role.
    assert 2 + 8 * 4 <= len(statements) <= 4 + 8 * 7, statements
    stop.set()
    for waiter in waiters:
        waiter.join(10)
    for lease in leases:
        assert lease is not None
        lease.release()
    waiting_database.close()


def count_statements(monkeypatch: pytest.MonkeyPatch, *databases: Database) -> list[str]:
    """A list that receives each statement for leases: of the renewers' connections and of these databases."""
    statements: list[str] = []

    def open_counted(url: URL) -> psycopg.Connection[Any]:
        connection = open_connection(url)
        execute = connection.execute

        def execute_counted(query: Any, *arguments: Any) -> Any:
            statements.append(str(query))
            return execute(query, *arguments)

        monkeypatch.setattr(connection, "execute", execute_counted)
        return connection

    open_connection = postgres.open_connection
    monkeypatch.setattr(postgres, "open_connection", open_counted)
    for database in databases:
        event.listen(database.writer, "before_cursor_execute", lambda *call: statements.append(call[2]))
    return statements


def test_all_leases_of_a_process_are_renewed_by_one_thread(rows: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 1)
    monkeypatch.setattr(lease_rows, "RENEW_SECONDS", 0.3)
    thread_count = threading.active_count()
    leases = [Leases(rows).try_hold(f"role{number}") for number in range(8)]
    assert threading.active_count() == thread_count + 1
    time.sleep(2.5)
    assert all(lease is not None and lease.is_held for lease in leases)
    assert [Leases(rows).try_hold(f"role{number}") for number in range(8)] == [None] * 8
    for lease in leases:
        assert lease is not None
        lease.release()
    end = time.monotonic() + 10
    while threading.active_count() > thread_count:
        assert time.monotonic() < end, "the thread still runs without a lease"
        time.sleep(0.05)


def test_a_transaction_that_has_checked_its_lease_blocks_no_renewal(
    rows: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_rows, "LEASE_SECONDS", 2)
    monkeypatch.setattr(lease_rows, "RENEW_SECONDS", 0.3)
    first, second = Leases(rows).try_hold("first"), Leases(rows).try_hold("second")
    assert first is not None
    assert second is not None
    with rows.transaction(system("test")) as session:
        first.fence(session)
        session.execute(text("SELECT pg_sleep(3)"))
    assert first.is_held
    assert second.is_held
    first.release()
    second.release()


def test_leases_survive_a_broken_connection(rows: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "chassis.jobs.lease_rows")
    lease = Leases(rows).try_hold("index")
    assert lease is not None
    time.sleep(0.5)
    with rows.transaction(system("test")) as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '%unnest(%' AND pid <> pg_backend_pid()"
            )
        )
    time.sleep(lease_rows.LEASE_SECONDS + 1)
    assert lease.is_held
    assert "lease_not_renewed" in caplog.text
    lease.release()


def test_a_holder_with_an_expired_lease_is_fenced(postgres_owner_url: str) -> None:
    database = Database(postgres_owner_url)
    lease_rows.leases.create(database.writer)
    leases = Leases(database)
    expired = leases.try_hold("index")
    assert expired is not None
    with database.transaction(system("test")) as session:
        expired.fence(session)
        session.execute(text("UPDATE leases SET until = clock_timestamp() - interval '1 minute'"))
    successor = leases.try_hold("index")
    assert successor is not None
    with pytest.raises(Conflict) as refusal, database.transaction(system("test")) as session:
        expired.fence(session)
    assert refusal.value.reason == "LEASE_LOST"
    assert not expired.is_held
    expired.release()
    with database.transaction(system("test")) as session:
        successor.fence(session)
    successor.release()
    database.close()
