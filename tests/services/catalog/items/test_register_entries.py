"""The accession register as a list: its facts and totals equal the tables, corrections keep what was before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.audit import acts
from chassis.context import Context
from chassis.database.db import Database
from chassis.ids import new_id
from services.catalog.cataloguing.accession_numbers import next_number, put_rules, skip_numbers
from services.catalog.cataloguing.items import Acquisition
from services.catalog.cataloguing.register.corrections import correct_entry
from services.catalog.cataloguing.register.entries import (
    Correction,
    Entry,
    Filter,
    Price,
    Totals,
    get_entry,
    list_entries,
    list_gaps,
    total,
)
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Accession, AccessionGap, Record
from tests.services.catalog.items.test_added_items import add, refusal, remove
from tests.services.catalog.items.test_edits import caller

__all__ = ["caller"]
EVERYTHING = Filter()
EARLIER, LATER = datetime(2026, 5, 31, 16, 30, tzinfo=UTC), datetime(2026, 5, 31, 17, 30, tzinfo=UTC)  # 31 May, 1 June


def register(database: Database, caller: Context, wanted: Filter, limit: int = 2) -> list[Entry]:
    """All entries, page by page."""
    rows: list[Entry] = []
    cursor = ""
    with database.reading(caller) as session:
        while True:
            page, cursor = list_entries(session, wanted, cursor=cursor, limit=limit, context=caller)
            rows += page
            if not cursor:
                return rows


def sums(database: Database, caller: Context, wanted: Filter = EVERYTHING) -> Totals:
    with database.reading(caller) as session:
        return total(session, wanted, context=caller)


def correct(database: Database, caller: Context, item_id: UUID, version: int = 1, **values: Any) -> None:
    values = {"reason": "Salah ketik", "changes": {}, **values}
    with database.transaction(caller) as session:
        correct_entry(session, str(item_id), version, **values, context=caller)


def entry(database: Database, caller: Context, item_id: UUID) -> tuple[Entry, list[Correction]]:
    with database.reading(caller) as session:
        return get_entry(session, str(item_id), context=caller)


def test_the_register_lists_each_entry_of_a_period_once_with_the_sums_of_the_tables(
    database: Database, caller: Context
) -> None:
    bought = Acquisition("purchase", amount=58_000, supplier="Toko Anggrek", fund="APBD 2026")
    with clock.frozen(EARLIER):
        added = add(database, caller, count=3)
        added += add(database, caller, count=2, acquisition=bought)
    with clock.frozen(LATER):
        added += add(database, caller, acquisition=Acquisition("gift", amount=12, currency="USD"))
        added += add(database, caller, acquisition=Acquisition("exchange"))
        remove(database, caller, added[1].id, 1, "Rusak kena banjir")
    rows = register(database, caller, Filter())
    assert [row.number for row in rows] == [item.accession_number for item in added]
    assert [row.number for row in register(database, caller, Filter(last="2026-05-31"))] == [
        item.accession_number for item in added[:5]
    ]
    june = register(database, caller, Filter(first="2026-06-01", last="2026-06-30", branch="PKS/PST"))
    assert [row.source for row in june] == ["gift", "exchange"]
    assert [row.supplier for row in register(database, caller, Filter(source="purchase"))] == ["Toko Anggrek"] * 2
    assert [row.id for row in register(database, caller, Filter(number=added[3].accession_number))] == [added[3].id]
    assert (rows[1].removal, rows[1].removed_on, rows[1].barcode) == (
        "Rusak kena banjir", "2026-06-01", added[1].barcode,
    )  # fmt: skip
    with database.reading(caller) as session:
        items, amount = session.execute(
            select(func.count(), func.sum(Accession.amount)).where(Accession.currency == "IDR")
        ).one()
    assert sums(database, caller) == Totals(items + 1, 1, 1, [Price(amount, "IDR"), Price(12, "USD")])
    assert sums(database, caller, Filter(source="purchase")) == Totals(2, 0, 0, [Price(116_000, "IDR")])
    assert sums(database, caller, Filter(first="2027-01-01")) == Totals(0, 0, 0, [])


def test_an_entry_has_the_facts_of_its_record(database: Database, caller: Context) -> None:
    (added,) = add(database, caller)
    marc = Marc(
        "00000nam a2200000   4500",
        [
            ["008", "160101s1986    io a     b    000 1 ind d"], ["020", "  ", "a", "979-403-046-5"],
            ["082", "04", "a", "899.221 3"], ["100", "1 ", "a", "Navis, A. A."],
            ["245", "10", "a", "Robohnya surau kami :", "b", "kumpulan cerita /"], ["250", "  ", "a", "Cet. 12."],
            ["260", "  ", "a", "Jakarta :", "b", "Gramedia,", "c", "1986."],
            ["300", "  ", "a", "142 hlm. :", "b", "ilus. ;", "c", "21 cm"], ["504", "  ", "a", "Bibliografi: hlm. 140"],
        ],
    )  # fmt: skip
    with database.transaction(caller) as session:
        session.scalars(select(Record)).one().marc = marc.pack()
    book = entry(database, caller, added.id)[0].book
    assert (book.title, book.author, book.edition) == (
        "Robohnya surau kami: kumpulan cerita",
        "Navis, A. A.",
        "Cet. 12",
    )
    assert (book.place, book.publisher, book.year, book.class_number) == ("Jakarta", "Gramedia", "1986", "899.221 3")
    assert (book.pages, book.illustrations, book.height) == ("142 hlm", "ilus", "21 cm")
    assert (book.bibliography, book.isbn) == ("Bibliografi: hlm. 140", "9789794030462")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Filter(first="2026-02-30"), "PERIOD_INVALID"),
        (Filter(first="2026-02-02", last="2026-02-01"), "PERIOD_INVALID"),
        (Filter(source="theft"), "ACQUISITION_SOURCE_UNKNOWN"),
        (Filter(branch="PKS/XXX"), "BRANCH_UNKNOWN"),
    ],
)
def test_a_filter_that_is_none_is_refused(database: Database, caller: Context, wanted: Filter, reason: str) -> None:
    assert refusal(register, database, caller, wanted).reason == reason
    assert refusal(sums, database, caller, wanted).reason == reason


def test_the_register_of_another_institution_is_not_listed(database: Database, caller: Context) -> None:
    (added,) = add(database, caller)
    other = Context(institution=str(new_id()))
    assert register(database, other, Filter()) == []
    assert refusal(entry, database, other, added.id).reason == "ACCESSION_NOT_FOUND"
    assert refusal(entry, database, caller, UUID(int=7)).reason == "ACCESSION_NOT_FOUND"


def test_a_correction_keeps_the_number_and_what_was_before_with_the_reason(database: Database, caller: Context) -> None:
    (added,) = add(database, caller)
    correct(database, caller, added.id, changes={"amount": 8_500, "supplier": "Keluarga Navis", "source": "purchase"})
    correct(database, caller, added.id, 2, changes={"amount": None}, reason="Harga tidak diketahui")
    row, (second, first) = entry(database, caller, added.id)
    assert (row.number, row.version, row.source) == (added.accession_number, 3, "purchase")
    assert (row.supplier, row.price) == ("Keluarga Navis", None)
    assert (second.reason, second.version, second.actor) == ("Harga tidak diketahui", 3, caller.actor)
    assert [(change.fact, change.before, change.after) for change in second.changes] == [("amount", "8500", "")]
    assert {(change.fact, change.before) for change in first.changes} == {
        ("amount", "85000"), ("supplier", "Keluarga A. A. Navis"), ("source", "gift"),
    }  # fmt: skip
    with database.reading(caller) as session:
        audited = session.scalars(select(acts.c.facts).where(acts.c.act == "catalog.correct_accession")).all()
    assert "Salah ketik" in audited[0]
    assert "85000" in audited[0]


def test_a_correction_of_an_earlier_version_names_what_changed_since(database: Database, caller: Context) -> None:
    (added,) = add(database, caller)
    correct(database, caller, added.id, changes={"fund": "APBD"})
    problem = refusal(correct, database, caller, added.id, changes={"fund": "BOS"})
    assert (problem.reason, problem.facts["changed"]) == ("VERSION_OUTDATED", ["fund"])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"reason": " "}, "ITEM_TEXT_INVALID"),
        ({"changes": {"acquired_on": "2999-01-01"}}, "ACQUISITION_INVALID"),
        ({"changes": {"source": "theft"}}, "ACQUISITION_SOURCE_UNKNOWN"),
        ({"branch": "PKS/XXX"}, "BRANCH_UNKNOWN"),
    ],
)
def test_a_correction_that_is_none_changes_nothing(
    database: Database, caller: Context, values: dict[str, Any], reason: str
) -> None:
    (added,) = add(database, caller)
    assert refusal(correct, database, caller, added.id, **values).reason == reason
    correct(database, caller, added.id)
    assert entry(database, caller, added.id)[0].version == 1


def test_numbers_that_are_not_given_are_in_the_register_with_the_reason(database: Database, caller: Context) -> None:
    def gaps() -> list[AccessionGap]:
        with database.reading(caller) as session:
            return list_gaps(session, context=caller)[0]

    with clock.frozen(LATER):
        with database.transaction(caller) as session:
            skip_numbers(session, 4512, source="gift", reason="Nomor buku induk kertas", context=caller)
            assert next_number(session, context=caller) == "04513/PKS/P/2026"
        assert [item.accession_number for item in add(database, caller, count=2)][1] == "04514/PKS/H/2026"
        with database.transaction(caller) as session:
            put_rules(session, "{seq:5}/PKS/H/2026", version=0, context=caller)
            skip_numbers(session, 4512, source="gift", reason="Nomor lama", context=caller)
        assert add(database, caller)[0].accession_number == "04515/PKS/H/2026"
    assert [(gap.first_number, gap.last_number, gap.reason) for gap in gaps()] == [
        ("00001/PKS/H/2026", "04512/PKS/H/2026", "Nomor buku induk kertas"),
        ("00001/PKS/H/2026", "04512/PKS/H/2026", "Nomor lama"),
        ("04513/PKS/H/2026", "04514/PKS/H/2026", "given_before"),
    ]
    with database.reading(caller) as session:
        entries = session.execute(select(Accession.series, Accession.sequence)).all()
    covered: dict[str, set[int]] = {}
    for gap in gaps():
        covered.setdefault(gap.series, set()).update(range(gap.first, gap.last + 1))
    for series, sequence in entries:
        covered[series].add(sequence)
    assert {series: numbers == set(range(1, max(numbers) + 1)) for series, numbers in covered.items()} == {
        "2026": True, "": True,
    }  # fmt: skip
