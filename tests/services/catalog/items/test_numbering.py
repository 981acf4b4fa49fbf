"""Items that imports brought get accession numbers in parts, without gaps, in order of arrival."""

from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from services.catalog.cataloguing.items import Acquisition
from services.catalog.cataloguing.register.entries import list_gaps
from services.catalog.cataloguing.register.numbering import Numbering, number_items
from services.catalog.items.item_maps import USUAL
from services.catalog.items.parsing import register_texts_of
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Accession, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import add, refusal
from tests.services.catalog.items.test_edits import caller

__all__ = ["caller"]
BOUGHT = Acquisition("purchase", fund="APBD 2026")
NOW = datetime(2026, 12, 1, 5, tzinfo=UTC)


def number(database: Database, caller: Context, **values: Any) -> list[Numbering]:
    """Number all items, part by part."""
    parts: list[Numbering] = []
    while not parts or parts[-1].cursor:
        with clock.frozen(NOW), database.transaction(caller) as session:
            cursor = parts[-1].cursor if parts else ""
            parts.append(number_items(session, acquisition=BOUGHT, cursor=cursor, context=caller, **values))
    return parts


def entries(database: Database) -> dict[str, Accession]:
    """Barcode -> entry, in the order of the items."""
    with database.reading(Context(institution="*")) as session:
        statement = select(Item.barcode, Accession).join(Accession, Accession.item_id == Item.id).order_by(Item.id)
        return {str(barcode): entry for barcode, entry in session.execute(statement)}


def test_items_without_a_number_get_one_in_parts_and_keep_it(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book("2", "Kemarau", items=[("PST", f"K{n}") for n in range(5)])])
    with clock.frozen(NOW):
        add(database, caller)
    with database.reading(caller) as session:
        barcodes = [barcode for barcode in session.scalars(select(Item.barcode).order_by(Item.id)) if barcode]
    unnumbered = [barcode for barcode in barcodes if barcode not in entries(database)]
    with database.transaction(caller) as session, clock.frozen(NOW):
        _, _, remaining, cursor, _ = astuple(number_items(session, acquisition=BOUGHT, context=caller))
        assert remaining == len(unnumbered)
        part = number_items(session, acquisition=BOUGHT, cursor=cursor, limit=3, context=caller)
    assert (part.numbered, part.remaining) == (3, len(unnumbered) - 3)
    parts = number(database, caller, limit=3)
    assert sum(part.numbered for part in parts) == len(unnumbered) - 3
    assert (parts[-1].remaining, {part.taken for part in parts}) == (0, {0})
    made = entries(database)
    assert [made[barcode].sequence for barcode in unnumbered] == list(range(2, len(unnumbered) + 2))
    assert {(made[barcode].source, made[barcode].fund) for barcode in unnumbered} == {("purchase", "APBD 2026")}
    with clock.frozen(NOW):
        assert add(database, caller)[0].accession_number == f"{len(unnumbered) + 2:05}/PKS/H/2026"
    assert refusal(number, database, caller, limit=2_001).reason == "ITEMS_OUT_OF_BOUNDS"
    assert refusal(number, database, caller, branch="PKS/XXX").reason == "BRANCH_UNKNOWN"


def test_numbers_of_the_source_are_taken_with_its_facts_and_the_sequence_goes_on_after_them(
    database: Database, caller: Context, import_: Importer
) -> None:
    def field(barcode: str, number: str, *more: str) -> list[str]:
        return ["952", "  ", "p", barcode, "y", "BK", "a", "PST", "i", number, *more]

    marc = Marc(
        "00000nam a2200000   4500",
        [
            ["001", "9"], ["245", "10", "a", "Kemarau"],
            field("L1", "00007/PKS/P/2026", "d", "2019-05-04", "e", "Toko Anggrek", "g", "85000.00"),
            field("L2", "A-12"), field("L3", "A-12", "g", "Rp 58.000", "d", "2999-01-01"), field("L4", "X" * 200),
            field("L5", ""), field("L6", "00002/PKS/P/2026"),
        ],
    )  # fmt: skip
    import_([marc])
    parts = number(database, caller, branch="PKS/PST", limit=2)
    made = entries(database)
    assert (sum(part.taken for part in parts), parts[-1].remaining) == (3, 0)
    assert [made[barcode].number for barcode in ("L1", "L2", "L6")] == ["00007/PKS/P/2026", "A-12", "00002/PKS/P/2026"]
    first = made["L1"]
    assert (first.acquired_on, first.entered_on, first.supplier, first.amount) == (
        "2019-05-04", "2019-05-04", "Toko Anggrek", 85_000,
    )  # fmt: skip
    assert (made["L3"].amount, made["L3"].acquired_on) == (58_000, "2026-12-01")
    assert min(made[barcode].sequence for barcode in ("L3", "L4", "L5")) >= 8
    with clock.frozen(NOW):
        (added,) = add(database, caller)
    with database.reading(caller) as session:
        covered = {n for gap in list_gaps(session, context=caller)[0] for n in range(gap.first, gap.last + 1)}
        own = set(session.scalars(select(Accession.sequence).where(Accession.series == "2026")))
    assert covered == set(range(1, 8))
    assert covered | own == set(range(1, int(added.accession_number[:5]) + 1))
    assert not covered & own


def test_the_sequence_does_not_go_on_after_a_number_that_is_far_above_the_others(
    database: Database, caller: Context, import_: Importer
) -> None:
    numbers = {
        "L1": "00007/PKS/P/2026",
        "L2": "990000001/PKS/H/2026",
        "L3": "90000/PKS/P/2026",
        "L4": "180000/PKS/P/2026",
    }
    fields = [["952", "  ", "p", barcode, "y", "BK", "a", "PST", "i", number] for barcode, number in numbers.items()]
    import_([Marc("00000nam a2200000   4500", [["001", "9"], ["245", "10", "a", "Kemarau"], *fields])])
    first, *_ = number(database, caller)
    made = entries(database)
    assert {barcode: made[barcode].number for barcode in numbers} == numbers
    assert (first.taken, first.not_followed) == (4, ("990000001/PKS/H/2026",))
    with database.reading(caller) as session:
        assert [(gap.first, gap.last) for gap in list_gaps(session, context=caller)[0]] == [(1, 180_000)]
    with clock.frozen(NOW):
        assert int(add(database, caller)[0].accession_number.partition("/")[0]) < 181_000


def test_what_a_map_reads_for_the_register_is_of_the_item_with_the_barcode() -> None:
    marc = Marc("", [["952", "  ", "p", "B1", "y", "BK", "i", "7", "g", "1"], ["952", "  ", "y", "BK", "i", "8"]])
    assert register_texts_of(marc, USUAL) == {"B1": {"accession_number": "7", "price": "1"}}


def test_items_that_are_leaving_get_no_number(database: Database, caller: Context) -> None:
    with database.transaction(caller) as session:
        session.execute(update(Item).values(is_leaving=True))
        assert session.scalars(select(Record.id)).first() is not None
    assert number(database, caller) == [Numbering(0, 0, 0, "")]
