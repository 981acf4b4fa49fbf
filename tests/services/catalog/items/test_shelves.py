"""Neighbours of a record on its shelf, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER, system
from chassis.db import Database
from chassis.errors import Invalid, NotFound
from chassis.ids import earliest_id, new_id
from services.catalog.items.shelves import Shelf, arrivals_query, list_arrivals, list_neighbours, shelf_query
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Branch, Item, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer

# Title, branch, call numbers of its copies there.
SHELF = [
    ("Agama", "PST", ["297 HAM t"]),
    ("Fikih", "PST", ["2X4.1 ABD f"]),
    ("Robohnya surau kami", "PST", ["813 NAV r", "813 NAV r c.2", "813 NAV r c.3"]),
    ("Bianglala", "PST", ["813 NAV b"]),
    ("Ensiklopedia", "PST", ["R 030 ENS e jil. 2", "R 030 ENS e jil. 10"]),
    ("Sama nomornya", "PST", ["813 NAV b"]),
    ("Tanpa nomor", "PST", [""]),
    ("Di tempat lain", "TJH", ["813 NAV a"]),
    ("Dihapus", "PST", ["813 NAV c"]),
]


@pytest.fixture
def shelf(database: Database, import_: Importer) -> dict[str, str]:
    """Title -> id of the records of SHELF."""
    import_([_record_at(str(at), *columns) for at, columns in enumerate(SHELF)])
    with database.transaction(system("test")) as session:
        session.execute(text("UPDATE items SET status = 'withdrawn' WHERE call_number = '813 NAV c'"))
        rows = session.execute(select(Record.id, Record.brief)).all()
    return {orjson.loads(bytes(row.brief))["title"]: str(row.id) for row in rows}


def _record_at(number: str, title: str, branch: str, call_numbers: list[str]) -> Marc:
    copies = [
        ["852", "  ", "b", branch, *(["h", call_number] if call_number else []), "p", f"K{number}{at}"]
        for at, call_number in enumerate(call_numbers)
    ]
    return book(number, title, more=copies)


def titles(section: Shelf) -> list[str]:
    return [orjson.loads(bytes(neighbour.record.brief))["title"] for neighbour in section.neighbours]


def neighbours_of(database: Database, record_id: str, **parameters: Any) -> Shelf:
    return list_neighbours(database, context=READER, record_id=record_id, **parameters)


def test_books_are_sorted_by_call_number_without_repetition(database: Database, shelf: dict[str, str]) -> None:
    section = neighbours_of(database, shelf["Bianglala"])
    assert titles(section) == ["Agama", "Fikih", "Bianglala", "Sama nomornya", "Robohnya surau kami", "Ensiklopedia"]
    assert [neighbour.call_number for neighbour in section.neighbours if neighbour.here] == ["813 NAV b"]
    assert (section.institution, section.branch) == ("PKS", "PST")
    assert section.branch_name is not None


def test_the_limit_is_the_maximum_on_each_side(database: Database, shelf: dict[str, str]) -> None:
    assert titles(neighbours_of(database, shelf["Bianglala"], limit=1)) == ["Fikih", "Bianglala", "Sama nomornya"]
    assert titles(neighbours_of(database, shelf["Agama"], limit=1)) == ["Agama", "Fikih"]


def test_books_with_the_same_call_number_are_neighbours(database: Database, shelf: dict[str, str]) -> None:
    assert titles(neighbours_of(database, shelf["Sama nomornya"], limit=1)) == [
        "Bianglala",
        "Sama nomornya",
        "Robohnya surau kami",
    ]


def test_a_branch_without_the_book_is_replaced_by_a_branch_with_it(database: Database, shelf: dict[str, str]) -> None:
    assert neighbours_of(database, shelf["Agama"], branch="PKS/TJH").branch == "PST"
    assert titles(neighbours_of(database, shelf["Di tempat lain"], branch="nonsense")) == ["Di tempat lain"]


def test_a_record_without_call_number_has_no_neighbours(database: Database, shelf: dict[str, str]) -> None:
    assert neighbours_of(database, shelf["Tanpa nomor"]).neighbours == []


def test_invalid_requests_for_neighbours_are_refused(database: Database, shelf: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        neighbours_of(database, str(new_id()))
    with pytest.raises(Invalid) as refusal:
        neighbours_of(database, shelf["Agama"], limit=21)
    assert refusal.value.reason == "LIMIT_OUT_OF_BOUNDS"


@pytest.fixture
def arrivals(database: Database, import_: Importer) -> None:
    """Items of two branches; those of Baru came today, the others a week ago."""
    import_(
        [
            book("1", "Lama", year="1990", items=[("PST", "A1"), ("TJH", "A2")]),
            book("2", "Lebih muda", year="2020", items=[("PST", "B1"), ("PST", "B2")]),
            book("3", "Di tempat lain", year="2024", items=[("TJH", "C1")]),
            book("4", "Hilang", year="2025", items=[("PST", "D1")]),
            book("5", "Baru di sini", year="1971", items=[("TJH", "E1"), ("PST", "E2")]),
        ]
    )
    week_ago = clock.now() - timedelta(days=7)
    with database.transaction(system("test")) as session:
        session.execute(update(Item).where(Item.barcode == "D1").values(status="missing"))
        for at, item in enumerate(session.scalars(select(Item).where(Item.barcode != "E2"))):
            session.execute(update(Item).where(Item.id == item.id).values(id=UUID(int=earliest_id(week_ago).int + at)))


def arrived(database: Database, branch: str, **parameters: Any) -> list[str]:
    records = list_arrivals(database, context=READER, branch=branch, **parameters)
    return [orjson.loads(record.brief)["title"] for record in records]


def test_what_came_to_a_branch_last_is_first_and_of_one_day_the_newest_publication(
    database: Database, arrivals: None
) -> None:
    assert arrived(database, "PKS/PST") == ["Baru di sini", "Lebih muda", "Lama"]
    assert arrived(database, "PKS/TJH") == ["Di tempat lain", "Lama", "Baru di sini"]
    assert arrived(database, "PKS/PST", limit=1) == ["Baru di sini"]
    (newest,) = list_arrivals(database, context=READER, branch="PKS/PST", limit=1)
    assert orjson.loads(newest.holdings)[0]["branch"] == "PST"


def test_invalid_requests_for_arrivals_are_refused(database: Database, arrivals: None) -> None:
    for branch in ("PKS/NONE", "PST", ""):
        with pytest.raises(NotFound) as unknown:
            arrived(database, branch)
        assert unknown.value.reason == "BRANCH_UNKNOWN"
    with pytest.raises(Invalid) as refusal:
        arrived(database, "PKS/PST", limit=21)
    assert refusal.value.reason == "LIMIT_OUT_OF_BOUNDS"


def test_the_shelf_query_uses_its_database_index(database: Database, import_: Importer) -> None:
    import_([_record_at("1", "Satu", "PST", ["813 NAV r"])])
    with database.transaction(system("test")) as session:
        item = session.scalars(select(Item)).one()
        branch = session.get_one(Branch, item.branch_id)
        rows = [
            {
                "id": new_id(), "institution_id": branch.institution_id, "record_number": item.record_number,
                "branch_id": branch.id, "barcode": None, "call_number": f"813.{at:05}", "collection": "",
                "material": "", "status": "in_service", "copy": "", "position": at, "call_sort": f" 813.{at:05}    ",
            }
            for at in range(1, 3_000)
        ]  # fmt: skip
        session.execute(insert(Item), rows)
        if not database.is_sqlite:
            session.execute(text("ANALYZE items"))
        for leftwards in (True, False):
            plan = _plan(session, shelf_query(branch.id, (" 813.01500    ", 1), leftwards=leftwards, limit=60))
            assert "items_on_shelf" in plan
            assert "Sort" not in plan
            assert "TEMP B-TREE" not in plan
        if not database.is_sqlite:  # without statistics it takes a branch for one item, and sorts that
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = _plan(session, arrivals_query(branch.id, 60))
        assert "items_by_arrival" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def _plan(session: Session, query: Any) -> str:
    """Return the database's plan of a query: the statement is explained instead of run."""
    connection = session.connection()
    word = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "

    def explain(*arguments: Any) -> tuple[str, Any]:
        return word + arguments[2], arguments[3]

    event.listen(connection, "before_cursor_execute", explain, retval=True)
    try:
        cursor = connection.execute(query).cursor
        assert cursor is not None
        return "\n".join(str(row) for row in cursor.fetchall())
    finally:
        event.remove(connection, "before_cursor_execute", explain)
