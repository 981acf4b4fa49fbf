"""On PostgreSQL rows are committed in another order than their numbers; a seal waits for smaller numbers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text

from chassis.audit import acts, record, seals
from chassis.audit.hash_chain import Sealer
from chassis.audit.verification import verify
from chassis.context import system
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from tests.example_services.audited_writer import CALLER, act
from tests.example_services.installation import eventually
from tests.example_services.stock.service import SERVICE

TEST = system("test")


def stored(database: Database, table: Any = acts) -> Any:
    with database.reading(TEST) as session:
        return session.execute(select(table).order_by(table.c.number)).all()


@pytest.mark.servers
def test_a_number_is_assigned_after_its_transaction_has_an_id(postgres_url: str, postgres_owner_url: str) -> None:
    with (
        migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database,
        database.transaction(TEST) as session,
    ):
        has_id = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        assert session.scalar(has_id) is False
        session.execute(text("SELECT audit_number()"))
        assert session.scalar(has_id) is True


@pytest.mark.servers
def test_a_row_that_is_committed_after_a_larger_number_is_sealed_in_its_place(
    postgres_url: str, postgres_owner_url: str
) -> None:
    with migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database:
        sealer = Sealer(database)
        with database.transaction(CALLER) as session:
            record(session, CALLER, "members.register", kind="member", object_id="early")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(act, database, 2).result(timeout=20)
            assert [row.number for row in stored(database)] == [2]
            assert sealer.step() == 0
        eventually(lambda: sealer.step() > 0)
        assert [row.count for row in stored(database, seals)] == [2]
        assert verify(database).wrong == []


@pytest.mark.servers
def test_a_row_of_a_running_transaction_with_the_newest_id_is_sealed_in_its_place(
    postgres_url: str, postgres_owner_url: str
) -> None:
    """The transaction with the larger id has the smaller number, and no transaction after it has ended."""
    with migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database:
        sealer, has_id, has_number = Sealer(database), threading.Event(), threading.Event()

        def write_second() -> None:
            with database.transaction(CALLER) as session:
                session.execute(text("SELECT pg_current_xact_id()"))
                has_id.set()
                assert has_number.wait(20)
                record(session, CALLER, "members.register", kind="member", object_id="second")

        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(write_second)
            assert has_id.wait(20)
            with database.transaction(CALLER) as session:
                record(session, CALLER, "members.register", kind="member", object_id="first")
                has_number.set()
                second.result(timeout=20)
                assert [row.number for row in stored(database)] == [2]
                assert sealer.step() == 0
        eventually(lambda: sealer.step() > 0)
        assert [row.count for row in stored(database, seals)] == [2]
        assert verify(database).wrong == []
