"""An indexer that is killed at any point continues without loss or duplicates; indexing with Elasticsearch."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from chassis.context import READER
from chassis.database.db import Database
from services.catalog.index.installation import open_index_at
from services.catalog.index.port import Index
from services.catalog.index.rebuilds import index_fault, request_rebuild
from services.catalog.tables import Record
from tests.conftest import CHECKOUT
from tests.programs import start_program
from tests.services.catalog.indexes import (
    books,
    eventually,
    many,
    numbers,
    queued_rows,
    rebuild_requests,
    run_indexer,
)


@pytest.mark.parametrize("point", ["before the queue rows go", "before progress is noted", "before done is noted"])
def test_after_a_kill_at_any_point_the_indexer_continues_without_loss_or_duplicates(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], point: str
) -> None:
    import_(many(10))
    run_indexer(database, index)
    index.close()
    if point != "before the queue rows go":
        request_rebuild(database)
    import_([*books("Jilid lain"), *many(12)[10:]])
    url = database.url.render_as_string(hide_password=False)
    words, program = [url, f"tantivy:///{folder}", point], "tests.services.catalog.killed_indexer:main"
    killed = start_program(words, program=program, env=os.environ, cwd=CHECKOUT)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    if point == "before the queue rows go":
        assert len(queued_rows(database)) == 3
    run_indexer(database, index)
    assert queued_rows(database) == {}
    assert len(numbers(index)) == index.count() == 12
    assert len(numbers(index, "lain")) == 1
    assert {request.state for request in rebuild_requests(database)} == {"done"}
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(Record)) == 12
    assert index_fault(database, index) == ""


def test_elasticsearch_is_updated_and_rebuilt_like_tantivy(
    database: Database, elasticsearch_url: str, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    index: Index = open_index_at(elasticsearch_url, database)
    import_(many(10))
    indexer = run_indexer(database, index)
    import_(books("Jilid lain"))
    rebuild_id = request_rebuild(database)
    run_indexer(database, index, indexer)
    eventually(lambda: len(numbers(index, "lain")) == 1)
    assert (len(numbers(index)), index.name(), queued_rows(database)) == (10, rebuild_id.hex, {})
    assert index_fault(database, index) == ""
    index.close()
