"""The index port: hits by work, each with its best edition; and counts of single values."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from services.catalog.index.matches import Keyword, Term
from services.catalog.index.port import REACH, Change, Index, Request, Sort
from services.catalog.record.index_document import Document
from tests.contract.indexes import EVERYTHING, Elasticsearch, SharedShelf, Tantivy, changes, filled
from tests.fakes.documents import made, random_changes


def edition(
    number: int, work: int, *, title: str = "bumi", year: int | None = 2000, language: str = "ind", had: bool = False
) -> Document:
    facets = {"language": (language,), "availability": ("can_be_borrowed",) if had else ()}
    return replace(made(number, text={"title": title}, facets=facets, year=year, title_sort=title), work=work)


SHELF = [
    edition(1, 1, title="bumi manusia bumi", year=1980),
    edition(2, 1, title="bumi manusia", year=2005),
    edition(3, 1, title="earth", year=2010, language="eng"),
    edition(4, 4, title="bumi"),
    edition(5, 5, title="bumi dan langit yang panjang sekali", year=1999, had=True),
    edition(6, 5, title="bumi dan langit yang panjang sekali", year=2020),
]


class Contract(SharedShelf):
    """Searches by work on every engine."""

    DOCUMENTS = SHELF

    def test_each_work_is_one_hit_and_records_are_counted(self, books: Index) -> None:
        hits = books.search(Request(EVERYTHING, by_work=True, facets=("language",)))
        assert (hits.total, list(hits.works), list(hits.editions)) == (6, [1, 4, 5], [3, 1, 2])
        assert hits.facets == {"language": [("ind", 5), ("eng", 1)]}
        assert not hits.more

    def test_the_best_edition_is_available_or_in_the_readers_language_or_the_newest(self, books: Index) -> None:
        assert list(books.search(Request(EVERYTHING, by_work=True)).numbers) == [2, 4, 5]
        assert list(books.search(Request(EVERYTHING, by_work=True, language="eng")).numbers) == [3, 4, 5]

    def test_only_editions_that_match_are_shown_and_counted(self, books: Index) -> None:
        hits = books.search(Request(Term("title", "bumi"), by_work=True, language="eng"))
        assert sorted(zip(hits.works, hits.numbers, hits.editions, strict=True)) == [(1, 2, 2), (4, 4, 1), (5, 5, 2)]
        filtered = books.search(Request(EVERYTHING, filters={"language": ("eng",)}, by_work=True))
        assert (list(filtered.works), list(filtered.numbers), filtered.total) == ([1], [3], 1)

    def test_works_come_in_the_order_of_their_first_records(self, books: Index) -> None:
        records = books.search(Request(Term("title", "bumi")))
        works = books.search(Request(Term("title", "bumi"), by_work=True))
        of = {document.number: document.work for document in SHELF}
        assert list(works.works) == list(dict.fromkeys(of[number] for number in records.numbers))
        assert works.scores[0] == pytest.approx(records.scores[0])
        newest = books.search(Request(EVERYTHING, by_work=True, sort="year"))
        assert list(newest.works) == [5, 1, 4]

    def test_a_limit_of_zero_gives_no_works(self, books: Index) -> None:
        hits = books.search(Request(EVERYTHING, by_work=True, limit=0))
        assert (hits.total, list(hits.numbers), hits.more) == (6, [], True)
        hits_of_nothing = books.search(Request(Keyword("isbn", ()), by_work=True))
        assert (hits_of_nothing.total, list(hits_of_nothing.works), hits_of_nothing.more) == (0, [], False)

    def test_a_record_without_a_work_is_a_work_of_its_own(self, index: Index) -> None:
        filled(index, changes([edition(1, 0), edition(2, 0), edition(3, 1)]))
        assert list(index.search(Request(EVERYTHING, by_work=True)).works) == [-1, -2, 1]

    @pytest.mark.parametrize("sort", ["relevance", "title"])
    def test_pages_of_works_neither_repeat_nor_miss_one(self, index: Index, sort: Sort) -> None:
        changes = _many(400)
        filled(index, changes)
        match = Term("title", _commonest(changes))
        total, works = index.search(Request(match)).total, list[int]()
        while True:
            page = index.search(Request(match, by_work=True, sort=sort, offset=len(works), limit=7))
            works += page.works
            if not page.more:
                break
            assert len(page.works) == 7
        expected = {
            change.document.work for change in changes if change.document and _has(change.document, match.token)
        }
        assert len(works) == len(set(works))
        assert set(works) == expected
        all_works = index.search(Request(match, by_work=True, sort=sort, limit=100))
        assert works[:100] == list(all_works.works)
        assert sum(index.search(Request(match, by_work=True, limit=REACH)).editions) == total

    def test_single_values_are_counted(self, books: Index) -> None:
        languages = ["ind", "eng", "min", "x" * 2000]
        assert books.count_values("facet_language", languages) == {"ind": 5, "eng": 1, "min": 0, "x" * 2000: 0}
        assert books.count_values("facet_language", []) == {}
        assert books.count_values("facet_availability", ["can_be_borrowed"]) == {"can_be_borrowed": 1}


class TestTantivy(Tantivy, Contract):
    pass


class TestElasticsearch(Elasticsearch, Contract):
    pass


def _many(count: int) -> list[Change]:
    generator = random.Random(7)
    changes = []
    for change in random_changes(count, seed=7):
        assert change.document is not None
        changes.append(Change(change.number, 1, replace(change.document, work=generator.randint(1, count // 2))))
    return changes


def _commonest(changes: list[Change]) -> str:
    words = [word for change in changes if change.document for word in set(change.document.text["title"].split()[1:])]
    return max(set(words), key=lambda word: (words.count(word), word))


def _has(document: Document, token: str) -> bool:
    return token in document.text["title"].split()
