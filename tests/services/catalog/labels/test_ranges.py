"""Barcodes of the own pattern: ranges that are printed ahead, and scans of numbers that nobody has printed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from chassis.audit import acts
from chassis.context import READER, Context
from chassis.database.db import Database
from services.catalog.cataloguing.labels.ranges import Range, add_range, get_range, list_ranges, range_labels
from services.catalog.items.barcodes import own_barcode, with_check_digit
from services.catalog.tables import Institution, Item
from tests.services.catalog.items.test_added_items import add, edit, refusal, remove
from tests.services.catalog.items.test_edits import caller

__all__ = ["caller"]


def reserve(database: Database, caller: Context, count: int) -> Range:
    with database.transaction(caller) as session:
        return add_range(session, count, context=caller)


def barcodes(database: Database, caller: Context, range_id: str) -> list[str]:
    with database.reading(caller) as session:
        return [label.barcode for label in range_labels(session, range_id, context=caller)]


def own(database: Database, sequence: int) -> str:
    with database.reading(READER) as session:
        return own_barcode(session.scalars(select(Institution.id)).one(), sequence)


def test_a_range_is_taken_up_by_scanning_and_its_numbers_come_once(database: Database, caller: Context) -> None:
    (before,) = add(database, caller)
    added = reserve(database, caller, 3)
    printed = barcodes(database, caller, str(added.id))
    (after,) = add(database, caller)
    numbers = [int(barcode[5:13]) for barcode in (before.barcode, *printed, after.barcode)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert (added.first, added.last, added.count, added.used) == (printed[0], printed[2], 3, 0)
    (item,) = add(database, caller, barcodes=[printed[1]])
    edit(database, caller, before.id, 1, barcode=printed[2])
    assert item.barcode == printed[1]
    assert barcodes(database, caller, str(added.id)) == [printed[0]]
    add(database, caller, barcodes=[printed[0]])
    with database.reading(caller) as session:
        assert get_range(session, str(added.id), context=caller).used == 3
        assert [row.id for row in list_ranges(session, cursor="", limit=0, context=caller)[0]] == [added.id]
        facts = session.scalars(select(acts.c.facts).where(acts.c.act == "catalog.reserve_barcodes")).one()
    assert printed[0] in facts
    assert refusal(barcodes, database, caller, str(added.id)).reason == "BARCODES_ALL_USED"
    assert refusal(barcodes, database, caller, "x").reason == "BARCODE_RANGE_UNKNOWN"
    assert refusal(reserve, database, caller, 1_001).reason == "BARCODE_RANGE_OUT_OF_BOUNDS"


def test_a_number_that_was_never_printed_and_a_misread_one_are_refused(database: Database, caller: Context) -> None:
    (item,) = add(database, caller)
    never = own(database, 2)
    misread = item.barcode[:-1] + str((int(item.barcode[-1]) + 1) % 10)
    for barcode, reason in {never: "BARCODE_NOT_RESERVED", misread: "BARCODE_MISREAD"}.items():
        assert refusal(add, database, caller, barcodes=[barcode]).reason == reason
        assert refusal(edit, database, caller, item.id, 1, barcode=barcode).reason == reason
    other_library = with_check_digit(f"3{(int(never[1:5]) + 1) % 10_000:04}00000001")
    foreign = [other_library, misread[:-1], f"{misread}0", "٣" + misread[1:], "KS0000987"]
    assert [added.barcode for added in add(database, caller, count=5, barcodes=foreign)] == foreign


def test_a_removed_item_returns_with_its_barcode_whatever_the_counter_says(database: Database, caller: Context) -> None:
    (item,) = add(database, caller, barcodes=["N"])
    imported = own(database, 77)
    with database.transaction(caller) as session:
        session.execute(update(Item).where(Item.id == item.id).values(barcode=imported))
    remove(database, caller, item.id, 1)
    (again,) = add(database, caller, barcodes=[imported])
    assert again.id == item.id


@pytest.mark.timeout(120)
def test_ranges_and_new_items_at_once_share_no_number(database: Database, caller: Context) -> None:
    def act(turn: int) -> list[str]:
        if turn % 2:
            return [item.barcode for item in add(database, caller, count=5)]
        return barcodes(database, caller, str(reserve(database, caller, 5).id))

    with ThreadPoolExecutor(8) as pool:
        taken = [barcode for some in pool.map(act, range(16)) for barcode in some]
    assert len(set(taken)) == len(taken) == 80
    assert sorted(int(barcode[5:13]) for barcode in taken) == list(range(1, 81))
