"""Transactions are atomic on SQLite and PostgreSQL, from many threads and processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from chassis.context import READER, Context, system
from chassis.database import sqlite
from chassis.database.column_types import Id, UtcTime
from chassis.database.db import Database
from chassis.database.sql import insert_ignore, update_many, upsert_newer
from chassis.errors import Unavailable
from chassis.ids import new_id
from tests.migrated import stored_bytes
from tests.programs import start_script

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", Integer),
    Column("at", UtcTime, nullable=True),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgres_owner_url")
    database = Database(url, pool_size=8)
    metadata.create_all(database.writer)
    yield database
    database.close()


def _count(database: Database) -> int:
    with database.reading(READER) as session:
        return session.scalar(select(func.count()).select_from(things)) or 0


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    row = {"id": new_id(), "number": 1}
    with pytest.raises(IntegrityError), database.transaction(READER) as session:
        session.execute(insert(things), [row, row])
    assert _count(database) == 0


def test_many_rows_of_one_statement_have_their_own_values(database: Database) -> None:
    at = datetime(2026, 5, 1, 2, tzinfo=UTC)
    ids = [new_id() for _ in range(4)]
    moments = [at, at, None, at + timedelta(hours=1)]
    rows = [{"id": row_id, "number": 7, "at": moment} for row_id, moment in zip(ids, moments, strict=True)]
    with database.transaction(READER) as session:
        assert insert_ignore(session, things, rows[:1]) == 1
        assert insert_ignore(session, things, rows, key=["id"]) == 3
        assert insert_ignore(session, things, rows[:1]) == 0
        update_many(session, things, [{"id": row_id, "number": 8} for row_id in ids[:3]], key="id")
        update_many(session, things, [], key="id")
    with database.reading(READER) as session:
        stored = session.execute(select(things.c.id, things.c.number, things.c.at).order_by(things.c.id)).all()
    assert stored == list(zip(ids, [8, 8, 8, 7], moments, strict=True))


def test_only_a_newer_version_replaces_a_row(database: Database) -> None:
    row = {"id": new_id(), "number": 2}
    with database.transaction(READER) as session:
        stored = [
            upsert_newer(session, things, [{**row, "number": number}], key="id", version="number")
            for number in (2, 2, 1, 3)
        ]
        assert stored == [True, False, False, True]
        assert session.scalars(select(things.c.number)).all() == [3]


def test_ids_and_times_are_read_as_they_were_written(database: Database) -> None:
    row_id = new_id()
    at = datetime(2026, 5, 1, 9, 0, tzinfo=timezone(timedelta(hours=7)))
    with database.transaction(READER) as session:
        session.execute(insert(things).values(id=row_id, number=1, at=at))
    with database.reading(READER) as session:
        row = session.execute(select(things)).one()
    assert row.id == row_id
    assert row.at == at
    assert row.at.tzinfo == UTC


def test_many_threads_write_without_a_lost_update(database: Database) -> None:
    with database.transaction(READER) as session:
        session.execute(insert(things).values(id=new_id(), number=0))

    def add() -> None:
        for _ in range(25):
            with database.transaction(READER) as session:
                row = session.execute(select(things.c.id, things.c.number).with_for_update()).one()
                session.execute(things.update().where(things.c.id == row.id).values(number=row.number + 1))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading(READER) as session:
        assert session.scalar(select(things.c.number)) == 150


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    with database.transaction(READER) as session:
        session.execute(insert(things).values(id=new_id(), number=1))
        assert _count(database) == 0


def test_two_processes_write_to_one_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    database = Database(url)
    metadata.create_all(database.writer)
    script = (
        "import sys; from chassis.context import READER; from chassis.database.db import Database\n"
        "from chassis.ids import new_id\n"
        "from sqlalchemy import text\n"
        "database = Database(sys.argv[1])\n"
        "for number in range(100):\n"
        "    with database.transaction(READER) as session:\n"
        "        session.execute(text('INSERT INTO things (id, number) VALUES (:id, 1)'), {'id': new_id().bytes})\n"
    )
    writers = [start_script(script, url) for _ in range(2)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert _count(database) == 200
    database.close()


def test_postgresql_has_the_institution_of_a_transaction(postgres_url: str) -> None:
    database = Database(postgres_url)
    statement = text("SELECT current_setting('rangkiang.institution', true)")
    with database.transaction(Context(institution="abc")) as session:
        assert session.scalar(statement) == "abc"
    with database.transaction(system("test")) as session:
        assert session.scalar(statement) == "*"
    with database.reading(READER) as session:
        assert session.scalar(statement) in ("", None)
    database.close()


def test_an_unreachable_database_is_an_error_with_a_reason() -> None:
    database = Database("postgresql+psycopg://nobody:nothing@127.0.0.1:9/nowhere")
    with pytest.raises(Unavailable) as refusal, database.reading(READER):
        pass
    assert refusal.value.reason == "DATABASE_UNAVAILABLE"
    database.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_reader_delays_the_erasure_from_the_log_until_the_log_is_emptied_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOG_WAIT_MS", 10)
    secret, path = new_id(), Path(database.url.database or "")
    with database.transaction(READER) as session:
        session.execute(insert(things), [{"id": secret, "number": 1}])
    with database.reading(READER) as session:
        session.scalar(select(things.c.number))
        with database.transaction(READER) as erasing:
            sqlite.erase_traces(erasing)
            with erasing.begin_nested():
                erasing.execute(delete(things))
        assert secret.bytes in stored_bytes(database)
        assert not sqlite.empty_log(path)
    assert sqlite.empty_log(path)
    assert secret.bytes not in stored_bytes(database)
