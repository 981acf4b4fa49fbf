"""The index port: one contract for every engine."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chassis.errors import Invalid, Unavailable
from chassis.urls import open_url
from services.catalog.document import Document
from services.catalog.index import ENGINES, REACH, Change, Index, Request
from services.catalog.ranking import All, Best, Between, But, Fuzzy, Keyword, Match, Phrase, Prefer, Prefix, Term
from services.catalog.ranking import Any as AnyOf
from tests.fakes.documents import made, random_changes, word

EVERYTHING = All(())
BOOKS = [
    made(
        1,
        text={"title": "laskar pelangi", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("ind",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        keywords={"isbn": ("9789793062792",)},
        year=2005,
        title_sort="laskar pelangi",
    ),
    made(
        2,
        text={"title": "sang pemimpi", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("ind",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        year=2006,
        title_sort="sang pemimpi",
    ),
    made(
        3,
        text={"title": "negeri 5 menara", "author": "ahmad fuadi", "subject": "pesantren novel"},
        facets={"language": ("ind",), "author": ("Ahmad Fuadi",), "subject": ("Novel", "Pesantren")},
        year=2009,
        title_sort="negeri 5 menara",
    ),
    made(
        4,
        text={"title": "the rainbow troops", "author": "andrea hirata", "subject": "belitung novel"},
        facets={"language": ("eng",), "author": ("Andrea Hirata",), "subject": ("Belitung", "Novel")},
        year=2005,
        title_sort="rainbow troops",
    ),
    made(
        5,
        text={"title": "kaba cindua mato"},
        facets={"language": ("min",)},
        title_sort="kaba cindua mato",
    ),
]


def changes(documents: list[Document], version: int = 1) -> list[Change]:
    return [Change(document.number, version, document) for document in documents]


def filled(index: Index, wanted: list[Change]) -> Index:
    rebuild = index.begin_rebuild("first")
    rebuild.write(wanted)
    rebuild.swap()
    return index


def eventually(true: Callable[[], bool], seconds: float = 3) -> float:
    """Wait until it is true and tell how long that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it did not come true in time"
        time.sleep(0.02)
    return time.monotonic() - begun


def numbers(index: Index, match: Match, **more: object) -> list[int]:
    return list(index.search(Request(match, **more)).numbers)  # type: ignore[arg-type]


def _facet(change: Change, facet: str) -> tuple[str, ...]:
    assert change.document is not None
    return tuple(set(change.document.facets[facet]))


