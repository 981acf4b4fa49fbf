"""Lists of headings, titles and call numbers, around a term and page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.urls import open_url
from services.catalog.browse.headings import delete_unused_headings
from services.catalog.browse.lists import KINDS, BrowsePage, Position, browse, position_from_cursor, position_of
from services.catalog.index.port import ENGINES, Index
from services.catalog.marc.record import Record as Marc
from services.catalog.search.boolean.tree import Clause
from services.catalog.search.search import search
from services.catalog.tables import Heading, ImportRun, IndexQueue, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import eventually, run_indexer

CONTEXT = system("test")
REFUSED = (
    ({"kind": "colour"}, "BROWSE_KIND_UNKNOWN"),
    ({"kind": "author", "term": "x" * 201}, "TERM_TOO_LONG"),
    ({"kind": "author", "before": 51}, "LIMIT_OUT_OF_BOUNDS"),
    ({"kind": "author", "after": 51}, "LIMIT_OUT_OF_BOUNDS"),
    ({"kind": "author", "cursor": "bukan"}, "CURSOR_INVALID"),
    ({"kind": "author", "cursor": "WzEsMiwzLDRd"}, "CURSOR_INVALID"),
    ({"kind": "author", "cursor": "é" * 3000}, "CURSOR_INVALID"),
)


@dataclass
class Shelf:
    """A catalogue and its index, which put() updates."""

    database: Database
    index: Index
    import_: Importer

    def put(self, records: Iterable[Marc]) -> None:
        self.import_(records)
        run_indexer(self.database, self.index)
        with self.database.reading(READER) as session:
            there = session.scalar(select(func.count()).select_from(Record))
        eventually(lambda: self.index.count() == there)

    def browse(self, kind: str, term: str = "", **more: int | str) -> BrowsePage:
        return browse(self.database, self.index, context=READER, kind=kind, term=term, **more)  # type: ignore[arg-type]

    def texts(self, kind: str, term: str = "", **more: int | str) -> list[str]:
        return [heading.text for heading in self.browse(kind, term, **more).headings]


@pytest.fixture
def index(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Index]:
    """An index: tantivy with SQLite, Elasticsearch with PostgreSQL."""
    url = f"tantivy:///{tmp_path}/index" if database.is_sqlite else request.getfixturevalue("elasticsearch_url")
    index = open_url(url, ENGINES)
    yield index
    index.close()


@pytest.fixture
def shelf(database: Database, index: Index, import_: Importer) -> Shelf:
    """A catalogue of six books by four authors."""
    shelf = Shelf(database, index, import_)
    series = [["490", "0 ", "a", "Seri adat ;", "v", "1"]]
    shelf.put(
        [
            book("1", "Robohnya surau kami", author="Navis, A. A.", subjects=["Surau", "Adat -- Minangkabau"]),
            book("2", "Kemarau", author="Navis, A. A.", subjects=["Petani"]),
            book("3", "Merantau", author="Naim, Mochtar", subjects=["Migrasi"], more=series),
            book("4", "Ádat Minang", author="Nasroen, M.", subjects=["adat -- Minangkabau"], more=series),
            book("5", "Siti Nurbaya", author="Rusli, Marah", items=[("PST", "B5")]),
            book("6", "Zaman", author="Rusli, Marah"),
        ]
    )
    return shelf


def test_headings_come_in_folded_order_around_the_term_with_counts(shelf: Shelf) -> None:
    page = shelf.browse("author", "nav", before=2, after=2)
    assert [(heading.text, heading.count) for heading in page.headings] == [
        ("Naim, Mochtar", 1),
        ("Nasroen, M.", 1),
        ("Navis, A. A.", 2),
        ("Rusli, Marah", 2),
    ]
    assert page.place == 2
    assert (page.previous, page.next) == ("", "")


def test_without_a_term_a_list_begins_at_its_first_entry(shelf: Shelf) -> None:
    assert shelf.texts("subject") == [
        "Adat -- Minangkabau", "adat -- Minangkabau", "Migrasi", "Petani", "Surau",
    ]  # fmt: skip
    assert shelf.texts("series") == ["Seri adat"]
    assert shelf.browse("series").headings[0].count == 2


def test_cursors_page_forwards_and_backwards_without_gaps_or_repetition(shelf: Shelf) -> None:
    texts = list(shelf.texts("subject", after=2))
    page = shelf.browse("subject", after=2)
    while page.next:
        page = shelf.browse("", cursor=page.next, after=2)
        texts += [heading.text for heading in page.headings]
    assert texts == shelf.texts("subject")
    texts_backwards: list[str] = []
    while page.previous:
        page = shelf.browse("", cursor=page.previous, before=2)
        texts_backwards = [heading.text for heading in page.headings] + texts_backwards
    assert texts_backwards == texts[: len(texts) - 1]


def test_titles_come_without_articles_each_with_its_record(shelf: Shelf) -> None:
    page = shelf.browse("title", "me", before=1, after=2)
    assert [heading.text for heading in page.headings] == ["Kemarau", "Merantau", "Robohnya surau kami"]
    assert page.place == 1
    record = page.headings[1].record
    assert record is not None
    assert orjson.loads(record.brief)["title"] == "Merantau"
    assert shelf.texts("title")[0] == "Ádat Minang"


def test_call_numbers_come_as_on_the_shelf(shelf: Shelf) -> None:
    items = [["852", "  ", "b", branch, "p", f"X{at}", "h", number] for at, (branch, number) in enumerate(
        [("PST", "813 HAM t"), ("TJH", "297 HAM t"), ("PST", "297 HAM t"), ("PST", "R 030 ENS e")])]  # fmt: skip
    shelf.put(
        [book("7", "Tasawuf", more=items[:1]), book("8", "Tafsir", more=items[1:3]), book("9", "E", more=items[3:])]
    )
    assert shelf.texts("call_number") == ["297 HAM t", "813 HAM t", "899.221 NAV r", "R 030 ENS e"]
    page = shelf.browse("call_number", "813", before=1, after=1)
    assert [heading.text for heading in page.headings] == ["297 HAM t", "813 HAM t"]
    assert page.headings[0].record is not None
    next_page = shelf.browse("", cursor=page.next)
    assert [heading.text for heading in next_page.headings] == ["899.221 NAV r", "R 030 ENS e"]


@pytest.fixture
def numbered(shelf: Shelf) -> Shelf:
    """Books and serials with classes, ISBNs and ISSNs, and six books without."""
    classes = ["800", "810.9", "899", "899.221", "899.2213", "2X4.1", "297.1", "813.54"]
    shelf.put(
        [
            book(f"c{at}", isbn=isbn, more=[["082", "04", "a", number]])
            for at, (number, isbn) in enumerate(
                zip(classes, ["9789794030462", "978-979-403-046-2", "0306406152", *[""] * 5], strict=True)
            )
        ]
        + [book(f"s{at}", more=[["022", "0 ", "a", issn]]) for at, issn in enumerate(["0378-5955", "2434-561X"])]
    )
    return shelf


def total(shelf: Shelf, field: str, term: str) -> int:
    tree = Clause(term, field)
    return search(shelf.database, shelf.index, tree=tree, context=READER, limit=1).total


def test_classes_come_in_order_with_the_records_under_them(numbered: Shelf) -> None:
    texts = numbered.texts("class")
    assert texts == [
        "200", "290", "297", "297.1", "2X", "2X4", "2X4.1", "800", "810", "810.9", "813", "813.5", "813.54",
        "890", "899", "899.2", "899.22", "899.221", "899.2213",
    ]  # fmt: skip
    page = numbered.browse("class", "813.54", before=2, after=3)
    assert [heading.text for heading in page.headings] == ["813", "813.5", "813.54", "890", "899"]
    assert page.place == 2
    assert numbered.texts("", cursor=page.next)[0] == "899.2"
    assert numbered.texts("", cursor=page.previous)[-1] == "810.9"
    assert numbered.texts("class", "8", after=1) == numbered.texts("class", "800", after=1) == ["800"]
    assert numbered.texts("class", "299", before=1, after=1) == ["297.1", "2X"]


def test_isbns_and_issns_come_in_order_around_the_beginning_of_a_number(numbered: Shelf) -> None:
    assert numbered.texts("isbn") == ["9780306406157", "9789794030462"]
    assert numbered.texts("isbn", "978-979", before=1) == ["9780306406157", "9789794030462"]
    assert numbered.texts("isbn", "0-306-40615-2", after=1) == ["9780306406157"]
    assert numbered.texts("issn") == ["0378-5955", "2434-561X"]
    assert numbered.texts("issn", "24") == ["2434-561X"]
    assert [entry.count for entry in numbered.browse("isbn").headings] == [1, 2]


def test_a_search_for_a_listed_number_finds_as_many_records(numbered: Shelf) -> None:
    for kind in ("class", "isbn", "issn"):
        for entry in numbered.browse(kind, after=50).headings:
            assert total(numbered, kind, entry.text) == entry.count > 0


def test_an_unused_heading_is_not_listed_and_is_deleted(shelf: Shelf) -> None:
    shelf.put([book("6", "Zaman", author="Toer, Pramoedya"), book("5", "Siti Nurbaya", author="Toer, Pramoedya")])
    eventually(lambda: shelf.texts("author", "r") == ["Toer, Pramoedya"])
    assert delete_unused_headings(shelf.database, shelf.index) == 0, "an import has only just ended"
    long_before = clock.now().replace(year=2020)
    with shelf.database.transaction(CONTEXT) as session:
        session.execute(update(ImportRun).values(finished_at=long_before))
    assert delete_unused_headings(shelf.database, shelf.index) == 1
    with shelf.database.reading(READER) as session:
        assert session.scalar(select(func.count()).where(Heading.text == "Rusli, Marah")) == 0
    assert delete_unused_headings(shelf.database, shelf.index) == 0


def test_no_heading_is_deleted_while_changes_are_queued(shelf: Shelf) -> None:
    with shelf.database.transaction(CONTEXT) as session:
        session.add(Heading(kind="author", sort="zz", text="Zz"))
        session.execute(update(ImportRun).values(finished_at=clock.now().replace(year=2020)))
        session.add(IndexQueue(record_number=session.scalars(select(Record.number)).first(), version=1))
    assert delete_unused_headings(shelf.database, shelf.index) == 0


def test_invalid_parameters_are_refused_by_name(database: Database, index: Index) -> None:
    for parameters, reason in REFUSED:
        with pytest.raises(Invalid, match=reason):
            browse(database, index, context=READER, **parameters)  # type: ignore[arg-type]


@given(st.sampled_from(KINDS), st.text(max_size=200), st.text(max_size=200), st.booleans())
def test_a_cursor_decodes_to_its_position(kind: str, sort: str, tie: str, back: bool) -> None:
    position = Position(kind, sort.replace("\x00", ""), tie.replace("\x00", ""), back, after_entry=True)
    assert position_from_cursor(str(position)) == position


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    with suppress(Invalid):
        assert str(position_from_cursor(text))


def test_terms_are_folded_as_lists_are() -> None:
    assert position_of("author", "Qur'ān, A.").sort == "quran a"
    assert position_of("call_number", "813.5 NAV") != position_of("author", "813.5 NAV")
