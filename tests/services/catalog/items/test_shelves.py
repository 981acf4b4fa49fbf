"""Neighbours of a record on its shelf, on both databases."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.orm import Session

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.ids import new_id
from services.catalog.items.shelves import Shelf, list_neighbours, shelf_query
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
    assert (section.institution, section.branch) == ("PKS", "PKS/PST")
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
    assert neighbours_of(database, shelf["Agama"], branch="PKS/TJH").branch == "PKS/PST"
    assert titles(neighbours_of(database, shelf["Di tempat lain"], branch="nonsense")) == ["Di tempat lain"]


def test_a_record_without_call_number_has_no_neighbours(database: Database, shelf: dict[str, str]) -> None:
    assert neighbours_of(database, shelf["Tanpa nomor"]).neighbours == []


def test_invalid_requests_for_neighbours_are_refused(database: Database, shelf: dict[str, str]) -> None:
    with pytest.raises(NotFound):
        neighbours_of(database, str(new_id()))
    with pytest.raises(Invalid) as refusal:
        neighbours_of(database, shelf["Agama"], limit=21)
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
            plan = plan_of(session, shelf_query(branch.id, (" 813.01500    ", 1), leftwards=leftwards, limit=60))
            assert "items_on_shelf" in plan
            assert "Sort" not in plan
            assert "TEMP B-TREE" not in plan


def plan_of(session: Session, query: Any) -> str:
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
