"""Later imports keep items that desks added and values that staff changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.audit import acts
from chassis.context import READER, Context, system
from chassis.database.db import Database
from chassis.errors import Error
from services.catalog.importing.fast_adds import delete_empty_records, fast_add
from services.catalog.items.edits import EditedItem, change_item, get_item, list_items
from services.catalog.tables import IndexQueue, Institution, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_identities import ids, owners, take_events


@pytest.fixture
def caller(database: Database, import_: Importer) -> Context:
    """A cataloguer of an institution with one record of two items."""
    import_([book("1", items=[("PST", "A"), ("PST", "B")])])
    take_events(database)
    with database.reading(READER) as session:
        institution = session.scalars(select(Institution.id)).one()
    return Context(institution=str(institution), actor="account-1")


def add(database: Database, caller: Context, **values: Any) -> Any:
    with database.transaction(caller) as session:
        return fast_add(session, **{"barcode": "N", "branch": "PKS/PST", **values}, context=caller)


def change(database: Database, caller: Context, item_id: UUID, version: int, **values: Any) -> EditedItem:
    with database.transaction(caller) as session:
        values = {"barcode": None, "status": None, **values}
        return change_item(session, str(item_id), version, **values, context=caller)


def record_of(database: Database, barcode: str) -> UUID:
    with database.reading(READER) as session:
        of_item = select(Record.id).join(Item, Item.record_number == Record.number).where(Item.barcode == barcode)
        return session.scalars(of_item).one()


def refusal(call: Any, *args: Any, **values: Any) -> Error:
    with pytest.raises(Error) as refused:
        call(*args, **values)
    return refused.value


def test_a_desk_adds_an_item_and_its_brief_record(database: Database, caller: Context) -> None:
    added = add(database, caller, title=" Negeri  5 Menara ", author="Fuadi, Ahmad")
    assert (added.title, added.barcode, added.status, added.version) == ("Negeri 5 Menara", "N", "in_service", 1)
    assert [(item["barcode"], item["record_id"]) for item in take_events(database)] == [("N", added.record_id)]
    with database.reading(caller) as session:
        (listed,), cursor = list_items(session, cursor="", limit=0, fast_adds_only=True, context=caller)
        record = session.scalars(select(Record).where(Record.id == UUID(added.record_id))).one()
        assert session.get(IndexQueue, record.number) is not None
        audited = session.execute(select(acts.c.act, acts.c.object, acts.c.actor)).all()
    assert (str(listed.id), listed.is_fast_add, listed.branch, cursor) == (added.id, True, "PKS/PST", "")
    assert b'"available":1' in record.holdings
    assert b"Fuadi" in record.brief
    assert audited == [("catalog.fast_add", added.id, "account-1")]


@pytest.mark.parametrize("joins_another", [True, False])
def test_a_cataloguer_completes_a_fast_add_with_its_record_or_another(
    database: Database, caller: Context, import_: Importer, joins_another: bool
) -> None:
    added = add(database, caller, title="Kaba")
    record_id = str(record_of(database, "A")) if joins_another else added.record_id
    with database.reading(caller) as session:
        (listed,), _ = list_items(session, cursor="", limit=0, fast_adds_only=True, context=caller)
    item = change(database, caller, listed.id, listed.version, record_id=record_id)
    assert (str(item.id), str(item.record_id), item.barcode) == (added.id, record_id, "N")
    assert (item.version, item.is_fast_add) == (2, False)
    with database.reading(caller) as session:
        assert list_items(session, cursor="", limit=0, fast_adds_only=True, context=caller) == ([], "")
    import_([book("2", "Kaba", items=[("PST", "N")])])
    with database.reading(caller) as session:
        assert str(get_item(session, added.id, context=caller).record_id) == record_id


def test_a_brief_record_goes_when_an_import_has_taken_its_item(
    database: Database, caller: Context, import_: Importer
) -> None:
    taken, kept = (add(database, caller, barcode=code, title=f"Kaba {code}") for code in ("N", "M"))
    stop = threading.Event()
    assert delete_empty_records(database, system("test"), stop) == 0
    import_([book("2", "Kaba", items=[("PST", "N")])])
    assert delete_empty_records(database, system("test"), stop) == 1
    assert delete_empty_records(database, system("test"), stop) == 0
    assert str(ids(database)["N"]) == taken.id
    with database.reading(READER) as session:
        deleted = dict(session.execute(select(Record.id, Record.deleted_at)).all())
        record = session.scalars(select(Record).where(Record.id == UUID(taken.record_id))).one()
        assert session.get(IndexQueue, record.number) is not None
    assert [deleted[UUID(item.record_id)] is None for item in (taken, kept)] == [False, True]


def test_a_fast_add_stays_with_its_record_until_an_import_has_its_barcode(
    database: Database, caller: Context, import_: Importer
) -> None:
    with database.reading(READER) as session:
        record_id = str(session.scalars(select(Record.id)).one())
    added = add(database, caller, record_id=record_id)
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B")])])
    assert str(ids(database)["N"]) == added.id
    assert {item["title"] for item in take_events(database) if item["barcode"] == "N"} >= {"Kemarau"}
    import_([book("2", "Negeri 5 Menara", items=[("PST", "N")])])
    assert str(ids(database)["N"]) == added.id
    assert owners(database) == {"A": "1", "B": "1", "N": "2"}
    with database.reading(caller) as session:
        assert list_items(session, cursor="", limit=0, fast_adds_only=True, context=caller) == ([], "")


def test_a_barcode_that_was_gone_is_added_with_its_old_id(
    database: Database, caller: Context, import_: Importer
) -> None:
    before = ids(database)
    import_([book("1", items=[("PST", "A")])])
    added = add(database, caller, barcode="B", title="Robohnya surau kami")
    assert (added.id, added.version) == (str(before["B"]), 3)


def test_a_gateway_of_release_0_5_0_names_the_branch_of_a_fast_add_by_its_code_alone(
    database: Database, caller: Context
) -> None:
    alone, full = (add(database, caller, barcode=name, branch=name, title="Kemarau") for name in ("PST", "PKS/PST"))
    assert alone.branch_id == full.branch_id


def test_refusals_of_fast_adds_say_why(database: Database, caller: Context) -> None:
    taken = refusal(add, database, caller, barcode="A", title="Kemarau")
    assert (taken.reason, taken.facts["title"]) == ("BARCODE_TAKEN", "Robohnya surau kami")
    for reason, values in {
        "BRANCH_UNKNOWN": {"branch": "XYZ", "title": "Kemarau"},
        "RECORD_UNKNOWN": {"record_id": str(UUID(int=9))},
        "FAST_ADD_NEEDS_ONE": {},
        "FAST_ADD_TEXT": {"title": "x" * 501},
        "BARCODE_INVALID": {"barcode": " ", "title": "Kemarau"},
    }.items():
        assert refusal(add, database, caller, **values).reason == reason
    assert set(ids(database)) == {"A", "B"}


def test_an_edit_stays_when_its_record_is_imported_again(
    database: Database, caller: Context, import_: Importer
) -> None:
    item_id = ids(database)["A"]
    changed = change(database, caller, item_id, 1, barcode="A2", status="in_repair")
    assert (changed.version, changed.barcode, changed.status) == (2, "A2", "in_repair")
    assert [(item["barcode"], item["version"]) for item in take_events(database)] == [("A2", 2)]
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B")])])
    assert ids(database)["A2"] == item_id
    assert import_.reasons == []
    with database.reading(caller) as session:
        edited = get_item(session, str(item_id), context=caller)
    assert (edited.version, edited.status, edited.title) == (3, "in_repair", "Kemarau")
    import_([book("1", "Kemarau")])
    import_([book("2", "Kemarau", items=[("PST", "A")])])
    assert ids(database)["A2"] == item_id
    import_([book("3", "Lain", items=[("PST", "A2")])])
    assert import_.reasons == ["BARCODE_IN_USE"]


def test_an_edit_says_what_it_was_made_for(database: Database, caller: Context) -> None:
    item_id = ids(database)["A"]
    assert change(database, caller, item_id, 1).version == 1
    assert refusal(change, database, caller, item_id, 7, status="missing").reason == "VERSION_OUTDATED"
    assert refusal(change, database, caller, item_id, 1, status="lent").reason == "STATUS_UNKNOWN"
    assert refusal(change, database, caller, item_id, 1, barcode="B").reason == "BARCODE_TAKEN"
    stranger = replace(caller, institution=str(UUID(int=5)))
    assert refusal(change, database, stranger, item_id, 1, barcode="Z").reason == "ITEM_NOT_FOUND"
    change(database, caller, item_id, 1, status="withdrawn")
    with database.reading(READER) as session:
        assert session.scalars(select(Item.status).order_by(Item.barcode)).all() == ["withdrawn", "in_service"]


def test_a_list_of_what_changed_since_a_time_has_edited_new_and_gone_items(
    database: Database, caller: Context, import_: Importer
) -> None:
    a, b = (ids(database)[barcode] for barcode in "AB")
    with clock.frozen(clock.now() + timedelta(hours=1)):
        since = clock.now()
        change(database, caller, a, 1, status="in_repair")
    with clock.frozen(clock.now() + timedelta(hours=2)):
        import_([book("1", items=[("PST", "A"), ("PST", "C")])])

    def page(cursor: str, limit: int, **filters: Any) -> tuple[list[EditedItem], str]:
        with database.reading(caller) as session:
            return list_items(session, cursor=cursor, limit=limit, context=caller, updated_since=since, **filters)

    (first,), cursor = page("", 1)
    rest, last = page(cursor, 5)
    assert (first.id, first.status, first.updated_at, last) == (a, "in_repair", since, "")
    assert {(item.id, item.barcode, item.is_gone, item.branch, item.title) for item in rest} == {
        (b, "B", True, "PKS/PST", first.title),
        (ids(database)["C"], "C", False, "PKS/PST", first.title),
    }
    assert [item.id for item in page("", 5, barcode="B")[0]] == [b]
    assert refusal(page, "", 5, fast_adds_only=True).reasons == {"SEARCH_BY_CHANGE_ONLY"}
    with database.reading(caller) as session:
        _, by_id = list_items(session, cursor="", limit=1, context=caller)
    assert refusal(page, by_id, 5).reasons == {"CURSOR_INVALID"}


def test_an_import_without_a_change_of_an_item_does_not_change_its_time(
    database: Database, caller: Context, import_: Importer
) -> None:
    since = clock.now()
    import_([book("1", items=[("PST", "A"), ("PST", "B")])])
    with database.reading(caller) as session:
        assert list_items(session, cursor="", limit=0, context=caller, updated_since=since) == ([], "")
