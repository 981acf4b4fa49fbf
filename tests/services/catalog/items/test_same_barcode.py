"""Two acts that give the same barcode at the same moment: one of them is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from chassis.context import READER, Context
from chassis.database.db import Database
from chassis.errors import Refused
from services.catalog.cataloguing.items import add_items
from services.catalog.importing.fast_adds import fast_add
from tests.builders import book
from tests.conditions import eventually
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import GIFT, add, edit, record_id
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.items.test_identities import ids, owners

__all__ = ["caller"]


def add_at_desk(database: Database, caller: Context) -> Any:
    with database.transaction(caller) as session:
        return fast_add(session, barcode="X", branch="PKS/PST", title="Kaba", context=caller)


def add_here(database: Database, caller: Context) -> Any:
    return add(database, caller, "2", barcodes=["X"])


def rename(database: Database, caller: Context) -> Any:
    return edit(database, caller, ids(database)["C"], 1, barcode="X")


def is_waiting(database: Database) -> bool:
    of_database = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.reading(READER) as session:
        return bool(session.scalar(text(f"SELECT count(*) {of_database}")))


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.servers)], indirect=True)
@pytest.mark.parametrize("act", [add_here, add_at_desk, rename])
def test_of_two_acts_with_one_barcode_at_once_one_is_refused(
    database: Database, caller: Context, import_: Importer, act: Any
) -> None:
    import_([book("2", "Kemarau", items=[("PST", "C")])])
    record = record_id(database, caller)
    with ThreadPoolExecutor(1) as thread:
        with database.transaction(caller) as session:
            first = {"count": 1, "branch": "PKS/PST", "barcodes": ["X"], "acquisition": GIFT}
            add_items(session, record, **first, context=caller)
            second = thread.submit(act, database, caller)
            eventually(lambda: second.done() or is_waiting(database))
            assert not second.done()
        with pytest.raises(Refused, match="BARCODE_TAKEN"):
            second.result(timeout=30)
    assert owners(database) == {"A": "1", "B": "1", "C": "2", "X": "1"}
