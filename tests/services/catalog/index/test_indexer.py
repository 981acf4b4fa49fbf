"""The indexer writes the queue to the index, in order, in batches and within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select, update

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import load
from services.catalog.commands.database import wait_until_indexed
from services.catalog.index import indexer
from services.catalog.index.indexer import Indexer, run
from services.catalog.index.port import Change, Index
from services.catalog.index.rebuilds import index_fault
from services.catalog.index_queue import dequeue, enqueue
from services.catalog.service import SERVICE
from services.catalog.tables import ImportRun, IndexQueue, Record
from tests.services.catalog.indexes import books, eventually, many, numbers, queued_rows, run_indexer


def test_the_first_index_is_created_automatically_with_all_records(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    import_(books("Sitti Nurbaya", "Salah Asuhan"))
    assert len(queued_rows(database)) == 2
    run_indexer(database, index)
    assert queued_rows(database) == {}
    assert len(numbers(index)) == 2
    assert len(numbers(index, "asuhan")) == 1
    assert index_fault(database, index) == ""


def test_changed_records_are_replaced_and_deleted_ones_leave_the_index(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    import_(books("Sitti Nurbaya", "Salah Asuhan", "Azab dan Sengsara"))
    indexer = run_indexer(database, index)
    import_(books("Sitti Nurbaya", "Salah Pilih"))
    with database.transaction(system("test")) as session:
        (number,) = numbers(index, "azab")
        session.execute(update(Record).where(Record.number == number).values(deleted_at=clock.now(), version=2))
        enqueue(session, [(number, 2)])
    run_indexer(database, index, indexer)
    assert (len(numbers(index)), numbers(index, "asuhan"), numbers(index, "azab")) == (2, [], [])
    assert len(numbers(index, "pilih")) == 1


def test_the_queue_keeps_the_newest_version(database: Database) -> None:
    with database.transaction(system("test")) as session:
        enqueue(session, [(7, 3), (8, 1)])
        enqueue(session, [(7, 2), (8, 2)])
        enqueue(session, [])
    assert queued_rows(database) == {7: 3, 8: 2}


def test_a_row_whose_record_has_changed_since_stays_queued(database: Database) -> None:
    with database.transaction(system("test")) as session:
        enqueue(session, [(number, 1) for number in range(1, 2501)])
        enqueue(session, [(7, 2)])
        dequeue(session, dict.fromkeys(range(1, 2501), 1))
    assert queued_rows(database) == {7: 2}


def test_a_row_that_stays_has_waited_since_its_record_was_read(database: Database) -> None:
    start = clock.now()
    with clock.frozen(start), database.transaction(system("test")) as session:
        enqueue(session, [(7, 1), (8, 1), (9, 1)])
        # A row of a release without the column.
        session.execute(insert(IndexQueue).values(record_number=10, version=2, queued_at=None))
    with clock.frozen(start + timedelta(seconds=5)), database.transaction(system("test")) as session:
        enqueue(session, [(7, 2)])
        dequeue(session, {7: 1, 8: 1, 10: 1}, read_at=start + timedelta(seconds=3))
    with database.reading(system("test")) as session:
        rows = session.execute(select(IndexQueue.record_number, IndexQueue.queued_at)).all()
    assert {number: at - start for number, at in rows} == {
        7: timedelta(seconds=3),
        9: timedelta(0),
        10: timedelta(seconds=3),
    }


def test_a_command_waits_for_what_was_queued_before_and_not_for_others(database: Database) -> None:
    """Desks queue records all the time, so at no moment is the queue empty."""
    start = clock.now()
    later = start + timedelta(seconds=5)
    resources = Resources(settings=load({}), database=database, service=SERVICE)
    with clock.frozen(start):
        with database.transaction(system("test")) as session:
            enqueue(session, [(7, 1), (8, 1)])
            session.execute(insert(IndexQueue).values(record_number=9, version=1, queued_at=later))
        waiting = threading.Thread(target=wait_until_indexed, args=(resources,), kwargs={"quiet": True})
        waiting.start()
        for number in (8, 7):
            assert waiting.is_alive()
            with database.transaction(system("test")) as session:
                enqueue(session, [(number, 2)])
                dequeue(session, {number: 1}, read_at=later)
        waiting.join(timeout=20)
        assert not waiting.is_alive()
    assert queued_rows(database) == {7: 2, 8: 2, 9: 1}


def test_rows_stay_queued_when_the_index_cannot_be_written(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    indexer = run_indexer(database, index)
    import_(books("Sitti Nurbaya"))

    class Full(type(index)):  # type: ignore[misc]
        def write(self, changes: Sequence[Change]) -> None:
            raise OSError("no space left on device")

    index.__class__ = Full
    with pytest.raises(OSError, match="no space"):
        indexer.step()
    assert len(queued_rows(database)) == 1


def test_during_a_command_one_commit_waits_for_later_changes(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    run_indexer(database, index)
    commits: list[int] = []

    class Counting(type(index)):  # type: ignore[misc]
        def write(self, changes: Iterable[Change]) -> None:
            taken = list(changes)
            commits.append(len(taken))
            super().write(taken)

    index.__class__ = Counting
    import_(many(3), source="FIRST")
    later = threading.Timer(0.1, lambda: import_(many(4), source="SECOND"))
    later.start()
    assert Indexer(database, index, readers_wait=False).step()
    later.join()
    assert commits == [7]


def test_during_an_import_a_commit_waits_for_its_end_and_no_longer(
    database: Database, index: Index, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_indexer(database, index)
    import_(many(3))
    _set_end_of_imports(database, None)

    def end_import(_seconds: float) -> None:
        import_(many(2), source="SECOND")
        _set_end_of_imports(database, clock.now())

    monkeypatch.setattr(indexer, "QUIET_SECONDS", 3600.0)
    monkeypatch.setattr(indexer, "time", SimpleNamespace(sleep=end_import, monotonic=time.monotonic))
    assert Indexer(database, index, readers_wait=False).step()
    assert len(numbers(index)) == 5


def _set_end_of_imports(database: Database, moment: datetime | None) -> None:
    with database.transaction(system("test")) as session:
        session.execute(update(ImportRun).values(finished_at=moment))


def test_committed_records_are_found_while_the_job_runs(
    database: Database, index: Index, folder: Path, import_: Callable[..., object]
) -> None:
    settings = load({"SEARCH_URL": f"tantivy:///{folder}"})
    stop = threading.Event()
    worker = threading.Thread(target=run, args=(Resources(settings, database, SERVICE), stop))
    worker.start()
    try:
        eventually(lambda: index.name() != "")
        for count in (1, 2, 3):
            import_(many(count))
            eventually(lambda count=count: len(numbers(index)) == count)
    finally:
        stop.set()
        worker.join(timeout=10)
    assert not worker.is_alive()
