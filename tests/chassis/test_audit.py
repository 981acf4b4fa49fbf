"""Acts are recorded with their effect and sealed; every later change of a row is found."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from chassis import clock
from chassis.audit import acts, record, row_of, seals
from chassis.audit.hash_chain import Sealer, next_seal
from chassis.audit.verification import Verification, verify
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.jobs.jobs import SEAL, start
from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import Settings, environment_with
from tests.conftest import CHECKOUT
from tests.example_services.audited_writer import CALLER, act
from tests.example_services.installation import eventually
from tests.example_services.stock.service import SERVICE
from tests.migrated import MigratedDatabases
from tests.programs import start_program

TEST = system("test")


@dataclass(frozen=True)
class Place:
    """A database as the service opens it, and as its owner does, whom neither grants nor triggers stop."""

    database: Database
    owner: Engine

    def execute(self, statement: str, **values: Any) -> None:
        with self.owner.begin() as connection:
            connection.execute(text(statement), values)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def place(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Place]:
    owner = f"sqlite:///{tmp_path}/stock.db"
    if request.param == "postgresql":
        request.getfixturevalue("servers")
        owner = migrated.urls()["DATABASE_OWNER_URL"].replace("{service}", SERVICE.name)
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        engine = create_engine(owner)
        yield Place(database, engine)
        engine.dispose()


@pytest.fixture
def database(place: Place) -> Database:
    return place.database


def disarm(place: Place) -> None:
    """Remove the triggers of SQLite, as an owner can."""
    if place.database.is_sqlite:
        for table in (acts, seals):
            for change in ("update", "delete"):
                place.execute(f"DROP TRIGGER {table.name}_append_only_{change}")


def sealed_by(sealer: Sealer) -> int:
    """Rows that the next step seals; on PostgreSQL it first waits for older transactions of the whole server."""
    counts: list[int] = []

    def seals() -> bool:
        counts.append(sealer.step())
        return counts[-1] > 0

    eventually(seals, seconds=60)
    return counts[-1]


def seal_each(database: Database, count: int) -> None:
    """Record acts, each with its own seal."""
    for number in range(1, count + 1):
        act(database, number)
        assert sealed_by(Sealer(database)) == 1


def reasons(result: Verification) -> set[str]:
    return {refusal.reason for refusal in result.wrong}


def stored(database: Database, table: Any = acts) -> Any:
    with database.reading(TEST) as session:
        return session.execute(select(table).order_by(table.c.number)).all()


def test_an_act_is_recorded_with_its_effect_or_not_at_all(database: Database) -> None:
    with database.transaction(CALLER) as session:
        row_id = record(
            session, CALLER, "members.block", kind="member", object_id="m1", facts={"until": None}, sealed=b"\x00\xff"
        )
    with suppress(ZeroDivisionError), database.transaction(CALLER) as session:
        record(session, CALLER, "members.block", kind="member", object_id="m2")
        raise ZeroDivisionError
    (row,) = stored(database)
    assert (row.id, row.institution, row.actor, row.session, row.request_id) == (row_id, "SOLOK", "amak", "s1", "r1")
    assert (row.act, row.kind, row.object, row.facts, row.sealed) == (
        "members.block", "member", "m1", '{"until":null}', b"\x00\xff",
    )  # fmt: skip
    assert abs(clock.now() - row.at) < timedelta(minutes=1)


def test_sealed_acts_are_found_unchanged(database: Database) -> None:
    assert Sealer(database).step() == 0
    assert verify(database) == Verification(0, 0, "", [])
    seal_each(database, 3)
    for number in range(4, 8):
        act(database, number)
    assert sealed_by(Sealer(database)) == 4
    result = verify(database)
    assert (result.rows, result.seals, result.wrong) == (7, 4, [])
    assert result.head.startswith("4:")


# What the owner of the database writes over each column of an act.
ACT_CHANGES = {
    "number": "-number",
    "id": ":id",
    "at": ":at",
    **dict.fromkeys(("institution", "actor", "session", "act", "kind", "object", "facts", "request_id"), "'other'"),
    "sealed": ":sealed",
}
SEAL_CHANGES = {
    "number": "number + 100",
    "first": "first + 1",
    "last": "last + 100",
    "count": "count + 1",
    "digest": ":sealed",
    "at": ":at",
}


def test_a_change_of_any_column_is_found(place: Place) -> None:
    assert ACT_CHANGES.keys() == set(acts.c.keys())
    assert SEAL_CHANGES.keys() == set(seals.c.keys())
    seal_each(place.database, 4)
    disarm(place)
    on_sqlite = place.database.is_sqlite
    values = {
        "id": new_id().bytes if on_sqlite else new_id(),
        "at": "2026-01-01 00:00:00.000000" if on_sqlite else clock.now(),
        "sealed": b"other",
    }
    for table, changes, number in ((acts, ACT_CHANGES, 2), (seals, SEAL_CHANGES, 2), (seals, SEAL_CHANGES, 4)):
        for column, value in changes.items():
            used = {name: values[name] for name in values if value == f":{name}"}
            with place.owner.begin() as connection:
                row = connection.execute(text(f"SELECT * FROM {table.name} WHERE number = {number}")).mappings().one()
                statement = f'UPDATE {table.name} SET "{column}" = {value} WHERE number = {number}'
                assert connection.execute(text(statement), used).rowcount == 1
            result = verify(place.database)
            # Late rows are no sign of a change here.
            assert reasons(result) - {"AUDIT_ROWS_UNSEALED"}, f"{table.name}.{column}"
            with place.owner.begin() as connection:
                connection.execute(text(f"DELETE FROM {table.name} WHERE number NOT IN (1, 2, 3, 4)"))
                connection.execute(text(f"DELETE FROM {table.name} WHERE number = {number}"))
                columns = ", ".join(f'"{name}"' for name in row)
                places = ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table.name} ({columns}) VALUES ({places})"), dict(row))
            assert verify(place.database).wrong == [], f"{table.name}.{column}"


def test_the_break_of_one_seal_is_reported_once(place: Place) -> None:
    seal_each(place.database, 5)
    disarm(place)
    place.execute("UPDATE audit_acts SET actor = 'other' WHERE number = 3")
    (refusal,) = verify(place.database).wrong
    assert (refusal.reason, refusal.facts["seal"], refusal.facts["first"]) == ("AUDIT_ROWS_CHANGED", 3, 3)
    assert "3–3" in refusal.sentence.en
    assert verify(place.database, latest=2).wrong == []
    assert reasons(verify(place.database, latest=3)) == {"AUDIT_ROWS_CHANGED"}


def test_removed_and_added_rows_are_found(place: Place) -> None:
    seal_each(place.database, 3)
    disarm(place)
    copy = (
        "INSERT INTO audit_acts (number, id, at, institution, actor, session, act, kind, object, facts, request_id)"
        " SELECT {number}, :id, at, institution, actor, session, act, kind, object, facts, request_id"
        " FROM audit_acts WHERE number = 3"
    )
    new = new_id().bytes if place.database.is_sqlite else new_id()
    place.execute(copy.format(number=-7), id=new)
    assert reasons(verify(place.database)) == {"AUDIT_ROWS_ADDED"}
    place.execute("DELETE FROM audit_acts WHERE number = -7")
    place.execute("DELETE FROM audit_acts WHERE number = 2")
    assert reasons(verify(place.database)) == {"AUDIT_ROWS_REMOVED"}
    place.execute(copy.format(number=2), id=new)
    assert reasons(verify(place.database)) == {"AUDIT_ROWS_CHANGED"}


def test_removed_seals_are_found_and_a_shortened_chain_by_its_earlier_head(place: Place) -> None:
    database = place.database
    seal_each(database, 3)
    head = verify(database).head
    act(database, 4)
    Sealer(database).step()
    assert verify(database, head=head).wrong == []
    disarm(place)
    place.execute("DELETE FROM audit_seals WHERE number = 2")
    assert "AUDIT_SEALS_MISSING" in reasons(verify(database))
    for table in (seals, acts):
        place.execute(f"DELETE FROM {table.name} WHERE number > 1")
    assert verify(database).wrong == []
    assert reasons(verify(database, head=head)) == {"AUDIT_HEAD_OTHER"}


def test_acts_that_wait_for_their_seal_for_a_minute_are_found(database: Database) -> None:
    act(database, 1)
    assert verify(database).wrong == []
    with clock.frozen(clock.now() + timedelta(seconds=120)):
        (refusal,) = verify(database).wrong
    assert (refusal.reason, refusal.facts["count"]) == ("AUDIT_ROWS_UNSEALED", 1)
    assert refusal.facts["seconds"] >= 89


@pytest.mark.parametrize("table", ["audit_acts", "audit_seals"])
@pytest.mark.parametrize("statement", ["UPDATE {table} SET at = at", "DELETE FROM {table}"])
def test_a_service_can_neither_change_nor_remove_rows(database: Database, table: str, statement: str) -> None:
    seal_each(database, 1)
    with pytest.raises((DBAPIError, Unavailable)) as refusal, database.transaction(TEST) as session:
        session.execute(text(statement.format(table=table)))
    message = str(refusal.value)
    assert ("append-only" if database.is_sqlite else "permission denied") in message
    assert verify(database).rows == 1


@pytest.mark.servers
def test_on_postgresql_a_service_cannot_empty_the_tables_either(postgres_url: str, postgres_owner_url: str) -> None:
    with (
        migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database,
        pytest.raises(Unavailable, match="permission denied"),
        database.transaction(TEST) as session,
    ):
        session.execute(text("TRUNCATE audit_acts"))


@contextmanager
def running(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=20)


def is_sealed(database: Database, count: int) -> bool:
    with database.reading(TEST) as session:
        return session.scalar(select(func.coalesce(func.sum(seals.c.count), 0))) == count


def has_seal(database: Database) -> bool:
    with database.reading(TEST) as session:
        return session.scalar(select(seals.c.number).limit(1)) is not None


def test_writers_at_the_same_time_are_sealed_completely_while_they_write(database: Database) -> None:
    def write(seed: int) -> int:
        """Write until a seal is there, and once more. Returns the number of rows."""
        chance, rows, number, is_last = random.Random(seed), 0, 0, False
        # On PostgreSQL seals wait for all older transactions of the server, also those of other tests.
        end = time.monotonic() + 120
        while not is_last:
            assert time.monotonic() < end, "nothing was sealed while the writers wrote"
            is_last = number >= 10 and has_seal(database)
            with suppress(ZeroDivisionError), database.transaction(CALLER) as session:
                record(session, CALLER, "members.register", kind="member", object_id=number)
                time.sleep(chance.random() * 0.02)
                record(session, CALLER, "members.card", kind="member", object_id=number)
                if number % 5 == 4 and not is_last:
                    raise ZeroDivisionError
                rows += 2
            number += 1
        return rows

    with running(Sealer(database).run), ThreadPoolExecutor(6) as pool:
        rows = sum(pool.map(write, range(6)))
        eventually(lambda: is_sealed(database, rows), seconds=120)
    result = verify(database)
    assert (result.rows, result.wrong) == (rows, [])
    assert result.seals > 1


def test_two_sealers_without_a_lease_do_not_fork_the_chain(database: Database) -> None:
    with running(Sealer(database).run, Sealer(database).run):
        for number in range(40):
            act(database, number)
            time.sleep(0.01)
        eventually(lambda: is_sealed(database, 40))
    assert (verify(database).rows, verify(database).wrong) == (40, [])


def test_a_second_sealer_is_refused_by_the_key_of_the_seal(database: Database) -> None:
    act(database, 1)
    with database.transaction(TEST) as session:
        values = next_seal(session, upto=10)
        assert values is not None
        assert values["count"] == 1
        session.execute(insert(seals).values(**values))
        with pytest.raises(DBAPIError), session.begin_nested():
            session.execute(insert(seals).values(**values))


def test_the_job_seals_within_a_second_in_one_process_at_a_time(place: Place) -> None:
    first = place.database
    second = Database(first.url.render_as_string(hide_password=False))
    stop = threading.Event()
    threads = []
    for database in (first, second):
        resources = Resources(settings=Settings(), database=database, service=SERVICE)
        threads += start((SEAL,), resources, stop)
    for number in range(20):
        act(first if number % 2 else second, number)
    eventually(lambda: is_sealed(first, 20))
    stop.set()
    for thread in threads:
        thread.join(timeout=20)
    second.close()
    assert verify(first).wrong == []


def test_a_chain_goes_on_after_its_process_was_killed(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    program = "tests.example_services.audited_writer:main"
    for _ in range(2):
        before = len(stored(database, seals))
        with start_program(["seal", url], program=program, env=environment_with(), cwd=CHECKOUT) as writer:
            eventually(lambda before=before: len(stored(database, seals)) >= before + 3, seconds=60)
            writer.kill()
    rows = len(stored(database))
    with running(Sealer(database).run):
        eventually(lambda: is_sealed(database, rows))
    result = verify(database)
    assert (result.rows, result.wrong) == (rows, [])


def test_more_rows_than_a_batch_are_sealed_and_verified(database: Database) -> None:
    with database.transaction(CALLER) as session:
        rows = [row_of(replace(CALLER, actor=f"a{n}"), "a.b", kind="k", object_id=n) for n in range(2_300)]
        session.execute(insert(acts), rows)
    sealer = Sealer(database)
    assert [sealed_by(sealer) for _ in range(3)] == [1_000, 1_000, 300]
    assert sealer.step() == 0
    result = verify(database)
    assert (result.rows, result.seals, result.wrong) == (2_300, 3, [])