class Contract:
    """What every engine does."""

    @pytest.fixture
    def index(self, url: str) -> Iterator[Index]:
        opened = open_url(url, ENGINES)
        yield opened
        opened.close()

    @pytest.fixture
    def books(self, index: Index) -> Index:
        return filled(index, changes(BOOKS))

    def test_without_an_index_it_says_that_one_is_being_built(self, index: Index) -> None:
        with pytest.raises(Unavailable) as trouble:
            index.search(Request(EVERYTHING))
        assert trouble.value.reason == "INDEX_BUILDING"
        assert (index.trouble(), index.name()) == ("INDEX_MISSING", "")

    def test_without_an_index_nothing_is_written(self, index: Index) -> None:
        with pytest.raises(Unavailable) as trouble:
            index.write(changes(BOOKS))
        assert trouble.value.reason == "INDEX_NOT_WRITTEN"
        assert index.trouble() == "INDEX_MISSING"

    def test_an_empty_index_is_sound_and_finds_nothing(self, index: Index) -> None:
        filled(index, [])
        hits = index.search(Request(EVERYTHING, facets=("language",)))
        assert (hits.total, list(hits.numbers), hits.facets) == (0, [], {"language": []})
        assert (index.trouble(), index.count(), index.name()) == ("", 0, "first")

    @pytest.mark.parametrize(
        ("match", "found"),
        [
            (EVERYTHING, [1, 2, 3, 4, 5]),
            (Term("title", "pelangi"), [1]),
            (Term("title", "pel"), []),
            (Prefix("title", "pe"), [1, 2]),
            (Fuzzy("title", "pelanggi", 1), [1]),
            (Fuzzy("title", "palengi", 1), []),
            (Fuzzy("title", "plangei", 2), [1]),
            (Fuzzy("title", "melangi", 1), []),
            (Phrase("title", ("laskar", "pelangi")), [1]),
            (Phrase("title", ("pelangi", "laskar")), []),
            (Phrase("title", ("pelangi",)), [1]),
            (Keyword("isbn", ("9789793062792", "9780000000000")), [1]),
            (Keyword("isbn", ()), []),
            (Keyword("facet_language", ("min", "eng")), [4, 5]),
            (Between("year", 2006, 2009), [2, 3]),
            (Between("year", None, 2005), [1, 4]),
            (Between("year", 2006, None), [2, 3]),
            (Between("year", None, None), [1, 2, 3, 4]),
            (All((Term("author", "andrea"), Term("title", "sang"))), [2]),
            (AnyOf((Phrase("title", ("sang",)), Phrase("title", ("menara",)))), [2, 3]),
            (AnyOf(()), []),
            (Best((Phrase("title", ("sang",)), Phrase("subject", ("pesantren",)))), [2, 3]),
            (Best(()), []),
            (But(EVERYTHING, (Term("author", "andrea"), Keyword("facet_language", ("min",)))), [3]),
            (But(Term("title", "sang"), (Term("title", "pemimpi"),)), []),
            (Prefer(Keyword("facet_language", ("ind",)), (Phrase("title", ("menara",)),)), [3, 1, 2]),
            (Prefer(EVERYTHING, ()), [1, 2, 3, 4, 5]),
        ],
    )
    def test_each_kind_of_match_finds_what_it_says(self, books: Index, match: Match, found: list[int]) -> None:
        assert numbers(books, match) == found

    def test_constants_score_as_they_are_boosted(self, books: Index) -> None:
        match = Prefer(
            Best((Phrase("title", ("sang",), 2.0), Prefix("title", "pem", 4.0)), tie=0.1),
            (Keyword("facet_language", ("ind",), 0.5), Fuzzy("author", "andra", 1, 0.25), Keyword("isbn", ("1",), 9.0)),
        )
        hits = books.search(Request(match))
        assert list(hits.numbers) == [2]
        assert hits.scores[0] == pytest.approx(4.0 + 0.2 + 0.5 + 0.25)

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

    def test_a_chosen_value_is_listed_even_when_it_is_rare_or_counts_nothing(self, books: Index) -> None:
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
        wanted = list(random_changes(1500, seed=9))
        for at in range(0, 1500, 250):
            index.write(wanted[at : at + 250])
        eventually(lambda: index.count() == 1500)
        for facet in ("author", "subject", "year", "language", "availability"):
            counted = Counter(value for change in wanted for value in _facet(change, facet))
            exact = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
            for size in (3, 10, 60):
                hits = index.search(Request(EVERYTHING, facets=(facet,), facet_size=size))
                assert list(hits.facets[facet]) == exact[:size]

    def test_no_hits_may_be_asked_for(self, books: Index) -> None:
        hits = books.search(Request(Term("author", "andrea"), facets=("language",), limit=0))
        assert (hits.total, list(hits.numbers), len(hits.facets["language"])) == (3, [], 2)

    def test_pages_reach_to_the_end_of_the_reach(self, books: Index) -> None:
        hits = books.search(Request(EVERYTHING, offset=REACH - 10, limit=10))
        assert (hits.total, list(hits.numbers)) == (5, [])

    def test_what_is_written_is_seen_within_a_second(self, books: Index) -> None:
        other = made(6, text={"title": "tenggelamnya kapal"})
        books.write([Change(6, 1, other), Change(2, 2, None), Change(1, 2, made(1, text={"title": "laskar baru"}))])
        took = eventually(lambda: numbers(books, EVERYTHING) == [1, 3, 4, 5, 6])
        assert took < 1
        assert numbers(books, Term("title", "pelangi")) == []
        assert numbers(books, Term("title", "baru")) == [1]
        assert books.count() == 5

    def test_writing_the_same_again_changes_nothing(self, books: Index) -> None:
        books.write(changes(BOOKS))
        books.write([*changes(BOOKS), Change(99, 1, None)])
        eventually(lambda: books.count() == 5)
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]

    def test_another_process_sees_it_too(self, books: Index, url: str) -> None:
        other = open_url(url, ENGINES)
        assert numbers(other, EVERYTHING) == [1, 2, 3, 4, 5]
        books.write([Change(5, 2, None)])
        assert eventually(lambda: numbers(other, EVERYTHING) == [1, 2, 3, 4]) < 1
        assert other.search(Request(EVERYTHING)).generation == books.search(Request(EVERYTHING)).generation
        other.close()

    def test_the_generation_stays_while_nothing_changes_and_changes_with_every_write(self, books: Index) -> None:
        def generation() -> str:
            return books.search(Request(EVERYTHING, limit=1)).generation

        seen = [generation()]
        assert books.search(Request(Term("title", "nothing"), facets=("language",))).generation == seen[0]
        for change in (Change(6, 1, made(6)), Change(6, 2, None), Change(1, 2, BOOKS[0])):
            books.write([change])
            eventually(lambda: generation() != seen[-1])
            time.sleep(0.6)
            seen.append(generation())
        rebuild = books.begin_rebuild("second")
        rebuild.write(changes(BOOKS))
        assert generation() == seen[-1]
        rebuild.swap()
        seen.append(generation())
        assert len(set(seen)) == 5

    def test_the_generation_is_known_after_many_writes_in_a_row(self, books: Index) -> None:
        for at in range(30):
            books.write([Change(10 + at, 1, made(10 + at))])
        eventually(lambda: books.count() == 35)
        time.sleep(0.6)
        first, second = (books.search(Request(EVERYTHING, limit=1)).generation for _ in range(2))
        assert first == second

    def test_near_words_come_nearest_then_commonest_first(self, index: Index) -> None:
        titles = ["minang kabau", "minang kabau", "minang kaba", "minang kabar", "minang kabar", "kayu", "sabau"]
        filled(index, changes([made(at, text={"title": title}) for at, title in enumerate(titles, 1)]))
        near = index.words("kabao", fields=("title", "subject"), distance=2, limit=5)
        assert near == [("kabar", 2), ("kabau", 2), ("kaba", 1)]
        assert index.words("kabao", fields=("title", "subject"), distance=2, limit=1) == [("kabar", 2)]
        assert index.words("kabau", fields=("title",), distance=1, limit=5) == [("kabar", 2), ("kaba", 1)]
        assert index.words("zzzzzz", fields=("title",), distance=2, limit=5) == []

    def test_words_only_deleted_documents_had_are_not_near(self, books: Index) -> None:
        books.write([Change(5, 2, None)])
        eventually(lambda: books.count() == 4)
        assert books.words("cindu", fields=("title",), distance=1, limit=5) == []

    def test_very_long_values_are_kept_shortened_and_still_found(self, index: Index) -> None:
        long = "x" * 40_000
        filled(index, changes([made(1, facets={"subject": (long,)}, title_sort=long)]))
        hits = index.search(Request(EVERYTHING, filters={"subject": (long,)}, facets=("subject",), sort="title"))
        assert list(hits.numbers) == [1]
        assert [count for _value, count in hits.facets["subject"]] == [1]

    def test_a_rebuild_is_invisible_until_it_is_swapped_in(self, books: Index) -> None:
        rebuild = books.begin_rebuild("second")
        rebuild.write(changes(BOOKS[:2]))
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]
        rebuild.swap()
        assert numbers(books, EVERYTHING) == [1, 2]
        assert (books.name(), books.trouble(), books.rebuilding()) == ("second", "", None)
        books.write(changes(BOOKS[2:3]))
        eventually(lambda: numbers(books, EVERYTHING) == [1, 2, 3])

    def test_a_rebuild_is_gone_on_with_after_a_restart(self, books: Index, url: str) -> None:
        books.begin_rebuild("second").write(changes(BOOKS[:2]))
        books.close()
        again = open_url(url, ENGINES)
        rebuild = again.rebuilding()
        assert rebuild is not None
        assert rebuild.name == "second"
        rebuild.write(changes(BOOKS[1:4]))
        rebuild.swap()
        assert numbers(again, EVERYTHING) == [1, 2, 3, 4]
        again.close()

    def test_an_abandoned_or_restarted_rebuild_leaves_nothing(self, books: Index) -> None:
        books.begin_rebuild("second").abandon()
        assert books.rebuilding() is None
        first = books.begin_rebuild("third")
        first.write(changes(BOOKS[:3]))
        second = books.begin_rebuild("fourth")
        second.swap()
        assert (books.name(), books.count()) == ("fourth", 0)

    def test_a_retired_index_answers_no_more(self, books: Index, url: str) -> None:
        other = open_url(url, ENGINES)
        assert other.count() == 5
        books.retire()
        time.sleep(0.3)
        for each in (books, other, books, other):
            with pytest.raises(Unavailable) as trouble:
                each.search(Request(EVERYTHING))
            assert trouble.value.reason == "INDEX_BUILDING"
        assert books.trouble() == "INDEX_MISSING"
        filled(books, changes(BOOKS))
        assert other.count() == 5
        other.close()

    def test_no_search_fails_while_an_index_is_swapped_in(self, books: Index, url: str) -> None:
        answers, failures, stop = [0], list[Exception](), threading.Event()

        def reader() -> None:
            other = open_url(url, ENGINES)
            with suppress(StopIteration):
                while not stop.is_set():
                    try:
                        assert numbers(other, EVERYTHING) == [1, 2, 3, 4, 5]
                        answers[0] += 1
                    except Exception as failure:
                        failures.append(failure)
            other.close()

        readers = [threading.Thread(target=reader) for _ in range(2)]
        for each in readers:
            each.start()
        for name in ("second", "third", "fourth", "fifth"):
            rebuild = books.begin_rebuild(name)
            rebuild.write(changes(BOOKS))
            rebuild.swap()
        stop.set()
        for each in readers:
            each.join()
        assert failures == []
        assert answers[0] > 20


