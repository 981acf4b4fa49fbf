"""A new index is built on request, and when the old one is missing, damaged or of another release or database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chassis.database.db import Database
from chassis.errors import NotFound, Unavailable
from chassis.ids import new_id
from chassis.urls import open_url
from services.catalog.index.indexer import Indexer
from services.catalog.index.installation import open_index_at
from services.catalog.index.port import ENGINES, Change, Index
from services.catalog.index.rebuilds import index_fault, rebuild_progress, request_rebuild
from services.catalog.index.tantivy_writing import TantivyRebuild
from tests.contract.indexes import filled
from tests.fakes.documents import made
from tests.services.catalog.indexes import (
    EVERYTHING,
    books,
    many,
    numbers,
    queued_rows,
    rebuild_requests,
    run_indexer,
)


def test_a_rebuild_makes_a_new_index_while_searches_and_changes_go_on(
    database: Database, index: Index, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    import_(many(10))
    indexer = run_indexer(database, index)
    old_name = index.name()
    rebuild_id = request_rebuild(database)
    assert request_rebuild(database) == rebuild_id
    indexer.step()
    request = rebuild_progress(database, rebuild_id)
    assert (request.state, request.written, request.total, request.finished_at) == ("running", 4, 10, None)
    assert len(numbers(index)) == 10
    import_([*books("Jilid baru"), *many(12)[10:]], source="TEST")
    indexer.step()
    assert queued_rows(database) == {}
    assert len(numbers(index, "baru")) == 1
    run_indexer(database, index, indexer)
    request = rebuild_progress(database, rebuild_id)
    assert (request.state, request.error) == ("done", "")
    assert request.finished_at is not None
    assert index.name() == rebuild_id.hex != old_name
    assert (len(numbers(index)), len(numbers(index, "baru"))) == (12, 1)
    assert index_fault(database, index) == ""


def test_an_interrupted_rebuild_continues(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    import_(many(10))
    indexer = run_indexer(database, index)
    rebuild_id = request_rebuild(database)
    indexer.step()
    index.close()
    sizes, write = list[int](), TantivyRebuild.write

    def counted(self: TantivyRebuild, changes: Sequence[Change], *, durable: bool = True) -> None:
        sizes.append(len(changes))
        write(self, changes, durable=durable)

    monkeypatch.setattr(TantivyRebuild, "write", counted)
    second_index = open_index_at(f"tantivy:///{folder}", database)
    run_indexer(database, second_index)
    assert sizes == [4, 2]
    assert (len(numbers(second_index)), second_index.name()) == (10, rebuild_id.hex)
    second_index.close()


def test_a_rebuild_whose_unfinished_index_is_lost_starts_again(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    import_(many(10))
    indexer = run_indexer(database, index)
    rebuild_id = request_rebuild(database)
    indexer.step()
    index.close()
    shutil.rmtree(folder / rebuild_id.hex)
    run_indexer(database, index)
    assert (len(numbers(index)), index.name()) == (10, rebuild_id.hex)
    assert rebuild_progress(database, rebuild_id).written == 10


def test_a_lost_index_is_built_again(
    database: Database, index: Index, folder: Path, import_: Callable[..., object]
) -> None:
    import_(many(10))
    run_indexer(database, index)
    index.close()
    shutil.rmtree(folder)
    assert index_fault(database, index) == "INDEX_MISSING"
    run_indexer(database, index)
    assert len(numbers(index)) == 10


@pytest.mark.parametrize("part", [".idx", ".term", ".fast"])
def test_a_damaged_index_refuses_searches_and_is_built_again(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], part: str
) -> None:
    import_(many(10))
    run_indexer(database, index)
    index.close()
    damaged_file = next((folder / index.name()).glob(f"*{part}"))
    damaged_file.chmod(0o600)
    # One byte, in place: a file that is cut for a moment kills the process if tantivy still maps it.
    with damaged_file.open("r+b") as file:
        content = file.read()
        file.seek(len(content) // 3)
        file.write(bytes([content[len(content) // 3] ^ 0xFF]))
    second_index = open_index_at(f"tantivy:///{folder}", database)
    assert index_fault(database, second_index) == "INDEX_ROTTEN"
    with pytest.raises(Unavailable) as error:
        second_index.search(EVERYTHING)
    assert error.value.reason == "INDEX_BUILDING"
    run_indexer(database, second_index)
    assert len(numbers(second_index)) == 10
    assert index_fault(database, second_index) == ""
    second_index.close()


def test_an_index_that_the_restored_database_does_not_know_answers_until_the_new_one_is_ready(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    newer = index.begin_rebuild(new_id().hex)
    newer.write([Change(1, 1, made(1))])
    newer.swap()
    import_(many(3))
    assert index_fault(database, index) == "INDEX_STRANGE"
    assert numbers(index) == [1]
    run_indexer(database, index)
    assert len(numbers(index)) == 3
    assert index_fault(database, index) == ""


def test_an_index_of_another_installation_is_refused_and_stays(
    database: Database, index: Index, folder: Path, import_: Callable[..., object]
) -> None:
    other: Index = open_url(f"tantivy:///{folder}", ENGINES)
    filled(other, [Change(1, 1, made(1))])
    import_(many(3))
    acts: list[Callable[[], object]] = [
        lambda: index_fault(database, index),
        lambda: Indexer(database, index).step(),
        lambda: index.search(EVERYTHING),
        lambda: index.write([Change(1, 2, None)]),
    ]
    for act in acts:
        with pytest.raises(Unavailable) as refusal:
            act()
        assert refusal.value.reason == "INDEX_FOREIGN"
        assert str(folder / "first") in refusal.value.sentence.en
    assert (numbers(other), list(rebuild_requests(database))) == ([1], [])
    shutil.rmtree(folder / "first")
    run_indexer(database, index)
    assert len(numbers(index)) == 3
    other.close()


def test_an_index_of_another_form_answers_no_search_and_stays_until_the_new_one_is_ready(
    database: Database,
    index: Index,
    folder: Path,
    import_: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    import_(many(10))
    run_indexer(database, index)
    old_name = index.name()
    manifest = folder / old_name / "rangkiang.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "form": "older"}))
    assert index_fault(database, index) == "INDEX_OUTDATED"
    reader = open_index_at(f"tantivy:///{folder}", database)
    indexer = Indexer(database, index)
    indexer.step()
    assert (index.name(), (folder / old_name).is_dir()) == (old_name, True)
    with pytest.raises(Unavailable) as refusal:
        reader.search(EVERYTHING)
    assert refusal.value.reason == "INDEX_BUILDING"
    run_indexer(database, index, indexer)
    assert index.name() != old_name
    assert not (folder / old_name).exists()
    assert len(numbers(reader)) == 10
    reader.close()
    assert (len(numbers(index)), index_fault(database, index)) == (10, "")


def test_an_index_without_one_record_is_detected_when_the_queue_is_empty(
    database: Database, index: Index, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("services.catalog.index.rebuilds.RECOUNT_SECONDS", 0.0)
    import_(many(3))
    run_indexer(database, index)
    index.write([Change(numbers(index)[0], 9, None)])
    assert index_fault(database, index) == "INDEX_INCOMPLETE"
    run_indexer(database, index)
    run_indexer(database, index)
    assert len(numbers(index)) == 3


def test_a_failed_rebuild_stores_its_error(database: Database, index: Index) -> None:
    rebuild_id = request_rebuild(database)
    Indexer(database, index).give_up(Unavailable("INDEX_NOT_WRITTEN", why="disk full"))
    request = rebuild_progress(database, rebuild_id)
    assert request.state == "failed"
    assert "disk full" in request.error
    assert request.finished_at is not None
    with pytest.raises(NotFound):
        rebuild_progress(database, new_id())


def test_an_unfinished_index_without_a_request_is_deleted(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.index.indexer.SCAN_BATCH", 4)
    monkeypatch.setattr("services.catalog.index.indexer.MOST_RECORDS_A_COMMIT", 4)
    import_(many(10))
    indexer = run_indexer(database, index)
    rebuild_id = request_rebuild(database)
    indexer.step()
    assert (folder / rebuild_id.hex).is_dir()
    indexer.give_up(Unavailable("INDEX_NOT_WRITTEN", why="disk full"))
    run_indexer(database, index)
    assert not (folder / rebuild_id.hex).exists()
    assert len(numbers(index)) == 10
