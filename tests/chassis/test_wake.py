"""A transaction that writes wakes the waiters of every process; one that only reads wakes none."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select, text, update

from chassis.context import system
from chassis.db import Database
from chassis.wake import Wake, announce_commits, open_wake, wait_until
from tests.forks import start_script

notes = Table("notes", MetaData(), Column("line", String(20)))

WRITE = """
import sys
from sqlalchemy import Column, MetaData, String, Table, insert, select, text, update
from chassis.context import system
from chassis.db import Database
from chassis.wake import announce_commits
database = Database(sys.argv[1])
announce_commits(database)
with database.transaction(system("test")) as session:
    session.execute(text("INSERT INTO notes (line) VALUES ('a')"))
sys.stdin.read()
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgres_owner_url")
    database = Database(url)
    notes.create(database.writer)
    yield database
    database.close()


@pytest.fixture
def wake(database: Database) -> Iterator[Wake]:
    wake = open_wake(database)
    yield wake
    wake.close()


def write(database: Database) -> None:
    with database.transaction(system("test")) as session:
        session.execute(insert(notes).values(line="a"))


def seconds(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def test_a_commit_of_this_process_wakes_the_waiter(database: Database, wake: Wake) -> None:
    timer = threading.Timer(0.2, write, [database])
    timer.start()
    assert seconds(lambda: wake.wait(10)) < 5
    timer.join()


def test_a_commit_of_another_process_wakes_the_waiter(database: Database, wake: Wake) -> None:
    url = database.url.render_as_string(hide_password=False)
    child = start_script(WRITE, url, stdin=subprocess.PIPE)
    try:
        assert seconds(lambda: wake.wait(20)) < 15
    finally:
        child.communicate(b"", timeout=20)


def test_a_commit_before_the_wait_is_not_missed(database: Database, wake: Wake) -> None:
    write(database)
    assert seconds(lambda: wake.wait(10)) < 5


def test_without_a_commit_the_wait_ends_at_its_timeout(wake: Wake) -> None:
    assert 0.2 <= seconds(lambda: wake.wait(0.2)) < 2


def test_a_long_wait_ends_when_its_job_must_stop(database: Database, wake: Wake) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    assert seconds(lambda: wait_until(stop, wake, 60)) < 30
    timer.join()
    stop.clear()
    write(database)
    assert seconds(lambda: wait_until(stop, wake, 60)) < 30


def test_a_transaction_that_writes_no_row_wakes_no_waiter(database: Database, wake: Wake) -> None:
    write(database)
    wake.wait(5)
    with database.transaction(system("test")) as session:
        session.execute(select(notes)).all()
        session.execute(update(notes).where(notes.c.line == "none").values(line="b"))
    assert seconds(lambda: wake.wait(0.5)) >= 0.5


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO notes VALUES ('b'), ('c')",
        "UPDATE notes SET line = 'b'",
        "DELETE FROM notes",
        "WITH lines AS (SELECT 'd' AS line) INSERT INTO notes SELECT line FROM lines",
    ],
)
def test_every_kind_of_write_wakes(database: Database, wake: Wake, statement: str) -> None:
    write(database)
    wake.wait(5)
    with database.transaction(system("test")) as session:
        session.execute(text(statement))
    assert seconds(lambda: wake.wait(10)) < 5


def test_every_waiter_is_woken(database: Database, wake: Wake) -> None:
    other_wake = open_wake(database)
    write(database)
    assert seconds(lambda: wake.wait(10)) < 5
    assert seconds(lambda: other_wake.wait(10)) < 5
    other_wake.close()


def test_the_socket_of_a_dead_waiter_is_removed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    notes.create(database.writer)
    announce_commits(database)
    waiter = "import sys; from chassis.db import Database; from chassis.wake import open_wake\n"
    waiter += "w = open_wake(Database(sys.argv[1])); import os; os._exit(9)"
    subprocess.run([sys.executable, "-c", waiter, f"sqlite:///{tmp_path}/a.db"], check=False)
    assert len(list((tmp_path / "a.db.wake").iterdir())) == 1
    write(database)
    assert not list((tmp_path / "a.db.wake").iterdir())
    database.close()