class TestTantivy(Contract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"tantivy:///{tmp_path}/index"

    @pytest.fixture(autouse=True)
    def short_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Cut each segment's list of values short, as a big catalogue's are, so that counts must be made exact."""
        monkeypatch.setattr("services.catalog.index.tantivy_facets.SEGMENT_VALUES", 3)

    def test_a_path_with_three_slashes_is_relative_and_with_four_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for url, folder in (("tantivy:///var/a", tmp_path / "var/a"), (f"tantivy:///{tmp_path}/b", tmp_path / "b")):
            index = open_url(url, ENGINES)
            filled(index, [])
            index.close()
            assert (folder / "current").read_text() == "first\n"
        for wrong in ("tantivy://var/index", "tantivy:///"):
            with pytest.raises(Invalid):
                open_url(wrong, ENGINES)

    @pytest.mark.parametrize("nonsense", [Phrase("title", ()), Term("nowhere", "x"), Between("title", 1, 2)])
    def test_a_panic_or_a_refusal_is_named_and_nothing_breaks(self, books: Index, nonsense: Match) -> None:
        with pytest.raises(Unavailable) as trouble:
            books.search(Request(nonsense))
        assert trouble.value.reason == "SEARCH_UNAVAILABLE"
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4, 5]

    def test_two_writers_keep_each_other_out(self, books: Index, url: str) -> None:
        books.write(changes(BOOKS))
        other = open_url(url, ENGINES)
        with pytest.raises(Unavailable) as trouble:
            other.write(changes(BOOKS))
        assert trouble.value.reason == "INDEX_NOT_WRITTEN"
        books.close()
        other.write([Change(5, 2, None)])
        assert numbers(books, EVERYTHING) == [1, 2, 3, 4]
        other.close()


class TestElasticsearch(Contract):
    @pytest.fixture
    def url(self, elasticsearch_url: str) -> str:
        return elasticsearch_url

    def test_a_late_write_of_an_older_version_is_refused(self, books: Index) -> None:
        books.write([Change(1, 3, made(1, text={"title": "third"}))])
        books.write([Change(1, 2, made(1, text={"title": "second"})), Change(2, 2, made(2, text={"title": "second"}))])
        eventually(lambda: numbers(books, Term("title", "second")) == [2])
        assert numbers(books, Term("title", "third")) == [1]

    def test_a_server_that_is_down_is_named_quickly(self) -> None:
        index = open_url("http://127.0.0.1:9/records", ENGINES)
        begun = time.monotonic()
        with pytest.raises(Unavailable) as trouble:
            index.search(Request(EVERYTHING))
        assert trouble.value.reason == "SEARCH_UNAVAILABLE"
        assert time.monotonic() - begun < 2
        index.close()


def a_word(chance: random.Random) -> Match:
    """One word of a search box: in any field, the best counts; sometimes a prefix, a fuzzy word or a phrase beside."""
    title, token = word(chance.choice([1, 2, 3, 8, 30, 200])), word(min(int(chance.paretovariate(0.7)), 4000))
    fields = (("title", 4.0), ("title_stem", 3.0), ("author", 3.5), ("subject", 2.0), ("notes", 0.7))
    choices: list[Match] = [
        Term(field, token[:5] if field == "title_stem" else token, boost) for field, boost in fields
    ]
    choices += chance.choice(
        [[], [Prefix("title", token[:3], 0.8)], [Fuzzy("title", token, 1, 0.3)], [Phrase("title", (token, title), 6.0)]]
    )
    return Best(tuple(choices), tie=0.1)


def a_request(chance: random.Random) -> Request:
    words = tuple(a_word(chance) for _ in range(chance.choice([1, 1, 2, 2, 3])))
    match: Match = chance.choice([All, AnyOf])(words)
    match = chance.choice(
        [
            match,
            But(match, (Term("notes", word(2)),)),
            Prefer(match, (Phrase("title", (word(1), word(1)), 5.0), Term("subject", word(3), 2.0))),
            All((match, Between("year", 2000, chance.choice([2010, None])))),
        ]
    )
    filters: dict[str, tuple[str, ...]] = {}
    if chance.random() < 0.4:
        filters["language"] = tuple(chance.sample(("ind", "min", "eng"), 2))
    if chance.random() < 0.2:
        filters["author"] = (f"Pengarang {chance.randint(1, 5)}",)
    facets = chance.choice([(), ("language", "author"), ("subject", "year", "availability", "author")])
    offset = chance.choice([0, 0, 10, 300])
    return Request(match, filters, facets, offset=offset, limit=chance.choice([10, 20]))


def assert_alike(one: Index, other: Index, request: Request) -> None:
    """The same hits, facets, scores and order; those whose scores agree to a thousandth may change places."""
    left, right = one.search(request), other.search(request)
    assert (left.total, left.facets) == (right.total, right.facets)
    assert list(left.scores) == pytest.approx(list(right.scores), rel=1e-3)
    theirs = dict(zip(right.numbers, right.scores, strict=True))
    for number, score, there in zip(left.numbers, left.scores, right.numbers, strict=True):
        if number != there:
            # A tie at an edge of the page has others beyond it.
            near = [theirs[number]] if number in theirs else [right.scores[0], right.scores[-1]]
            assert any(score == pytest.approx(each, rel=1e-3) for each in near)


class TestBothEngines:
    """The two editions rank alike."""

    QUESTIONS = 200

    @pytest.fixture
    def both(self, tmp_path: Path, elasticsearch_url: str) -> Iterator[tuple[Index, Index]]:
        opened = (open_url(f"tantivy:///{tmp_path}/index", ENGINES), open_url(elasticsearch_url, ENGINES))
        yield opened
        for each in opened:
            each.close()

    @staticmethod
    def settle(both: tuple[Index, Index], count: int) -> None:
        """Wait until both have refreshed after the last write."""
        eventually(lambda: all(index.count() == count for index in both))
        time.sleep(0.6)

    def compare(self, both: tuple[Index, Index], seed: int) -> float:
        chance, same = random.Random(seed), 0
        for _ in range(self.QUESTIONS):
            request = a_request(chance)
            assert_alike(*both, request)
            same += list(both[0].search(request).numbers) == list(both[1].search(request).numbers)
        return same / self.QUESTIONS

    def test_they_find_score_count_and_order_alike(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(3000, seed=1)))
        assert self.compare(both, seed=2) > 0.9

    def test_they_still_do_after_updates_deletions_and_a_rebuild(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(3000, seed=1)))
            index.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            index.write([Change(number, 2, None) for number in range(1, 301)])
        self.settle(both, 2700)
        for index in both:
            rebuild = index.begin_rebuild("second")
            rebuild.write([change for change in random_changes(3000, seed=1) if 300 < change.number <= 2000])
            rebuild.write(list(random_changes(1000, seed=3, first=2001, version=2)))
            rebuild.swap()
        self.settle(both, 2700)
        assert self.compare(both, seed=4) > 0.9

    def test_they_know_the_same_words(self, both: tuple[Index, Index]) -> None:
        for index in both:
            filled(index, list(random_changes(1500, seed=5)))
        chance = random.Random(6)
        for _ in range(40):
            typed = list(word(chance.randint(1, 500)))
            typed[chance.randrange(1, len(typed))] = "e"
            asked = ("".join(typed), {"fields": ("title", "author"), "distance": chance.choice([1, 2]), "limit": 5})
            assert both[0].words(asked[0], **asked[1]) == both[1].words(asked[0], **asked[1])  # type: ignore[arg-type]
