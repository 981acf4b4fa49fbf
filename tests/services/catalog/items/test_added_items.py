"""Items that cataloguers add, edit, move and remove; imports leave them alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from chassis import clock
from chassis.audit import acts
from chassis.context import READER, Context
from chassis.database.db import Database
from chassis.errors import Error, Gone
from services.catalog.cataloguing.items import Acquisition, AddedItem, add_items
from services.catalog.importing.fast_adds import fast_add
from services.catalog.items.edits import EditedItem, change_item, get_item, list_items, remove_item
from services.catalog.tables import Accession, IndexQueue, Institution, Item, ItemState, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing.test_deletions import deletion
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.items.test_identities import ids, owners, take_events

__all__ = ["caller"]
GIFT = Acquisition(
    "gift", acquired_on="2020-05-04", supplier="Keluarga A. A. Navis", document="BAST 12/2020", amount=85_000
)


def record_id(database: Database, caller: Context, key: str = "1") -> str:
    with database.reading(caller) as session:
        return str(session.scalars(select(Record.id).where(Record.control_key.endswith(key))).one())


def add(database: Database, caller: Context, key: str = "1", **values: Any) -> list[AddedItem]:
    record = values.pop("record", "") or record_id(database, caller, key)
    with database.transaction(caller) as session:
        values = {"count": 1, "branch": "PKS/PST", "acquisition": GIFT, **values}
        return add_items(session, record, **values, context=caller)


def edit(database: Database, caller: Context, item_id: UUID, version: int, **values: Any) -> EditedItem:
    with database.transaction(caller) as session:
        values = {"barcode": None, "status": None, **values}
        return change_item(session, str(item_id), version, **values, context=caller)


def remove(database: Database, caller: Context, item_id: UUID, version: int, reason: str = "hilang") -> None:
    with database.transaction(caller) as session:
        remove_item(session, str(item_id), version, reason=reason, context=caller)


def refusal(call: Any, *args: Any, **values: Any) -> Error:
    with pytest.raises(Error) as refused:
        call(*args, **values)
    return refused.value


def lend(database: Database, caller: Context, item_id: UUID) -> None:
    row = {"state": "on_loan", "state_version": 1, "due_on": "2026-12-24"}
    with database.transaction(caller) as session:
        session.execute(insert(ItemState).values(item_id=item_id, institution_id=UUID(caller.institution), **row))


def test_items_are_added_with_barcodes_numbers_and_an_entry_in_the_register(
    database: Database, caller: Context
) -> None:
    first, second = add(database, caller, count=2, barcodes=["0012"], call_number="813 NAV r", collection="circulation")
    year = clock.now().year
    assert first.barcode == "0012"
    assert (len(second.barcode), second.barcode[0], second.barcode.isdigit()) == (14, "3", True)
    assert [item.accession_number for item in (first, second)] == [f"0000{n}/PKS/H/{year}" for n in (1, 2)]
    assert [(item["barcode"], item["status"], item["class"]) for item in take_events(database)] == [
        (item.barcode, "in_service", "813") for item in (first, second)
    ]
    with database.reading(caller) as session:
        item = get_item(session, str(second.id), context=caller)
        record = session.scalars(select(Record).where(Record.id == item.record_id)).one()
        entry = session.get_one(Accession, second.id)
        stored = session.get_one(Item, second.id)
        assert session.get(IndexQueue, record.number) is not None
        audited = session.execute(select(acts.c.act, acts.c.actor)).all()
    assert (item.accession_number, item.is_fast_add, item.call_number) == (second.accession_number, False, "813 NAV r")
    assert (stored.copy, stored.position, stored.call_sort.startswith(" 813 NAV R")) == ("4", 3, True)
    assert b'"available":4' in record.holdings
    assert (entry.source, entry.acquired_on, entry.amount, entry.currency) == ("gift", "2020-05-04", 85_000, "IDR")
    assert (entry.supplier, entry.document) == ("Keluarga A. A. Navis", "BAST 12/2020")
    assert audited == [("catalog.add_items", "account-1")]


def test_an_import_neither_removes_nor_changes_items_that_cataloguers_added_or_edited(
    database: Database, caller: Context, import_: Importer
) -> None:
    (added,) = add(database, caller, barcodes=["N"], room="Lantai 2")
    before = ids(database)
    edit(database, caller, before["B"], 1, room="Lantai 1")
    import_([book("1", "Kemarau", items=[("PST", "A"), ("CAB", "B"), ("CAB", "N")])])
    import_([book("1", "Kemarau", items=[])])
    assert ids(database) == {name: item_id for name, item_id in before.items() if name != "A"}
    with database.reading(caller) as session:
        items = [get_item(session, str(item_id), context=caller) for item_id in (added.id, before["B"])]
    assert [(item.branch, item.room, item.title) for item in items] == [
        ("PKS/PST", "Lantai 2", "Kemarau"),
        ("PKS/PST", "Lantai 1", "Kemarau"),
    ]


def test_an_item_moves_to_another_record_with_its_barcode_number_and_loan(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("1", items=[("PST", "A"), ("PST", "B")]), book("2", "Kemarau", items=[("PST", "C")])])
    (added,) = add(database, caller)
    lend(database, caller, added.id)
    take_events(database)
    moved = edit(database, caller, added.id, 1, record_id=record_id(database, caller, "2"))
    (event,) = take_events(database)
    assert (event["id"], event["record_id"], event["title"]) == (str(added.id), str(moved.record_id), "Kemarau")
    assert (moved.barcode, moved.accession_number) == (added.barcode, added.accession_number)
    edit(database, caller, ids(database)["A"], 1, record_id=str(moved.record_id))
    import_([book("1", items=[("PST", "A"), ("PST", "B")])])
    assert owners(database) == {"A": "2", "B": "1", "C": "2", added.barcode: "2"}
    with database.reading(caller) as session:
        first, second = session.scalars(select(Record).order_by(Record.number)).all()
        entry = session.get_one(Accession, added.id)
    assert entry.record_number == second.number
    assert b'"items":1' in first.holdings
    assert b'"items":3,"available":2' in second.holdings


def test_an_edit_changes_branch_collection_room_status_and_call_number(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("1", items=[("PST", "A"), ("CAB", "B")])])
    item_id = ids(database)["A"]
    values = {"branch": "PKS/CAB", "collection": "reference", "room": "Tandon", "call_number": "R 899.221 NAV r"}
    changed = edit(database, caller, item_id, 1, status="in_process", **values)
    assert {name: getattr(changed, name) for name in values} == values
    assert (changed.version, changed.status) == (2, "in_process")
    with clock.frozen(clock.now() + timedelta(hours=1)):
        edit(database, caller, ids(database)["B"], 2, status="in_process")
    outdated = refusal(edit, database, caller, item_id, 1, room="x")
    assert (outdated.reason, outdated.facts["changed_at"]) == ("VERSION_OUTDATED", clock.utc_text(changed.updated_at))
    for reason, wrong in {
        "BRANCH_UNKNOWN": {"branch": "PKS/XYZ"},
        "ITEM_TEXT_INVALID": {"room": "x" * 65},
        "STATUS_UNKNOWN": {"status": "lost"},
        "RECORD_UNKNOWN": {"record_id": str(UUID(int=3))},
    }.items():
        assert refusal(edit, database, caller, item_id, 2, **wrong).reason == reason


def test_a_removed_item_keeps_its_number_with_the_reason_and_imports_do_not_bring_it_back(
    database: Database, caller: Context, import_: Importer
) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    imported, before = ids(database)["A"], clock.now()
    remove(database, caller, added.id, 1, "Rusak kena banjir")
    remove(database, caller, imported, 1)
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B"), ("PST", "N")])])
    assert set(ids(database)) == {"B"}
    (next_item,) = add(database, caller)
    with database.reading(caller) as session:
        entry = session.get_one(Accession, added.id)
        changed, _ = list_items(session, cursor="", limit=0, context=caller, updated_since=before)
    assert {item.barcode for item in changed if item.is_gone} == {"A", "N"}
    assert (entry.number, entry.removal) == (added.accession_number, "Rusak kena banjir")
    assert next_item.accession_number.startswith("00002/")


def test_an_item_that_is_out_is_not_removed(database: Database, caller: Context) -> None:
    (added,) = add(database, caller)
    lend(database, caller, added.id)
    problem = refusal(remove, database, caller, added.id, 1)
    assert (problem.reason, problem.facts["due_on"]) == ("ITEM_IS_OUT", "2026-12-24")
    assert refusal(remove, database, caller, added.id, 7).reason == "VERSION_OUTDATED"
    assert refusal(remove, database, caller, added.id, 1, " ").reason == "ITEM_TEXT_INVALID"


def test_a_removed_item_that_is_added_again_keeps_its_id_and_number(database: Database, caller: Context) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    remove(database, caller, added.id, 1)
    again, fresh = add(database, caller, count=2, barcodes=["N"])
    assert (again.id, again.version, again.accession_number) == (added.id, 3, added.accession_number)
    assert fresh.accession_number.startswith("00002/")
    with database.reading(caller) as session:
        assert session.get_one(Accession, added.id).removal == ""


def test_refusals_of_new_items_say_why_and_take_no_number(database: Database, caller: Context) -> None:
    for reason, values in {
        "RECORD_UNKNOWN": {"record": str(UUID(int=3))},
        "ITEMS_OUT_OF_BOUNDS": {"count": 501},
        "BARCODES_TOO_MANY": {"barcodes": ["X", "Y"]},
        "BARCODE_TWICE": {"barcodes": ["X", " X"], "count": 2},
        "BARCODE_INVALID": {"barcodes": [""]},
        "BARCODE_TAKEN": {"barcodes": ["A"]},
        "BRANCH_UNKNOWN": {"branch": "UNAND/PST"},
        "STATUS_UNKNOWN": {"status": "lost"},
        "ITEM_TEXT_INVALID": {"call_number": "8" * 201},
        "ACQUISITION_SOURCE_UNKNOWN": {"acquisition": Acquisition("stolen")},
        "ACQUISITION_INVALID": {"acquisition": Acquisition("gift", acquired_on="2999-01-01")},
    }.items():
        assert refusal(add, database, caller, **values).reason == reason
    (item,) = add(database, caller)
    assert item.accession_number.startswith("00001/")


def test_five_hundred_copies_are_one_act(database: Database, caller: Context) -> None:
    added = add(database, caller, count=500)
    assert len({item.barcode for item in added} | {item.accession_number for item in added}) == 1000
    assert added[-1].accession_number.startswith("00500/")
    assert len(take_events(database)) == 500


def test_a_barcode_that_was_scanned_wrongly_belongs_to_the_next_book_with_it(
    database: Database, caller: Context, import_: Importer
) -> None:
    (wrong,) = add(database, caller, barcodes=["N"])
    edit(database, caller, wrong.id, 1, barcode="N2")
    import_([book("2", "Kemarau", items=[("PST", "N")])])
    assert owners(database) == {"A": "1", "B": "1", "N": "2", "N2": "1"}
    assert import_.reasons == []
    remove(database, caller, wrong.id, 2)
    remove(database, caller, ids(database)["N"], 1)
    (again,) = add(database, caller, barcodes=["N2"])
    assert (again.id, again.accession_number) == (wrong.id, wrong.accession_number)


def test_an_own_item_that_waits_for_a_barcode_stays_as_edited(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("2", "Kemarau", items=[("PST", "A")])])
    waiting = ids(database)[None]
    edit(database, caller, waiting, 1, room="Lantai 2")
    import_([book("2", "Kemarau lagi", items=[("PST", "B"), ("PST", "A")])])
    with database.reading(caller) as session:
        item = session.get_one(Item, waiting)
    assert (item.room, item.is_own, item.contested_barcode) == ("Lantai 2", True, "A")


def test_an_item_without_a_barcode_that_moved_here_takes_the_place_of_no_item_of_an_import(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("2", "Kemarau", items=[("PST", "")]), book("3", "Kaba", items=[("PST", "")])])
    with database.reading(caller) as session:
        moving = session.scalars(select(Item.id).join(Record).where(Record.control_key.endswith("3"))).one()
    edit(database, caller, moving, 1, record_id=record_id(database, caller, "2"))
    import_([book("2", "Kemarau lagi", items=[("PST", ""), ("PST", "")])])
    with database.reading(caller) as session:
        of_record = select(Item.position).join(Record).where(Record.control_key.endswith("2"))
        assert session.scalars(of_record.order_by(Item.position)).all() == [-1, 0, 1]


def test_an_import_says_that_a_barcode_belongs_to_an_own_item_of_another_record_or_to_a_removed_one(
    database: Database, caller: Context, import_: Importer
) -> None:
    add(database, caller, barcodes=["N"])
    remove(database, caller, ids(database)["A"], 1)
    import_([book("1", "Kaba", items=[("PST", "B"), ("PST", "N")])])
    assert import_.reasons == []
    import_([book("2", "Kemarau", items=[("PST", "N"), ("PST", "A")])])
    assert import_.reasons == ["BARCODE_IN_USE", "BARCODE_IN_USE"]
    assert owners(database) == {"B": "1", "N": "1"}


@pytest.mark.parametrize("act", [add, edit, remove])
def test_another_institution_adds_changes_and_removes_nothing_here(
    database: Database, caller: Context, import_: Importer, act: Any
) -> None:
    import_([book("9", items=[("PST", "Z")])], source="OTHER", institution="UNAND")
    with database.reading(READER) as session:
        unand = session.scalars(select(Institution.id).where(Institution.code == "UNAND")).one()
    stranger = Context(institution=str(unand), actor="account-2")
    item, record = ids(database)["A"], record_id(database, caller)
    if act is add:
        problem = refusal(add, database, stranger, record=record, branch="UNAND/PST")
        assert problem.reason == "RECORD_UNKNOWN"
    else:
        assert refusal(act, database, stranger, item, 1).reason == "ITEM_NOT_FOUND"
    theirs = ids(database)["Z"]
    assert refusal(edit, database, stranger, theirs, 1, record_id=record).reason == "RECORD_UNKNOWN"
    assert refusal(edit, database, stranger, theirs, 1, branch="PKS/PST").reason == "BRANCH_UNKNOWN"
    assert owners(database) == {"A": "1", "B": "1", "Z": "9"}


def test_a_deleted_record_gets_no_items_and_says_so(database: Database, caller: Context, import_: Importer) -> None:
    import_([book("2", "Kemarau", items=[("PST", "C")])])
    deleted = record_id(database, caller, "2")
    import_([deletion("2")])
    assert refusal(add, database, caller, record=deleted).reason == "RECORD_DELETED"
    assert refusal(edit, database, caller, ids(database)["A"], 1, record_id=deleted).reason == "RECORD_DELETED"
    with database.transaction(caller) as session, pytest.raises(Gone):
        fast_add(session, barcode="N", branch="PKS/PST", record_id=deleted, context=caller)
