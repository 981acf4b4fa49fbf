"""Indexing: the queue reaches the index, a new index is built beside the old one, and nothing is lost on the way."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from chassis import clock
from chassis.context import READER, system
from chassis.db import Database
from chassis.errors import LocalText, NotFound, Unavailable
from chassis.ids import new_id
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import open_url
from services.catalog.analysis import tokens
from services.catalog.index import ENGINES, Change, Index, Request
from services.catalog.index.tantivy_writing import Building
from services.catalog.indexing import Keeper, ask_rebuild, enqueue, rebuild_progress, run, unsound
from services.catalog.indexing.queue import dequeue
from services.catalog.marc import Record as Marc
from services.catalog.ranking import All, Term
from services.catalog.service import SERVICE
from services.catalog.tables import IndexQueue, IndexRebuild, Record

EVERYTHING = Request(All(()), limit=1000)
CHECKOUT = Path(__file__).resolve().parents[3]


def books(*titles: str) -> list[Marc]:
    return [
        Marc(fields=[["001", f"b{at}"], ["003", "TEST"], ["245", "10", "a", title]]) for at, title in enumerate(titles)
    ]


def many(count: int) -> list[Marc]:
    return books(*(f"Jilid {at}" for at in range(count)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    opened = open_url(f"tantivy:///{folder}", ENGINES)
    yield opened
    opened.close()


def follow(database: Database, index: Index, keeper: Keeper | None = None) -> Keeper:
    """Work until there is nothing left to do."""
    keeper = keeper or Keeper(database, index)
    for _ in range(200):
        if not keeper.step():
            return keeper
    raise AssertionError("the keeper never rests")


def numbers(index: Index, word: str = "") -> list[int]:
    match = Term("title", tokens(word)[0]) if word else All(())
    return sorted(index.search(Request(match, limit=1000)).numbers)


def queued(database: Database) -> dict[int, int]:
    with database.reading(READER) as session:
        rows = session.execute(select(IndexQueue.record_number, IndexQueue.version)).all()
    return {row.record_number: row.version for row in rows}


def wishes(database: Database) -> Sequence[IndexRebuild]:
    with database.reading(READER) as session:
        return session.scalars(select(IndexRebuild).order_by(IndexRebuild.asked_at)).all()


def eventually(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def test_the_first_index_is_made_by_itself_and_filled_from_the_queue(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    import_(books("Sitti Nurbaya", "Salah Asuhan"))
    assert len(queued(database)) == 2
    follow(database, index)
    assert queued(database) == {}
    assert len(numbers(index)) == 2
    assert len(numbers(index, "asuhan")) == 1
    assert unsound(database, index) == ""


def test_changed_records_are_replaced_and_deleted_ones_leave_the_index(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    import_(books("Sitti Nurbaya", "Salah Asuhan", "Azab dan Sengsara"))
    keeper = follow(database, index)
    import_(books("Sitti Nurbaya", "Salah Pilih"))
    with database.transaction(system("test")) as session:
        (gone,) = numbers(index, "azab")
        session.execute(update(Record).where(Record.number == gone).values(deleted_at=clock.now(), version=2))
        enqueue(session, [(gone, 2)])
    follow(database, index, keeper)
    assert (len(numbers(index)), numbers(index, "asuhan"), numbers(index, "azab")) == (2, [], [])
    assert len(numbers(index, "pilih")) == 1


def test_the_queue_keeps_the_newest_version(database: Database) -> None:
    with database.transaction(system("test")) as session:
        enqueue(session, [(7, 3), (8, 1)])
        enqueue(session, [(7, 2), (8, 2)])
        enqueue(session, [])
    assert queued(database) == {7: 3, 8: 2}


def test_a_row_whose_record_changed_meanwhile_stays_queued(database: Database) -> None:
    with database.transaction(system("test")) as session:
        enqueue(session, [(number, 1) for number in range(1, 2501)])
        enqueue(session, [(7, 2)])
        dequeue(session, [(number, 1) for number in range(1, 2501)])
    assert queued(database) == {7: 2}


def test_rows_stay_queued_when_the_index_cannot_be_written(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    keeper = follow(database, index)
    import_(books("Sitti Nurbaya"))

    class Full(type(index)):  # type: ignore[misc]
        def write(self, changes: Sequence[Change]) -> None:
            raise OSError("no space left on device")

    index.__class__ = Full
    with pytest.raises(OSError, match="no space"):
        keeper.step()
    assert len(queued(database)) == 1


def test_a_rebuild_makes_a_new_index_while_searches_and_changes_go_on(
    database: Database, index: Index, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    import_(many(10))
    keeper = follow(database, index)
    before = index.name()
    asked = ask_rebuild(database)
    assert ask_rebuild(database) == asked
    keeper.step()
    now = rebuild_progress(database, asked)
    assert (now.state, now.written, now.total, now.finished_at) == ("running", 4, 10, None)
    assert len(numbers(index)) == 10
    import_([*books("Jilid baru"), *many(12)[10:]], source="TEST")
    keeper.step()
    assert queued(database) == {}
    assert len(numbers(index, "baru")) == 1
    follow(database, index, keeper)
    now = rebuild_progress(database, asked)
    assert (now.state, now.error) == ("done", "")
    assert now.finished_at is not None
    assert index.name() == asked.hex != before
    assert (len(numbers(index)), len(numbers(index, "baru"))) == (12, 1)
    assert unsound(database, index) == ""


def test_an_interrupted_rebuild_is_gone_on_with(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    import_(many(10))
    keeper = follow(database, index)
    asked = ask_rebuild(database)
    keeper.step()
    index.close()
    written, write = list[int](), Building.write
    monkeypatch.setattr(Building, "write", lambda self, given: (written.append(len(given)), write(self, given)))
    again = open_url(f"tantivy:///{folder}", ENGINES)
    follow(database, again)
    assert written == [4, 2]
    assert (len(numbers(again)), again.name()) == (10, asked.hex)
    again.close()


def test_a_rebuild_whose_unfinished_index_is_lost_starts_anew(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    import_(many(10))
    keeper = follow(database, index)
    asked = ask_rebuild(database)
    keeper.step()
    index.close()
    shutil.rmtree(folder / asked.hex)
    follow(database, index)
    assert (len(numbers(index)), index.name()) == (10, asked.hex)
    assert rebuild_progress(database, asked).written == 10


def test_a_lost_index_is_built_again(
    database: Database, index: Index, folder: Path, import_: Callable[..., object]
) -> None:
    import_(many(10))
    follow(database, index)
    index.close()
    shutil.rmtree(folder)
    assert unsound(database, index) == "INDEX_MISSING"
    follow(database, index)
    assert len(numbers(index)) == 10


@pytest.mark.parametrize("part", [".idx", ".term", ".fast"])
def test_a_rotten_index_answers_no_garbage_and_is_built_again(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], part: str
) -> None:
    import_(many(10))
    follow(database, index)
    index.close()
    rotten = next((folder / index.name()).glob(f"*{part}"))
    sound = bytearray(rotten.read_bytes())
    sound[len(sound) // 3] ^= 0xFF
    rotten.chmod(0o600)
    rotten.write_bytes(sound)
    again = open_url(f"tantivy:///{folder}", ENGINES)
    assert unsound(database, again) == "INDEX_ROTTEN"
    with pytest.raises(Unavailable) as trouble:
        again.search(EVERYTHING)
    assert trouble.value.reason == "INDEX_BUILDING"
    follow(database, again)
    assert len(numbers(again)) == 10
    assert unsound(database, again) == ""
    again.close()


def test_an_index_of_another_database_is_not_asked_and_built_again(
    database: Database, index: Index, import_: Callable[..., object]
) -> None:
    foreign = index.begin_rebuild(new_id().hex)
    foreign.swap()
    import_(many(3))
    assert unsound(database, index) == "INDEX_STRANGE"
    follow(database, index)
    assert len(numbers(index)) == 3
    assert unsound(database, index) == ""


def test_an_index_of_another_release_answers_until_the_new_one_is_there(
    database: Database,
    index: Index,
    folder: Path,
    import_: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    import_(many(10))
    follow(database, index)
    before = index.name()
    manifest = folder / before / "rangkiang.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "form": "older"}))
    assert unsound(database, index) == "INDEX_FOREIGN"
    keeper = Keeper(database, index)
    keeper.step()
    assert (index.name(), len(numbers(index))) == (before, 10)
    follow(database, index, keeper)
    assert index.name() != before
    assert (len(numbers(index)), unsound(database, index)) == (10, "")


def test_an_index_that_misses_a_record_is_noticed_at_rest(
    database: Database, index: Index, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("services.catalog.indexing.wishes.AGAIN_SECONDS", 0.0)
    import_(many(3))
    follow(database, index)
    index.write([Change(numbers(index)[0], 9, None)])
    assert unsound(database, index) == "INDEX_INCOMPLETE"
    follow(database, index)
    follow(database, index)
    assert len(numbers(index)) == 3


def test_a_rebuild_given_up_says_why(database: Database, index: Index) -> None:
    asked = ask_rebuild(database)
    Keeper(database, index).give_up(Unavailable("INDEX_NOT_WRITTEN", LocalText("", "disk full")))
    now = rebuild_progress(database, asked)
    assert now.state == "failed"
    assert "disk full" in now.error
    assert now.finished_at is not None
    with pytest.raises(NotFound):
        rebuild_progress(database, new_id())


def test_an_unfinished_index_that_nobody_waits_for_is_thrown_away(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    import_(many(10))
    keeper = follow(database, index)
    asked = ask_rebuild(database)
    keeper.step()
    assert (folder / asked.hex).is_dir()
    keeper.give_up(Unavailable("INDEX_NOT_WRITTEN", LocalText("", "disk full")))
    follow(database, index)
    assert not (folder / asked.hex).exists()
    assert len(numbers(index)) == 10


def test_batches_grow_with_the_queue_and_shrink_when_they_take_long(database: Database, index: Index) -> None:
    keeper = Keeper(database, index)
    assert keeper._next_limit(full=True, seconds=0.2) == 1000
    assert keeper._next_limit(full=True, seconds=0.7) == 500
    assert keeper._next_limit(full=True, seconds=3) == 250
    assert keeper._next_limit(full=False, seconds=3) == 500


def test_what_is_committed_is_found_within_a_second(
    database: Database, index: Index, folder: Path, import_: Callable[..., object]
) -> None:
    settings = load({"SEARCH_URL": f"tantivy:///{folder}"})
    stop = threading.Event()
    worker = threading.Thread(target=run, args=(Resources(settings, database, SERVICE), stop))
    worker.start()
    try:
        eventually(lambda: index.name() != "", 5)
        for count in (1, 2, 3):
            import_(many(count))
            eventually(lambda count=count: len(numbers(index)) == count, 1)
    finally:
        stop.set()
        worker.join(timeout=10)
    assert not worker.is_alive()


DIE = """
import os, signal, sys
from chassis.db import Database
from chassis.urls import open_url
from services.catalog.index import ENGINES
from services.catalog.indexing import Keeper, keeping

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

