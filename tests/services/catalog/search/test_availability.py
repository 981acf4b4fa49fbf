"""Availability of many records at once: by id, by any ISBN in any form, and without what does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanOpened
from services.catalog.handlers import keep_states
from services.catalog.index.port import Index
from services.catalog.search import availability
from services.catalog.search.availability import Result, load_availability
from services.catalog.tables import Institution, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer

FIRST, SECOND, CANCELLED = "9780306406157", "9789794030462", "9786020331607"
SHARED = "9780140449136"


@pytest.fixture
def records(database: Database, import_: Importer, index: Index) -> dict[str, str]:
    """Control number -> id: a book with three ISBNs and two branches, one with a shared ISBN and one without items."""
    more = [["020", "  ", "a", "979-403-046-5 (jil. 1)"], ["020", "  ", "z", CANCELLED], ["020", "  ", "a", SHARED]]
    import_(
        [
            book("1", isbn="0-306-40615-2", items=[("PST", "A"), ("PST", "B"), ("TJH", "C")], more=more),
            book("2", isbn=SHARED, items=[("PST", "D")]),
            book("3"),
        ]
    )
    run_indexer(database, index)
    with database.reading(READER) as session:
        return {key[-1]: str(record_id) for key, record_id in session.execute(select(Record.control_key, Record.id))}


def load(database: Database, index: Index, ids: Iterable[str] = (), isbns: Iterable[str] = ()) -> list[Result]:
    return load_availability(database, index, context=READER, ids=list(ids), isbns=list(isbns))


def records_of(result: Result) -> list[str]:
    return [str(record.id) for record in result.records]


def lend(database: Database, barcode: str, due_on: str) -> None:
    with database.transaction(system("test")) as session:
        item = session.scalars(select(Item).where(Item.barcode == barcode)).one()
        loan = LoanCopy(
            item_id=str(item.id),
            institution_id=str(item.institution_id),
            state="on_loan",
            state_version=1,
            due_on=due_on,
        )
        keep_states(session, [(LoanOpened(loan=loan), system("test"))])


def test_a_branch_counts_its_items_and_those_that_can_be_borrowed(
    database: Database, index: Index, records: dict[str, str]
) -> None:
    lend(database, "A", "2026-12-09")
    lend(database, "C", "2026-12-04")
    (result,) = load(database, index, [records["1"]])
    assert (result.requested, result.status) == (records["1"], "found")
    (record,) = result.records
    assert [tuple(branch) for branch in record.branches] == [
        ("PKS/PST", 2, 1, "can_be_borrowed", "2026-12-09"),
        ("PKS/TJH", 1, 0, "out_until", "2026-12-04"),
    ]


def test_withdrawn_items_do_not_count(database: Database, index: Index, records: dict[str, str]) -> None:
    with database.transaction(system("test")) as session:
        session.execute(update(Item).where(Item.barcode.in_(["A", "C"])).values(status="withdrawn"))
    (result,) = load(database, index, [records["1"]])
    assert [tuple(branch)[:3] for branch in result.records[0].branches] == [("PKS/PST", 1, 1)]


def test_a_record_without_items_is_found_and_has_no_branches(
    database: Database, index: Index, records: dict[str, str]
) -> None:
    (result,) = load(database, index, [records["3"]])
    assert (result.status, result.records[0].branches) == ("found", [])


@pytest.mark.parametrize(
    "isbn", ["0306406152", "0-306-40615-2", "978-0-306-40615-7", FIRST, "9794030465", SECOND, CANCELLED]
)
def test_any_isbn_of_a_record_finds_it_in_any_form(
    database: Database, index: Index, records: dict[str, str], isbn: str
) -> None:
    (result,) = load(database, index, isbns=[isbn])
    assert (result.requested, result.status, records_of(result)) == (isbn, "found", [records["1"]])


def test_all_records_with_an_isbn_are_found(database: Database, index: Index, records: dict[str, str]) -> None:
    (result,) = load(database, index, isbns=[SHARED])
    assert records_of(result) == [records["1"], records["2"]]


def test_a_record_that_is_not_yet_in_the_index_is_found_by_its_first_isbn(
    database: Database, index: Index, records: dict[str, str], import_: Importer
) -> None:
    import_([book("9", isbn="9786020331614")])
    assert [result.status for result in load(database, index, isbns=["9786020331614"])] == ["found"]


def test_each_id_and_isbn_has_its_result_in_order(database: Database, index: Index, records: dict[str, str]) -> None:
    with database.transaction(system("test")) as session:
        session.execute(update(Record).where(Record.id == UUID(records["2"])).values(deleted_at=clock.now()))
    ids = [records["2"], records["1"], str(UUID(int=7)), records["1"].upper()]
    results = load(database, index, ids, ["9786020331614", FIRST, SHARED])
    assert [(result.requested, result.status) for result in results] == [
        *zip(ids, ["deleted", "found", "not_found", "found"], strict=True),
        ("9786020331614", "not_found"),
        (FIRST, "found"),
        (SHARED, "found"),
    ]
    assert records_of(results[-1]) == [records["1"]]


def test_records_of_sandboxes_are_not_found(database: Database, index: Index, records: dict[str, str]) -> None:
    with database.transaction(system("test")) as session:
        session.execute(update(Institution).values(code="SANDBOX-1"))
        session.execute(update(Record).values(deleted_at=clock.now()))
    assert [result.status for result in load(database, index, [records["1"]], [FIRST])] == ["not_found", "not_found"]


def test_what_is_no_id_and_no_isbn_is_named(database: Database, index: Index) -> None:
    with pytest.raises(Invalid) as refusal:
        load(database, index, [str(UUID(int=7)), "nonsense"], [FIRST, "9780306406158", "", "halo"])
    assert [(item.reason, item.facts["field"]) for item in refusal.value.refusals] == [
        ("ID_NOT_READABLE", "/ids/1"),
        ("ISBN_INVALID", "/isbns/1"),
        ("ISBN_INVALID", "/isbns/2"),
        ("ISBN_INVALID", "/isbns/3"),
    ]


def test_more_than_200_are_refused(database: Database, index: Index) -> None:
    with pytest.raises(Invalid) as refusal:
        load(database, index, [str(UUID(int=7))] * 150, [FIRST] * 51)
    assert (refusal.value.reason, refusal.value.facts) == ("AVAILABILITY_TOO_MANY", {"most": 200, "given": 201})


def test_an_isbn_of_very_many_records_is_named(
    database: Database, index: Index, records: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "MOST_RECORDS", 1)
    with pytest.raises(Invalid) as refusal:
        load(database, index, isbns=["9786020331614", SHARED])
    assert refusal.value.reason == "ISBN_TOO_FREQUENT"
    assert refusal.value.facts == {"field": "/isbns/1", "isbn": SHARED, "records": 2, "most": 1}


@pytest.mark.parametrize(("isbns", "most"), [([FIRST, "9786020331614"], 1), ([SHARED, FIRST, SHARED], 4)])
def test_isbns_that_together_have_very_many_records_are_refused(
    database: Database, index: Index, records: dict[str, str], monkeypatch: pytest.MonkeyPatch, import_: Importer,
    isbns: list[str], most: int,
) -> None:  # fmt: skip
    import_([book("9", isbn="9786020331614")])
    run_indexer(database, index)
    monkeypatch.setattr(availability, "MOST_RECORDS", most)
    with pytest.raises(Invalid) as refusal:
        load(database, index, isbns=isbns)
    assert refusal.value.reason == "ISBNS_TOO_FREQUENT"
    assert refusal.value.facts == {"field": "/isbns", "records": most + 1, "most": most}


def test_the_number_of_statements_does_not_grow_with_the_request(
    database: Database, index: Index, records: dict[str, str]
) -> None:
    statements: list[str] = []
    event.listen(database.reader, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    load(database, index, [records["1"]], [FIRST])
    few = len(statements)
    load(database, index, [*records.values()] * 30, [FIRST, SECOND, SHARED, CANCELLED] * 25)
    assert len(statements) == 2 * few
