"""A writer waits for other writers until the deadline of its caller, and never for its own thread."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select, text, update
from sqlalchemy.orm import Session

from chassis import transaction_guard
from chassis.context import READER, Context, system
from chassis.database import db
from chassis.database.db import Database
from chassis.errors import Conflict, TooLate, Unavailable
from tests.programs import start_script

TEST = system("test")
things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("number", Integer))

HOLDER = """
import sys
from chassis.context import READER
from chassis.database.db import Database
with Database(sys.argv[1]).transaction(READER):
    print("holds", flush=True)
    sys.stdin.read()
"""


# Four threads that write in a loop until the standard input ends.
WRITERS = """
import sys, threading, time
from sqlalchemy import text
from chassis.context import system
from chassis.database.db import Database
database, stop = Database(sys.argv[1]), threading.Event()
def write():
    while not stop.is_set():
        with database.transaction(system("test")) as session:
            session.execute(text("UPDATE things SET number = number + 1 WHERE id = 1"))
            time.sleep(0.002)
for _ in range(4):
    threading.Thread(target=write).start()
print("writes", flush=True)
sys.stdin.read()
stop.set()
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_owner_url")
    database = Database(url, pool_size=4)
    things.create(database.writer)
    with database.transaction(TEST) as session:
        session.execute(things.insert(), [{"id": 1, "number": 0}, {"id": 2, "number": 0}])
    yield database
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/t.db")
    yield database
    database.close()


@contextmanager
def writing_in_a_thread(database: Database) -> Iterator[None]:
    """Keep a transaction of another thread open."""
    started, end = threading.Event(), threading.Event()

    def write() -> None:
        with database.transaction(TEST):
            started.set()
            end.wait()

    thread = threading.Thread(target=write)
    thread.start()
    started.wait()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextmanager
def writing_in_a_process(database: Database) -> Iterator[None]:
    """Keep a transaction of another process open."""
    url = database.url.render_as_string(hide_password=False)
    holder = start_script(HOLDER, url, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"holds\n"
    try:
        yield
    finally:
        holder.communicate(b"")


HOLDERS = [writing_in_a_thread, writing_in_a_process]


@pytest.mark.parametrize("writing", HOLDERS)
def test_a_writer_with_a_deadline_ends_at_it(file: Database, writing: type) -> None:
    with writing(file):
        start = time.monotonic()
        with pytest.raises(TooLate) as refusal, file.transaction(Context(deadline=start + 0.3)):
            raise AssertionError("the transaction must not begin")
        assert refusal.value.reason == "DEADLINE_PASSED"
        assert 0.3 <= time.monotonic() - start < 3
    with file.transaction(TEST):
        pass


@pytest.mark.parametrize("writing", HOLDERS)
def test_a_writer_without_a_deadline_waits_for_a_limited_time(
    file: Database, writing: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "WRITE_WAIT_SECONDS", 0.3)
    with writing(file):
        with pytest.raises(Unavailable) as refusal, file.transaction(TEST):
            raise AssertionError("the transaction must not begin")
        assert refusal.value.reason == "DATABASE_BUSY"
    with file.transaction(TEST):
        pass


def test_a_writer_starts_when_another_process_ends_its_transaction(file: Database) -> None:
    start_times: list[float] = []

    def write() -> None:
        with file.transaction(TEST):
            start_times.append(time.monotonic())

    thread = threading.Thread(target=write)
    with writing_in_a_process(file):
        thread.start()
        time.sleep(0.3)
        assert start_times == []
    thread.join(10)
    assert len(start_times) == 1


def test_writers_without_a_pause_hold_up_no_other_process(file: Database) -> None:
    things.create(file.writer)
    process = start_script(WRITERS, str(file.url), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writes\n"
    waits = []
    for _ in range(5):
        start = time.monotonic()
        with file.transaction(TEST):
            waits.append(time.monotonic() - start)
    process.communicate(b"")
    assert sorted(waits)[2] < 1


def test_after_the_deadline_no_transaction_begins(database: Database) -> None:
    with pytest.raises(TooLate), database.transaction(Context(deadline=time.monotonic() - 1)):
        raise AssertionError("the transaction must not begin")


def test_a_timeout_inside_a_transaction_is_not_translated(database: Database) -> None:
    with pytest.raises(TimeoutError, match="of the block"), database.transaction(TEST):
        raise TimeoutError("of the block")


def test_a_nested_transaction_is_refused_at_once(database: Database) -> None:
    second_database = Database(database.url.render_as_string(hide_password=False))
    for inner in (database, second_database):
        with (
            database.transaction(TEST),
            pytest.raises(transaction_guard.NestedWork, match="pass its session down"),
            inner.transaction(TEST),
        ):
            raise AssertionError("the transaction must not begin")
    second_database.close()
    with database.transaction(TEST) as session:
        assert session.scalar(select(things.c.number).where(things.c.id == 1)) == 0


def test_transactions_on_two_databases_may_overlap(database: Database, tmp_path: Path) -> None:
    other_database = Database(f"sqlite:///{tmp_path}/other.db")
    with database.transaction(TEST), other_database.transaction(TEST):
        pass
    other_database.close()


def test_a_full_pool_is_an_error_with_a_reason(postgres_owner_url: str) -> None:
    database = Database(postgres_owner_url, pool_size=1)
    database.writer.pool._timeout = 0.2  # type: ignore[attr-defined]
    with (
        database.transaction(TEST),
        pytest.raises(Unavailable) as refusal,
        database.reading(READER),
    ):
        raise AssertionError("there must be no connection")
    assert refusal.value.reason == "DATABASE_POOL_USED_UP"
    database.close()


def add(session: Session, *ids: int, meet: threading.Barrier | None = None) -> None:
    """Add one to the numbers of these rows in order; after the first, wait for the other writer."""
    for number in ids:
        session.execute(update(things).where(things.c.id == number).values(number=things.c.number + 1))
        if meet is not None and number == ids[0]:
            meet.wait(10)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_of_two_writers_in_a_deadlock_the_refused_one_is_retried(database: Database) -> None:
    meet, attempts = threading.Barrier(2), []

    def write(*ids: int) -> None:
        def act(session: Session) -> None:
            attempts.append(ids)
            add(session, *ids, meet=meet if len(attempts) <= 2 else None)

        database.run(TEST, act)

    threads = [threading.Thread(target=write, args=ids) for ids in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(attempts) == 3
    with database.reading(TEST) as session:
        assert session.scalars(select(things.c.number)).all() == [2, 2]


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
def test_a_serialization_failure_is_retried_once_and_then_raised(database: Database) -> None:
    attempts = []

    def act(session: Session) -> None:
        attempts.append(1)
        session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'collision' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(Conflict) as refusal:
        database.run(TEST, act)
    assert refusal.value.reason == "WRITE_CONFLICT"
    assert len(attempts) == 2


def test_a_refusal_is_not_retried(database: Database) -> None:
    attempts = []

    def act(session: Session) -> None:
        attempts.append(1)
        add(session, 1)
        raise Conflict("LEASE_LOST", role="x")

    with pytest.raises(Conflict):
        database.run(TEST, act)
    assert len(attempts) == 1
    with database.reading(TEST) as session:
        assert session.scalar(select(things.c.number).where(things.c.id == 1)) == 0


def test_a_writer_ends_well_after_its_database_was_closed(database: Database) -> None:
    with database.transaction(TEST) as session:
        session.execute(update(things).values(number=7))
        database.close()
    with database.transaction(TEST) as session:
        assert session.scalar(select(things.c.number)) == 7
