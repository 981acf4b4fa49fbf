"""An import is undone: what it created goes, what it changed or deleted is as before, and what is out stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Refused
from services.catalog import tasks
from services.catalog.cataloguing.items import Acquisition
from services.catalog.cataloguing.offers import list_offers, refuse_offer
from services.catalog.cataloguing.records import replace_record
from services.catalog.cataloguing.register.numbering import number_items
from services.catalog.importing import undo
from services.catalog.importing.dropped_sources import drop_source
from services.catalog.importing.fast_adds import fast_add
from services.catalog.items.edits import change_item
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import EditedRecord, ImportChange, Item, ItemState, Record, Task
from tests.builders import book, iso
from tests.conditions import eventually
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing import test_import_tasks
from tests.services.catalog.importing.test_deletions import deletion, lend
from tests.services.catalog.importing.test_import_tasks import SYSTEM, Staff, titles

staff = test_import_tasks.staff  # of a source with the records 1 (item B1), 2 and 3


def start(staff: Staff, task: Task) -> UUID:
    with staff.database.transaction(staff.context) as session:
        return undo.start_undo(session, str(task.id), context=staff.context).id


def undone(staff: Staff, task: Task) -> UUID:
    task_id = start(staff, task)
    staff.run()
    assert staff.task(task_id).state == "done"
    return task_id


def named(staff: Staff, task_id: UUID) -> list[tuple[str, str, str]]:
    with staff.database.reading(SYSTEM) as session:
        rows = tasks.findings_of(session, staff.task(task_id), after=0, most=100)
        return sorted((row.reason, row.key, row.title) for row in rows)


def state(database: Database) -> list[Any]:
    """Live records with their content and the barcodes of their items."""
    with database.reading(READER) as session:
        records = session.execute(
            select(Record.id, Record.control_key, Record.marc, Record.number)
            .where(Record.deleted_at.is_(None))
            .order_by(Record.number)
        ).all()
        items = session.execute(select(Item.record_number, Item.id, Item.barcode, Item.call_number)).all()
    return [
        (
            row.id,
            row.control_key,
            Marc.unpack(row.marc).fields,
            sorted(item[1:] for item in items if item[0] == row.number),
        )
        for row in records
    ]


def test_of_an_import_with_three_items_on_loan_all_but_these_go_and_they_are_named(
    staff: Staff, database: Database
) -> None:
    count = 5_000 if database.is_sqlite else 1_000
    before = state(database)
    task = staff.import_(iso(book(str(n), f"Judul {n}", items=[("PST", f"N{n}")]) for n in range(10, 10 + count)))
    assert staff.report(task.id, "created", "items_created") == (count, count)
    for barcode in ("N11", "N500", "N999"):
        lend(database, barcode)
    task_id = undone(staff, task)
    assert staff.report(task_id, "created", "updated", "kept") == (count - 3, 0, 3)
    assert named(staff, task_id) == [("UNDO_ITEM_OUT", f"N{n}", f"Judul {n}") for n in (11, 500, 999)]
    assert [row[1] for row in state(database)] == [f"(TEST){n}" for n in (1, 2, 3, 11, 500, 999)]
    assert state(database)[:3] == before
    with database.reading(READER) as session:
        assert set(session.scalars(select(Item.barcode))) == {"B1", "N11", "N500", "N999"}


def test_changed_deleted_and_restored_records_are_as_before_with_their_items(
    staff: Staff, database: Database, import_: Importer
) -> None:
    import_([book(str(n), f"Judul {n}", items=[("PST", f"N{n}")]) for n in (4, 5, 6, 7)])
    import_([deletion("7")])
    before = state(database)
    changed = [
        *(book("1", "Satu, edisi baru", items=[("PST", "B9")]), book("4", "Empat", items=[("PST", "N4")])),
        *(deletion("5"), book("7", "Judul 7", items=[("PST", "N7")]), book("8", "Delapan")),
    ]
    task = staff.import_(iso(changed), most_missing=3)
    assert staff.report(task.id, "created", "updated", "deleted", "missing") == (1, 3, 1, 3)
    assert set(titles(database)) == {f"(TEST){n}" for n in (1, 4, 7, 8)}
    task_id = undone(staff, task)
    assert state(database) == before
    assert staff.report(task_id, "created", "updated", "kept") == (2, 6, 0)
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(ImportChange)) == 0
    assert staff.report(undone(staff, task), "created", "updated", "kept") == (0, 0, 0)


def test_what_staff_have_edited_since_stays_and_an_offer_is_withdrawn(staff: Staff, database: Database) -> None:
    def edit(key: str, title: str) -> None:
        with database.transaction(staff.context) as session:
            row = session.execute(select(Record.id, Record.version).where(Record.control_key == f"(TEST){key}")).one()
            replace_record(session, str(row.id), book(key, title), version=row.version, context=staff.context)

    edit("3", "Tiga, di sini")
    task = staff.import_(iso([book("2", "Dua, baru"), book("3", "Tiga, baru"), book("4", "Empat"), book("5", "Lima")]))
    with database.reading(READER) as session:  # an import beside an edit: the edit stays, the offer is there
        assert session.scalar(select(func.count()).where(EditedRecord.offer_id.is_not(None))) == 1
    edit("2", "Dua, di sini")
    edit("4", "Empat, di sini")
    task_id = undone(staff, task)
    assert named(staff, task_id) == [
        ("UNDO_CHANGED_SINCE", "(TEST)2", "Dua, di sini"),
        ("UNDO_CHANGED_SINCE", "(TEST)4", "Empat, di sini"),
        ("UNDO_OFFER_WITHDRAWN", "(TEST)3", "Tiga, di sini"),
    ]
    assert set(titles(database)) == {f"(TEST){n}" for n in (1, 2, 3, 4)}
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).where(EditedRecord.offer_id.is_not(None))) == 0


def test_a_second_undo_goes_on_with_what_stayed_and_removes_no_record_of_before(
    staff: Staff, database: Database
) -> None:
    before = state(database)
    task = staff.import_(iso([book("2", "Dua, baru", items=[("PST", "N2")])]))
    lend(database, "N2")
    first = undone(staff, task)
    assert named(staff, first) == [("UNDO_ITEM_OUT", "N2", "Dua, baru")] == named(staff, undone(staff, task))
    with database.transaction(SYSTEM) as session:
        session.execute(update(ItemState).values(state="in"))
    assert staff.report(undone(staff, task), "created", "updated", "kept") == (0, 1, 0)
    assert state(database) == before


@pytest.mark.parametrize("is_out", [False, True])
def test_an_item_of_a_desk_that_the_import_has_claimed_stays(staff: Staff, database: Database, is_out: bool) -> None:
    with database.transaction(staff.context) as session:
        fast_add(session, barcode="F1", branch="PKS/PST", title="Negeri", context=staff.context)
    if is_out:
        lend(database, "F1")
    task = staff.import_(iso([book("40", "Negeri", items=[("PST", "F1")])]))
    named_once = [("UNDO_ITEM_OUT", "F1", "Negeri") if is_out else ("UNDO_OWN_ITEMS", "(TEST)40", "Negeri")]
    assert named(staff, undone(staff, task)) == named_once
    with database.reading(READER) as session:
        assert "F1" in session.scalars(select(Item.barcode)).all()


def test_items_that_staff_have_numbered_or_changed_since_stay_with_their_records(
    staff: Staff, database: Database
) -> None:
    records = [book(str(n), f"Judul {n}", items=[("PST", f"N{n}")]) for n in (1, 20, 21)]
    task = staff.import_(iso(records))
    with database.transaction(staff.context) as session:
        rows = {row.barcode: row for row in session.execute(select(Item.barcode, Item.id, Item.version))}
        for barcode in ("N1", "N20"):
            row = rows[barcode]
            change_item(session, str(row.id), row.version, barcode=f"X{barcode}", status=None, context=staff.context)
        acquired, cursor = Acquisition("gift"), ""
        while cursor := number_items(session, acquisition=acquired, cursor=cursor, context=staff.context).cursor:
            pass
    kept = [("UNDO_OWN_ITEMS", f"(TEST){n}", f"Judul {n}") for n in (1, 20, 21)]
    assert named(staff, undone(staff, task)) == kept
    with database.reading(READER) as session:
        assert set(session.scalars(select(Item.barcode))) == {"XN1", "XN20", "N21"}


def test_a_record_that_one_import_changes_and_then_deletes_is_as_before(staff: Staff, database: Database) -> None:
    before = state(database)
    filler = [book(str(n), f"Judul {n}") for n in range(100, 605)]  # the deletion is in another batch
    task = staff.import_(iso([book("2", "Dua, baru"), *filler, deletion("2"), deletion("100")]))
    assert staff.report(undone(staff, task), "created", "updated", "kept") == (504, 1, 0)
    assert state(database) == before


def test_an_offer_that_staff_have_refused_is_not_reported_as_withdrawn(staff: Staff, database: Database) -> None:
    with database.transaction(staff.context) as session:
        row = session.execute(select(Record.id, Record.version).where(Record.control_key == "(TEST)3")).one()
        replace_record(session, str(row.id), book("3", "Di sini"), version=row.version, context=staff.context)
    task = staff.import_(iso([book("3", "Tiga, baru")]))
    with database.transaction(staff.context) as session:
        [offer] = list_offers(session, cursor="", limit=0, context=staff.context)[0]
        refuse_offer(session, str(offer.id), context=staff.context)
    assert named(staff, undone(staff, task)) == [("UNDO_CHANGED_SINCE", "(TEST)3", "Di sini")]


def test_only_the_last_import_of_a_source_is_undone(staff: Staff, database: Database, import_: Importer) -> None:
    task = staff.import_(iso([book("4", "Empat")]))
    waiting = start(staff, task)
    import_([book("5", "Lima")])
    staff.run()
    assert (staff.task(waiting).state, "UNDO_TOO_LATE" in staff.task(waiting).error) == ("failed", True)
    with pytest.raises(Refused, match="UNDO_TOO_LATE"):
        start(staff, task)
    with pytest.raises(Refused, match="TASK_NOT_UNDONE"):
        start(staff, staff.task(waiting))
    last = staff.import_(iso([book("6", "Enam")]))
    drop_source(database, SYSTEM, "TEST")
    with pytest.raises(Refused, match="UNDO_TOO_LATE"):
        start(staff, last)


def test_a_killed_undo_is_taken_up_again(staff: Staff, database: Database) -> None:
    before = state(database)
    task = staff.import_(iso(book(str(n), f"Judul {n}", items=[("PST", f"N{n}")]) for n in range(1, 1100)))
    lend(database, "N5")
    task_id = start(staff, task)
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-P", "-m", "tests.services.catalog.killed_task", url]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    def is_done() -> bool:
        staff.run()
        return staff.task(task_id).state == "done"

    eventually(is_done, seconds=20)  # a lease of PostgreSQL ends after 6 s
    assert staff.report(task_id, "created", "updated", "kept") == (1095, 3, 1)
    assert [row for row in state(database) if row[1] != "(TEST)5"] == before