url, search, point = sys.argv[1:]
keeping.SCAN_BATCH = 4
index = open_url(search, ENGINES)
if point == "before the queue rows go":
    keeping.dequeue = die
elif point == "before progress is noted":
    note = Keeper._note
    Keeper._note = lambda self, wish, **values: die() if values.get("reached") else note(self, wish, **values)
elif point == "before done is noted":
    note = Keeper._note
    Keeper._note = lambda self, wish, **values: die() if values.get("state") == "done" else note(self, wish, **values)
keeper = Keeper(Database(url), index)
while keeper.step():
    pass
"""


@pytest.mark.parametrize("point", ["before the queue rows go", "before progress is noted", "before done is noted"])
def test_killed_at_any_point_it_goes_on_without_loss_or_double(
    database: Database, index: Index, folder: Path, import_: Callable[..., object], point: str
) -> None:
    import_(many(10))
    follow(database, index)
    index.close()
    if point != "before the queue rows go":
        ask_rebuild(database)
    import_([*books("Jilid lain"), *many(12)[10:]])
    url = database.url.render_as_string(hide_password=False)
    child = subprocess.run(
        [sys.executable, "-c", DIE, url, f"tantivy:///{folder}", point],
        cwd=CHECKOUT,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    if point == "before the queue rows go":
        assert len(queued(database)) == 3
    follow(database, index)
    assert queued(database) == {}
    assert len(numbers(index)) == index.count() == 12
    assert len(numbers(index, "lain")) == 1
    assert {wish.state for wish in wishes(database)} == {"done"}
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(Record)) == 12
    assert unsound(database, index) == ""


def test_elasticsearch_is_followed_rebuilt_and_healed_the_same_way(
    database: Database, elasticsearch_url: str, import_: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.indexing.keeping.SCAN_BATCH", 4)
    index: Index = open_url(elasticsearch_url, ENGINES)
    import_(many(10))
    keeper = follow(database, index)
    import_(books("Jilid lain"))
    asked = ask_rebuild(database)
    follow(database, index, keeper)
    eventually(lambda: len(numbers(index, "lain")) == 1, 3)
    assert (len(numbers(index)), index.name(), queued(database)) == (10, asked.hex, {})
    index.retire()
    with pytest.raises(Unavailable):
        index.search(EVERYTHING)
    follow(database, index)
    assert len(numbers(index)) == 10
    assert unsound(database, index) == ""
    index.close()
