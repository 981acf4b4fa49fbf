"""The newest items of a branch, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import insert, select, text, update

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from chassis.ids import earliest_id, new_id
from chassis.urls import open_url
from services.catalog.browse import arrivals
from services.catalog.browse.arrivals import arrivals_query, list_arrivals
from services.catalog.index.port import ENGINES, Index
from services.catalog.tables import Branch, Item
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer
from tests.services.catalog.items.test_shelves import plan_of


@pytest.fixture
def index(database: Database, import_: Importer, tmp_path: Path) -> Iterator[Index]:
    """The index of items of two branches. Those of "Baru di sini" came today, the others a week ago."""
    import_(
        [
            book("1", "Lama", year="1990", items=[("PST", "A1"), ("TJH", "A2")]),
            book("2", "Lebih muda", year="2020", items=[("PST", "B1"), ("PST", "B2")]),
            book("3", "Di tempat lain", year="2024", items=[("TJH", "C1")]),
            book("4", "Hilang", year="2015", items=[("PST", "D1")]),
            book("5", "Baru di sini", year="1971", items=[("TJH", "E1"), ("PST", "E2")]),
        ]
    )
    week_ago = earliest_id(clock.now() - timedelta(days=7)).int
    with database.transaction(system("test")) as session:
        session.execute(update(Item).where(Item.barcode == "D1").values(status="missing"))
        barcodes = session.scalars(select(Item.barcode).where(Item.barcode != "E2").order_by(Item.barcode)).all()
        for at, barcode in enumerate(barcodes):
            session.execute(update(Item).where(Item.barcode == barcode).values(id=UUID(int=week_ago + at)))
    index = open_url(f"tantivy:///{tmp_path}/index", ENGINES)
    run_indexer(database, index)
    yield index
    index.close()


def arrived(database: Database, index: Index, branch: str, **parameters: Any) -> list[str]:
    records = list_arrivals(database, index, context=READER, branch=branch, **parameters)
    return [orjson.loads(record.brief)["title"] for record in records]


def test_the_newest_items_of_a_branch_come_first_and_on_one_day_the_newest_publication(
    database: Database, index: Index
) -> None:
    assert arrived(database, index, "PKS/PST") == ["Baru di sini", "Lebih muda", "Lama"]
    assert arrived(database, index, "PKS/TJH") == ["Di tempat lain", "Lama", "Baru di sini"]
    assert arrived(database, index, "PKS/PST", limit=1) == ["Baru di sini"]
    (newest,) = list_arrivals(database, index, context=READER, branch="PKS/PST", limit=1)
    assert orjson.loads(newest.holdings)[0]["branch"] == "PST"


def test_after_an_import_of_more_than_is_read_the_newest_publications_follow(
    database: Database, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "LAST_ITEMS", 2)
    assert arrived(database, index, "PKS/PST", limit=2) == ["Baru di sini", "Lebih muda"]
    assert arrived(database, index, "PKS/TJH", limit=2) == ["Di tempat lain", "Lama"]


def test_invalid_requests_for_arrivals_are_refused(database: Database, index: Index) -> None:
    for branch in ("PKS/NONE", "PST", ""):
        with pytest.raises(NotFound) as unknown:
            arrived(database, index, branch)
        assert unknown.value.reason == "BRANCH_UNKNOWN"
    with pytest.raises(Invalid) as refusal:
        arrived(database, index, "PKS/PST", limit=21)
    assert refusal.value.reason == "LIMIT_OUT_OF_BOUNDS"


def test_the_query_uses_its_database_index(database: Database, index: Index) -> None:
    with database.transaction(system("test")) as session:
        item = session.scalars(select(Item).where(Item.barcode == "A1")).one()
        branch = session.get_one(Branch, item.branch_id)
        rows = [
            {
                "id": new_id(), "institution_id": branch.institution_id, "record_number": item.record_number,
                "branch_id": branch.id, "barcode": None, "call_number": "", "collection": "", "material": "",
                "status": "in_service", "copy": "", "position": at, "call_sort": "",
            }
            for at in range(1, 3_000)
        ]  # fmt: skip
        session.execute(insert(Item), rows)
        if not database.is_sqlite:  # without statistics it takes a branch for one item, and sorts that
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = plan_of(session, arrivals_query(branch.id, 60))
    assert "items_by_arrival" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
