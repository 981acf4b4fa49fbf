"""The index port: hits, scores, counts and order on every engine."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from chassis.errors import Unavailable
from chassis.urls import open_url
from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Keyword,
    Match,
    Near,
    Not,
    Or,
    Pattern,
    Phrase,
    Prefix,
    Term,
)
from services.catalog.index.port import ENGINES, REACH, Change, Index, Request
from services.catalog.search.query.parser import parse
from services.catalog.search.ranking.build import rank
from tests.contract.indexes import (
    BOOKS,
    EVERYTHING,
    Elasticsearch,
    SharedShelf,
    Tantivy,
    changes,
    eventually,
    facet_of,
    filled,
    numbers,
)
from tests.fakes.documents import made, random_changes


class Contract(SharedShelf):
    """Searches on every engine."""

    def test_without_an_index_searches_report_that_it_is_being_built(self, index: Index) -> None:
        with pytest.raises(Unavailable) as error:
            index.search(Request(EVERYTHING))
        assert error.value.reason == "INDEX_BUILDING"
        assert (index.fault(), index.name()) == ("INDEX_MISSING", "")

    def test_without_an_index_nothing_is_written(self, index: Index) -> None:
        with pytest.raises(Unavailable) as error:
            index.write(changes(BOOKS))
        assert error.value.reason == "INDEX_NOT_WRITTEN"
        assert index.fault() == "INDEX_MISSING"

    def test_an_empty_index_is_sound_and_finds_nothing(self, index: Index) -> None:
        filled(index, [])
        hits = index.search(Request(EVERYTHING, facets=("language",)))
        assert (hits.total, list(hits.numbers), hits.facets) == (0, [], {"language": []})
        assert (index.fault(), index.count(), index.name()) == ("", 0, "first")

    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            (EVERYTHING, [1, 2, 3, 4, 5]),
            (Term("title", "pelangi"), [1]),
            (Term("title", "pel"), []),
            (Prefix("title", "pe"), [1, 2]),
            (Phrase("title", ("laskar", "pelangi")), [1]),
            (Phrase("title", ("pelangi", "laskar")), []),
            (Phrase("title", ("pelangi",)), [1]),
            (Pattern("title", ("?elang*",)), [1]),
            (Pattern("title", ("lask*", "pelangi")), [1]),
            (Pattern("title", ("pel?ngi", "lask*")), []),
            (Pattern("title", ("absent", "lask*")), []),
            (Near("title", ("laskar",), ("pelangi",), 1), [1]),
            (Near("title", ("pelangi",), ("laskar",), 5), []),
            (Near("title", ("laskar",), ("absent",), 5), []),
            (Keyword("isbn", ("9789793062792", "9780000000000")), [1]),
            (Keyword("isbn", ()), []),
            (Keyword("facet_language", ("min", "eng")), [4, 5]),
            (Keyword("facet_language", ("min", "eng", *map(str, range(500)))), [4, 5]),
            (Between("year", 2006, 2009), [2, 3]),
            (Between("year", None, 2005), [1, 4]),
            (Between("year", 2006, None), [2, 3]),
            (Between("year", None, None), [1, 2, 3, 4]),
            (And((Term("author", "andrea"), Term("title", "sang"))), [2]),
            (Or((Phrase("title", ("sang",)), Phrase("title", ("menara",)))), [2, 3]),
            (Or(()), []),
            (DisMax((Phrase("title", ("sang",)), Phrase("subject", ("pesantren",)))), [2, 3]),
            (DisMax(()), []),
            (Not(EVERYTHING, (Term("author", "andrea"), Keyword("facet_language", ("min",)))), [3]),
            (Not(Term("title", "sang"), (Term("title", "pemimpi"),)), []),
            (Boosted(Keyword("facet_language", ("ind",)), (Phrase("title", ("menara",)),)), [3, 1, 2]),
            (Boosted(EVERYTHING, ()), [1, 2, 3, 4, 5]),
        ],
    )
    def test_each_kind_of_match_finds_its_records(self, books: Index, match: Match, expected: list[int]) -> None:
        assert sorted(numbers(books, match)) == sorted(expected)

    @pytest.mark.parametrize(
        ("token", "distance", "expected"),
        [
            ("pelanggi", 1, ["pelangi"]),
            ("palengi", 1, []),
            ("plangei", 2, ["pelangi"]),
            ("melangi", 1, []),
        ],
    )
    def test_near_words_have_the_same_first_letter_and_at_most_the_given_edits(
        self, books: Index, token: str, distance: int, expected: list[str]
    ) -> None:
        words = books.near_words(token, fields=("title",), distance=distance, limit=5)
        assert [word for word, _documents in words] == expected

    def test_known_words_are_those_that_a_document_has(self, books: Index) -> None:
        words = ["zzzz", "pelangi", "hirata", "menara"]
        assert books.known_words(words, fields=("title", "author")) == ["pelangi", "hirata", "menara"]
        assert books.known_words(words, fields=("author",)) == ["hirata"]
        assert books.known_words([], fields=("title",)) == []

    def test_several_matches_are_counted_in_order(self, books: Index) -> None:
        hirata, novel, none = Term("author", "hirata"), Term("subject", "novel"), Term("title", "zzzz")
        matches = [hirata, none, Boosted(novel, (hirata,)), Phrase("title", ("laskar", "pelangi")), EVERYTHING, Or(())]
        matches += [And((hirata, novel, none)), DisMax((none, hirata)), Not(novel, (hirata,)), Keyword("isbn", ())]
        assert list(books.totals(matches)) == [3, 0, 4, 1, 5, 0, 0, 3, 1, 0]
        assert list(books.totals(matches[:5], filters={"language": ("ind",)})) == [2, 0, 3, 1, 3]
        assert list(books.totals(matches[:5])) == [3, 0, 4, 1, 5]
        assert list(books.totals([])) == []

    def test_counts_follow_changes(self, index: Index) -> None:
        filled(index, changes(BOOKS))
        term = Term("title", "pelangi")
        assert list(index.totals([term])) == [1]
        assert index.count_values("facet_language", ["ind"]) == {"ind": 3}
        index.write([Change(1, 2, None)])
        eventually(lambda: list(index.totals([term])) == [0])
        assert index.count_values("facet_language", ["ind"]) == {"ind": 2}

    def test_constant_matches_score_their_boost(self, books: Index) -> None:
        match = Boosted(
            DisMax((Phrase("title", ("sang",), 2.0), Prefix("title", "pem", 4.0)), tie=0.1),
            (Keyword("facet_language", ("ind",), 0.5), Prefix("author", "andr", 0.25), Keyword("isbn", ("1",), 9.0)),
        )
        hits = books.search(Request(match))
        assert list(hits.numbers) == [2]
        assert hits.scores[0] == pytest.approx(4.0 + 0.2 + 0.5 + 0.25)

    def test_a_record_with_several_of_the_values_scores_the_boost_once(self, index: Index) -> None:
        both = made(1, keywords={"isbn": ("9780306406157", "9789793062792")})
        filled(index, changes([both, made(2)]))
        hits = index.search(Request(Keyword("isbn", ("9780306406157", "9789793062792"), 9.0)))
        assert (list(hits.numbers), list(hits.scores)) == ([1], [9.0])

    def test_ten_digits_find_the_book_with_that_isbn_and_the_copy_with_that_barcode(self, index: Index) -> None:
        printed = made(1, keywords={"isbn": ("9780306406157",)})
        labelled = made(2, keywords={"identifier": ("0306406152",)})
        filled(index, changes([printed, labelled, made(3)]))
        assert numbers(index, rank(parse("0306406152"))) == [1, 2]
        assert numbers(index, rank(parse("isbn:0306406152"))) == [1]
        assert numbers(index, rank(parse("barkod:0306406152"))) == [2]

    def test_filters_restrict_without_changing_scores(self, books: Index) -> None:
        match = Term("author", "andrea")
        everything = books.search(Request(match))
        filtered = books.search(Request(match, filters={"language": ("eng", "min"), "author": ("Andrea Hirata",)}))
        assert list(filtered.numbers) == [4]
        assert filtered.scores[0] == pytest.approx(everything.scores[0])

    def test_facets_are_counted_most_frequent_first_then_by_value(self, books: Index) -> None:
        hits = books.search(Request(EVERYTHING, facets=("language", "subject")))
        assert list(hits.facets["language"]) == [("ind", 3), ("eng", 1), ("min", 1)]
        assert list(hits.facets["subject"]) == [("Novel", 4), ("Belitung", 3), ("Pesantren", 1)]

    def test_a_facet_is_not_narrowed_by_its_own_filter(self, books: Index) -> None:
        hits = books.search(
            Request(
                EVERYTHING,
                filters={"language": ("eng",), "subject": ("Belitung",)},
                facets=("language", "subject", "author"),
            )
        )
        assert (hits.total, list(hits.numbers)) == (1, [4])
        assert list(hits.facets["language"]) == [("ind", 2), ("eng", 1)]
        assert list(hits.facets["subject"]) == [("Belitung", 1), ("Novel", 1)]
        assert list(hits.facets["author"]) == [("Andrea Hirata", 1)]

    def test_a_chosen_value_is_listed_even_when_no_hit_has_it(self, books: Index) -> None:
        hits = books.search(
            Request(EVERYTHING, filters={"language": ("min", "ara")}, facets=("language",), facet_size=1)
        )
        assert list(hits.facets["language"]) == [("ind", 3), ("min", 1), ("ara", 0)]

    @pytest.mark.parametrize(
        ("sort", "order"),
        [("year", [3, 2, 1, 4, 5]), ("year_asc", [1, 4, 2, 3, 5]), ("title", [5, 1, 3, 4, 2])],
    )
    def test_sorts_break_ties_by_number_and_put_unknown_years_last(
        self, books: Index, sort: str, order: list[int]
    ) -> None:
        assert numbers(books, EVERYTHING, sort=sort) == order
        assert numbers(books, EVERYTHING, sort=sort, offset=1, limit=3) == order[1:4]

    def test_pages_of_a_long_tie_repeat_and_miss_nothing(self, index: Index) -> None:
        filled(index, [])
        alike = [made(number, text={"title": "sama"}) for number in range(1, 301)]
        for part in range(6):
            index.write(changes(alike[part::6]))
        eventually(lambda: index.count() == 300)
        for match in (Term("title", "sama"), EVERYTHING, Prefix("title", "sa")):
            pages = [numbers(index, match, offset=offset, limit=50) for offset in range(0, 350, 50)]
            assert [number for page in pages for number in page] == list(range(1, 301))

    def test_facet_counts_are_exact_however_the_index_is_split(self, index: Index) -> None:
        filled(index, [])
        changes = list(random_changes(1500, seed=9))
        for at in range(0, 1500, 250):
            index.write(changes[at : at + 250])
        eventually(lambda: index.count() == 1500)
        for facet in ("author", "subject", "year", "language", "availability"):
            counts = Counter(value for change in changes for value in facet_of(change, facet))
            exact = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
            for size in (3, 10, 60):
                hits = index.search(Request(EVERYTHING, facets=(facet,), facet_size=size))
                assert list(hits.facets[facet]) == exact[:size]

    def test_each_of_many_matches_names_its_records(self, books: Index) -> None:
        matches: list[Match] = [Term("author", "andrea"), Term("author", "nobody"), Keyword("facet_language", ("eng",))]
        matches += [Between("number", number, number) for number in range(1, 40)]
        andrea, nobody, english, *alone = books.matching(matches, [1, 3, 4, 99])
        assert (andrea, nobody, english) == ({1, 4}, frozenset(), {4})
        assert alone == [{number} if number in (1, 3, 4) else frozenset() for number in range(1, 40)]

    def test_a_choice_that_no_record_has_changes_no_score(self, books: Index) -> None:
        author, nobody = Term("author", "andrea"), Term("author", "nobody")
        hits = books.search(Request(author))
        for match in (Or((nobody, author)), DisMax((author, And((author, nobody))), 0.5)):
            others = books.search(Request(match))
            assert (others.numbers, others.scores) == (hits.numbers, pytest.approx(hits.scores))
        assert books.search(Request(Or((nobody, nobody)))).total == 0

    def test_a_limit_of_zero_gives_no_hits(self, books: Index) -> None:
        hits = books.search(Request(Term("author", "andrea"), facets=("language",), limit=0))
        assert (hits.total, list(hits.numbers), len(hits.facets["language"])) == (3, [], 2)

    def test_paging_reaches_the_last_allowed_hit(self, books: Index) -> None:
        hits = books.search(Request(EVERYTHING, offset=REACH - 10, limit=10))
        assert (hits.total, list(hits.numbers)) == (5, [])


class TestTantivy(Tantivy, Contract):
    @pytest.mark.parametrize("nonsense", [Phrase("title", ()), Term("nowhere", "x"), Between("title", 1, 2)])
    def test_a_panic_of_the_engine_is_an_error_and_later_searches_work(self, books: Index, nonsense: Match) -> None:
        with pytest.raises(Unavailable) as error:
            books.search(Request(nonsense))
        assert error.value.reason == "SEARCH_UNAVAILABLE"
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]


class TestElasticsearch(Elasticsearch, Contract):
    def test_a_server_that_is_down_is_reported_within_two_seconds(self) -> None:
        index = open_url("http://127.0.0.1:9/records", ENGINES)
        started_at = time.monotonic()
        with pytest.raises(Unavailable) as error:
            index.search(Request(EVERYTHING))
        assert error.value.reason == "SEARCH_UNAVAILABLE"
        assert time.monotonic() - started_at < 2
        index.close()
