"""Sandboxes: only where the setting allows them, with items that can be lent and records that nobody reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.institutions import ended_sandboxes
from chassis.service import Resources
from chassis.settings import Settings
from rangkiang.catalog.v1 import catalog_pb2 as wire
from services.catalog import queries, rpc
from services.catalog.harvest.numbering import number_old_changes
from services.catalog.harvest.sets import list_sets
from services.catalog.importing.sandboxes import add_sandbox, sandbox
from services.catalog.index.changes import load_changes
from services.catalog.institutions.file import read_institutions
from services.catalog.service import SERVICE
from services.catalog.tables import IndexQueue, Institution, Item, NumberedChange, Record
from tests.migrated import copied_database

TEST = system("test")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with copied_database(SERVICE, tmp_path) as database:
        yield database


def test_without_the_setting_a_sandbox_is_refused_with_the_name_of_the_setting(
    database: Database, tmp_path: Path
) -> None:
    servicer: Any = rpc.servicer(Resources(settings=Settings(data=tmp_path), database=database, service=SERVICE))
    with pytest.raises(NotFound) as refusal:
        servicer.AddSandbox(wire.AddSandboxRequest(), None)
    assert (refusal.value.reason, "SANDBOX" in refusal.value.sentence.en) == ("SANDBOX_OFF", True)


def test_the_records_of_a_sandbox_are_in_no_index_list_or_work(database: Database) -> None:
    with database.transaction(TEST) as session:
        institution, barcodes = add_sandbox(session, context=TEST)
        numbers = session.scalars(select(Record.number)).all()
        assert len(numbers) == len(barcodes) == len(session.scalars(select(Item.id)).all()) == 10
        assert session.scalars(select(IndexQueue.record_number)).all() == []
        assert {change.document for change in load_changes(session, dict.fromkeys(numbers, 1))} == {None}
        assert session.scalars(select(Record.work_number).distinct()).all() == [None]
        listed = queries.list_records(session, after=0, limit=10), queries.list_deleted(session, limit=10)
        assert listed == ([], [])
        assert queries.institutions(session) == []
        assert queries.branches(session) == []
        assert [branch.code for branch, _ in queries.branches(session, institution=institution.code)] == ["PST"]


def test_the_records_of_a_sandbox_are_in_no_harvest(database: Database) -> None:
    with database.transaction(TEST) as session:
        institution, _ = add_sandbox(session, context=TEST)
    number_old_changes(database, TEST, threading.Event())
    with database.reading(TEST) as session:
        assert session.scalars(select(NumberedChange.change_number)).all() == []
        assert not [name for name, _ in list_sets(session) if institution.code in name]


def test_only_a_sandbox_is_confirmed_as_one(database: Database) -> None:
    with database.transaction(TEST) as session:
        made, _ = add_sandbox(session, context=TEST)
        assert sandbox(session, made.id).code == made.code
        with pytest.raises(NotFound, match="SANDBOX_UNKNOWN"):
            sandbox(session, "0192f3a4-0000-7000-8000-000000000001")


def test_an_institution_with_an_older_code_that_begins_like_a_sandbox_stays(database: Database) -> None:
    with database.transaction(TEST) as session:
        made, _ = add_sandbox(session, context=TEST)
        other, _ = add_sandbox(session, context=TEST)
        session.get_one(Institution, UUID(other.id)).code = "SANDBOX-KOTA"
    with clock.frozen(clock.now() + timedelta(hours=27)), database.reading(TEST) as session:
        assert ended_sandboxes(session, Institution) == [UUID(made.id)]


def test_an_institution_of_a_file_cannot_be_deleted_as_a_sandbox(tmp_path: Path) -> None:
    path = tmp_path / "institutions.toml"
    path.write_text(
        '[[institution]]\ncode = "SANDBOX-A"\nzone = "Asia/Jakarta"\nname = { id = "Perpustakaan", en = "Library" }\n'
    )
    with pytest.raises(Invalid, match="SANDBOX-"):
        read_institutions(path)
