"""A catalogue whose works an older release has grouped by other rules gets those of this release."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import delete, select, update

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog.checks import works as look
from services.catalog.importing import regrouping
from services.catalog.service import SERVICE
from services.catalog.tables import IndexQueue, Installation, Record, WorkKey
from services.catalog.works.assignment import new_works
from services.catalog.works.keys import RULES, pack
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.works.conftest import Works, of

CONTEXT = system("test")
NEVER = threading.Event()
VOLUMES = [book(number, "Supernova", more=[["490", "0 ", "a", "Supernova ;", "v", number]]) for number in "123"]
OTHERS = [book("4", "Adat dan ulama"), book("5", "Adat & ulama"), book("6", "Kemarau")]


@pytest.fixture
def works(database: Database, import_: Importer) -> Works:
    """Three volumes that are one work, one book that is two, and one that is the same by all rules."""
    works = Works(database, import_)
    works.put(*VOLUMES, *OTHERS)
    with database.transaction(CONTEXT) as session:
        columns = session.execute(select(Record.control_key, Record.number, Record.work_number)).all()
        rows = {row.control_key[-1]: row for row in columns}
        session.execute(delete(WorkKey))
        for key in "123456":
            # The second volume's work is free, because the volume is with the first.
            work = rows["2" if key == "5" else "1" if key in "123" else key].work_number
            old_key = 1 if key in "123" else int(key)
            values = {"work_number": work, "work_keys": pack([old_key])}
            session.execute(update(Record).where(Record.number == rows[key].number).values(**values))
            if key not in "23":
                session.add(WorkKey(key=old_key, work_number=work))
        session.execute(delete(IndexQueue))
        session.execute(update(Installation).values(works_rules=1))
    assert works.partition() == of("123", "4", "5", "6")
    return works


def test_works_part_and_join_by_the_rules_of_this_release(works: Works) -> None:
    first, kept, alone = works.work_id("1"), works.work_id("4"), works.work_id("6")
    regrouping.regroup_records(works.database, CONTEXT, NEVER)
    assert works.partition() == of("1", "2", "3", "45", "6")
    assert (works.work_id("1"), works.work_id("6")) == (first, alone)
    assert kept in (works.work_id("4"), works.work_id("5")) or works.shown_by(kept).id == works.work_id("4")
    works.put(book("7", "Adat dan Ulama"), book("8", "Supernova", more=[["490", "0 ", "a", "Supernova ;", "v", "3"]]))
    assert works.partition() == of("1", "2", "38", "457", "6")


def test_records_that_moved_get_a_new_version_and_go_to_the_index(works: Works) -> None:
    assert regrouping.regroup_records(works.database, CONTEXT, NEVER) == 3
    with works.database.reading(READER) as session:
        queued = set(session.scalars(select(IndexQueue.record_number)))
        versions = {row.number: (row.version, row.control_key[-1]) for row in session.scalars(select(Record))}
    assert {key for version, key in versions.values() if version > 1} == {versions[number][1] for number in queued}
    assert {"2", "3"} < {versions[number][1] for number in queued} <= {"2", "3", "4", "5"}


def test_batch_by_batch_it_comes_to_the_same_and_is_done_once(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrouping, "BATCH", 1)
    stop = threading.Event()
    stop.set()
    assert regrouping.regroup_records(works.database, CONTEXT, stop) == 0
    regrouping.regroup_records(works.database, CONTEXT, NEVER)
    assert works.partition() == of("1", "2", "3", "45", "6")
    assert regrouping.regroup_records(works.database, CONTEXT, NEVER) == 0
    regrouping.begin(works.database, CONTEXT)
    assert regrouping.regroup_records(works.database, CONTEXT, NEVER) == 0
    assert works.partition() == of("1", "2", "3", "45", "6")


def test_records_that_the_release_before_imports_later_are_regrouped_on_request(works: Works) -> None:
    regrouping.regroup_records(works.database, CONTEXT, NEVER)
    works.put(book("7", "Adat dan Ulama"))
    with works.database.transaction(CONTEXT) as session:
        (work,) = new_works(session, 1)
        row = session.scalars(select(Record).order_by(Record.number.desc()).limit(1)).one()
        session.execute(update(Record).where(Record.number == row.number).values(work_number=work, work_keys=pack([7])))
        session.add(WorkKey(key=7, work_number=work))
    assert works.partition() == of("1", "2", "3", "45", "6", "7")
    assert regrouping.regroup_records(works.database, CONTEXT, NEVER) == 0
    regrouping.begin(works.database, CONTEXT)
    assert regrouping.regroup_records(works.database, CONTEXT, NEVER) == 1
    assert works.partition() == of("1", "2", "3", "457", "6")


def test_a_librarians_decision_stays(works: Works) -> None:
    works.join("3", into="1")
    regrouping.regroup_records(works.database, CONTEXT, NEVER)
    assert works.partition() == of("13", "2", "45", "6")


def test_doctor_counts_records_of_older_rules(works: Works) -> None:
    resources = Resources(settings=Settings(), database=works.database, service=SERVICE)
    (finding,) = look(resources)
    assert (finding.ok, finding.message.en) == (False, "6 records are not grouped into a work yet.")
    regrouping.regroup_records(works.database, CONTEXT, NEVER)
    (finding,) = look(resources)
    assert finding.ok


def test_a_new_catalogue_has_the_rules_of_this_release(database: Database) -> None:
    with database.reading(READER) as session:
        assert session.scalars(select(Installation.works_rules)).one() == RULES
