"""Searches by work."""

from __future__ import annotations

import orjson
import pytest

from chassis.context import READER, Context
from chassis.errors import Invalid
from services.catalog.marc.record import Record
from tests.fakes.library import Library, book


def edition(title: str, *, year: int, language: str = "ind", original: str = "") -> Record:
    record = book(title, author="Toer, Pramoedya Ananta", year=year, language=language)
    if original:
        record.fields.insert(3, ["240", "10", "a", original])
    return record


@pytest.fixture
def shelf(library: Library) -> Library:
    library.put(
        [
            edition("Bumi manusia", year=1980),
            edition("Bumi manusia", year=2005),
            edition("Earth of mankind, of bumi", year=1996, language="eng", original="Bumi manusia"),
            edition("Anak bumi", year=1985),
        ]
    )
    return library


def test_works_are_hits_with_their_ids_and_editions_and_records_are_counted(shelf: Library) -> None:
    result = shelf.find("bumi", by_work=True)
    assert result.total == 4
    assert sorted(hit.editions for hit in result.hits) == [1, 3]
    assert len({hit.work_id for hit in result.hits} - {""}) == 2
    assert result.next == ""


def test_the_readers_language_chooses_the_edition(shelf: Library) -> None:
    def shown(context: Context) -> set[str]:
        return {orjson.loads(hit.brief)["title"] for hit in shelf.find("bumi", by_work=True, context=context).hits}

    assert shown(READER) == {"Bumi manusia", "Anak bumi"}
    assert shown(Context(language="en")) == {"Earth of mankind, of bumi", "Anak bumi"}


def test_without_by_work_hits_are_records(shelf: Library) -> None:
    hits = shelf.find("bumi").hits
    assert [(hit.work_id, hit.editions) for hit in hits] == [("", 0)] * 4


def test_pages_of_works_follow_one_another(library: Library) -> None:
    library.put(book(f"Surau {at // 2}", author="Navis, A. A.", year=2000 + at) for at in range(30))
    work_ids: list[str] = []
    cursor = ""
    while True:
        result = library.find("surau", by_work=True, limit=4, cursor=cursor)
        work_ids += [hit.work_id for hit in result.hits]
        cursor = result.next
        if not cursor:
            break
    assert len(work_ids) == len(set(work_ids)) == 15


def test_a_cursor_of_records_is_foreign_to_works(shelf: Library) -> None:
    cursor = shelf.find("bumi", limit=1).next
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        shelf.find("bumi", limit=1, cursor=cursor, by_work=True)
