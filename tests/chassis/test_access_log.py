"""Rows of the access log are written in batches within a second, and none is lost while its process lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.audit import access_log as access_log_module
from chassis.audit import acts
from chassis.audit.access_log import AccessLog
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import TooLate, Unavailable
from chassis.settings import environment_with
from tests.conftest import CHECKOUT
from tests.example_services.audited_writer import CALLER
from tests.example_services.installation import eventually
from tests.example_services.stock.service import SERVICE
from tests.migrated import MigratedDatabases
from tests.programs import start_program

TEST = system("test")


class Interruptible(Database):
    """A database that counts its transactions, and does not answer while `is_away`."""

    is_away = threading.Event()
    transactions = 0

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        if self.is_away.is_set():
            raise Unavailable("DATABASE_UNAVAILABLE")
        self.transactions += 1
        with super().transaction(context) as session:
            yield session


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Interruptible]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as opened:
        database = Interruptible(opened.url.render_as_string(hide_password=False))
        database.is_away.clear()
        yield database
        database.is_away.clear()
        database.close()


def read(access_log: AccessLog, number: int, context: Context = CALLER) -> None:
    access_log.record(context, "members.read", kind="member", object_id=number)


def seen(database: Database) -> list[int]:
    with database.reading(TEST) as session:
        return [int(row) for row in session.scalars(select(acts.c.object).order_by(acts.c.number))]


def test_reads_are_written_in_order_in_few_transactions_with_their_caller(database: Interruptible) -> None:
    access_log = AccessLog(database)
    for number in range(450):
        read(access_log, number)
    eventually(lambda: len(seen(database)) == 450)
    assert seen(database) == list(range(450))
    assert database.transactions <= 5
    with database.reading(TEST) as session:
        row = session.execute(select(acts).limit(1)).one()
    assert (row.institution, row.actor, row.session, row.request_id) == ("SOLOK", "amak", "s1", "r1")


def test_closing_the_database_writes_what_waits(database: Interruptible) -> None:
    access_log = AccessLog(database)
    read(access_log, 1)
    database.close()
    assert seen(database) == [1]
    with pytest.raises(Unavailable) as refusal:
        read(access_log, 2)
    assert refusal.value.reason == "AUDIT_CLOSED"


def test_while_the_database_is_away_reads_wait_and_then_their_callers(
    database: Interruptible, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log_module, "MOST_WAITING", 20)
    monkeypatch.setattr(access_log_module, "BATCH", 10)
    database.is_away.set()
    access_log = AccessLog(database)
    # A batch of ten is with the writer, twenty wait.
    for number in range(30):
        read(access_log, number, replace(CALLER, deadline=time.monotonic() + 20))
    with pytest.raises(TooLate):
        read(access_log, 30, replace(CALLER, deadline=time.monotonic() + 0.05))
    waiting = threading.Thread(target=read, args=(access_log, 31))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    assert seen(database) == []
    database.is_away.clear()
    waiting.join(20)
    eventually(lambda: seen(database) == [*range(30), 31])


def test_a_database_that_stays_away_is_given_up_at_the_end_and_the_loss_is_logged(
    database: Interruptible, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log_module, "CLOSE_SECONDS", 0.1)
    database.is_away.set()
    access_log = AccessLog(database)
    read(access_log, 1)
    access_log.close()
    (record,) = [record for record in caplog.records if record.message == "access_rows_lost"]
    assert record.__dict__["count"] == 1


def test_a_killed_process_loses_only_its_last_reads(database: Interruptible) -> None:
    url: Any = database.url.render_as_string(hide_password=False)
    program = "tests.example_services.audited_writer:main"
    with start_program(["read", url], program=program, env=environment_with(), cwd=CHECKOUT) as process:
        assert process.stdout is not None
        # What was recorded some seconds before the kill; the machine may be slow.
        last = 0
        while len(seen(database)) < 300:
            last = int(process.stdout.readline())
        before, until = last, time.monotonic() + 3
        while time.monotonic() < until:
            last = int(process.stdout.readline())
        process.kill()
    stored = seen(database)
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) >= before
