"""The queue of labels: what is in it, what is printed, and what staff confirm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from chassis import clock
from chassis.audit import acts
from chassis.context import READER, Context
from chassis.database.db import Database
from services.catalog.cataloguing.labels.pdf import PrintedLabel
from services.catalog.cataloguing.labels.prints import (
    Conditions,
    add_print,
    confirm_print,
    list_labels,
    list_prints,
    printed_labels,
)
from services.catalog.tables import Institution
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import add, edit, refusal, remove
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.items.test_identities import ids

__all__ = ["caller"]
ALL = Conditions()


def queue(database: Database, caller: Context, conditions: Conditions = ALL) -> list[str]:
    with database.reading(caller) as session:
        labels, _, total = list_labels(session, conditions, cursor="", limit=100, context=caller)
    assert total == len(labels)
    return [label.barcode for label in labels]


def printed(database: Database, caller: Context, items: Any = (), conditions: Conditions = ALL) -> str:
    with database.transaction(caller) as session:
        return str(add_print(session, [str(item) for item in items], conditions, context=caller).id)


def confirm(database: Database, caller: Context, print_id: str) -> Any:
    with database.transaction(caller) as session:
        return confirm_print(session, print_id, context=caller).confirmed_at


def labels_of(database: Database, caller: Context, print_id: str) -> list[PrintedLabel]:
    with database.reading(caller) as session:
        return printed_labels(session, print_id, context=caller)


def test_items_need_a_label_when_they_are_added_and_when_barcode_or_call_number_change(
    database: Database, caller: Context
) -> None:
    assert queue(database, caller) == []  # an import brings labels
    (first, second) = add(database, caller, count=2, barcodes=["N1", "N2"], call_number="813 NAV r")
    assert queue(database, caller) == ["N1", "N2"]
    confirm(database, caller, printed(database, caller))
    assert queue(database, caller) == []
    edit(database, caller, first.id, 1, room="Lantai 2", status="in_process")
    assert queue(database, caller) == []
    edit(database, caller, second.id, 1, call_number="R 813 NAV r")
    edit(database, caller, ids(database)["A"], 1, barcode="A2")
    assert queue(database, caller) == ["N2", "A2"]
    remove(database, caller, second.id, 2)
    assert queue(database, caller) == ["A2"]


def test_a_print_is_in_the_queue_until_it_is_confirmed_and_may_be_printed_again(
    database: Database, caller: Context
) -> None:
    add(database, caller, count=2, barcodes=["N1", "N2"], call_number="899.221 3 NAV r")
    print_id = printed(database, caller)
    assert queue(database, caller) == ["N1", "N2"]
    labels = labels_of(database, caller, print_id)
    assert [(label.barcode, list(label.spine)) for label in labels] == [
        ("N1", ["899.221 3", "NAV", "r", "c.3"]),
        ("N2", ["899.221 3", "NAV", "r", "c.4"]),
    ]
    confirmed_at = confirm(database, caller, print_id)
    assert queue(database, caller) == []
    assert confirm(database, caller, print_id) == confirmed_at
    assert labels_of(database, caller, print_id) == labels
    assert refusal(printed, database, caller).reason == "LABELS_NONE"
    with database.reading(caller) as session:
        audited = session.scalars(select(acts.c.act).where(acts.c.kind == "label_print")).all()
        (row,), _ = list_prints(session, cursor="", limit=0, context=caller)
    assert audited == ["catalog.print_labels", "catalog.confirm_labels"]
    assert (str(row.id), row.count, row.confirmed_at) == (print_id, 2, confirmed_at)


def test_an_item_that_is_changed_after_its_print_stays_in_the_queue(database: Database, caller: Context) -> None:
    first, _ = add(database, caller, count=2, barcodes=["N1", "N2"])
    print_id = printed(database, caller)
    edit(database, caller, first.id, 1, call_number="813 NAV r")
    confirm(database, caller, print_id)
    assert queue(database, caller) == ["N1"]


def test_any_item_can_be_printed_in_the_order_of_the_request(database: Database, caller: Context) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    imported = ids(database)["B"]
    print_id = printed(database, caller, [imported, added.id, imported])
    assert [label.barcode for label in labels_of(database, caller, print_id)] == ["B", "N"]
    confirm(database, caller, print_id)
    assert queue(database, caller) == []


def test_the_queue_is_listed_by_branch_collection_and_time_in_pages(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("1", items=[("PST", "A"), ("CAB", "B")])])
    add(database, caller, barcodes=["N1"], collection="children")
    add(database, caller, barcodes=["N2"], branch="PKS/CAB")
    later = clock.now() + timedelta(hours=1)
    with clock.frozen(later):
        add(database, caller, barcodes=["N3"], collection="children")
    assert queue(database, caller, Conditions(branch="PKS/CAB")) == ["N2"]
    assert queue(database, caller, Conditions(collection="children")) == ["N1", "N3"]
    assert queue(database, caller, Conditions(since=later)) == ["N3"]
    assert refusal(queue, database, caller, Conditions(branch="PKS/X")).reason == "BRANCH_UNKNOWN"
    print_id = printed(database, caller, conditions=Conditions(collection="children"))
    assert [label.barcode for label in labels_of(database, caller, print_id)] == ["N1", "N3"]
    with database.reading(caller) as session:
        page, cursor, total = list_labels(session, ALL, cursor="", limit=2, context=caller)
        rest, end, not_counted = list_labels(session, ALL, cursor=cursor, limit=2, without_total=True, context=caller)
    assert not_counted == 0
    assert ([label.barcode for label in page + rest], total, end) == (["N1", "N2", "N3"], 3, "")
    assert (page[0].branch, page[0].collection, page[0].title) == ("PKS/PST", "children", rest[0].title)


def test_another_institution_sees_prints_and_confirms_nothing(
    database: Database, caller: Context, import_: Importer
) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    print_id = printed(database, caller)
    import_([book("9", items=[("PST", "Z")])], source="OTHER", institution="UNAND")
    with database.reading(READER) as session:
        unand = session.scalars(select(Institution.id).where(Institution.code == "UNAND")).one()
    stranger = Context(institution=str(unand), actor="account-2")
    assert queue(database, stranger) == []
    for act in (labels_of, confirm):
        assert refusal(act, database, stranger, print_id).reason == "LABEL_PRINT_UNKNOWN"
    assert refusal(printed, database, stranger, [added.id]).reason == "ITEM_NOT_FOUND"
    assert refusal(printed, database, caller, ["x"]).reason == "ITEM_NOT_FOUND"
    assert refusal(printed, database, caller, [added.id] * 1_001).reason == "LABELS_TOO_MANY"
    assert queue(database, caller) == ["N"]


def test_a_print_whose_items_are_gone_says_that_there_is_no_label(database: Database, caller: Context) -> None:
    (added,) = add(database, caller, barcodes=["N"])
    print_id = printed(database, caller)
    remove(database, caller, added.id, 1)
    assert refusal(labels_of, database, caller, print_id).reason == "LABELS_NONE"
