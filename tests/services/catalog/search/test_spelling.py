"""Corrections of misspelt words, and relaxed queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.index.port import Index
from services.catalog.search import recent
from tests.contract.indexes import eventually
from tests.fakes.library import Library, book


@pytest.fixture(scope="module")
def shelf(open_library: Callable[[], Library]) -> Library:
    library = open_library()
    library.put(
        [
            book("Robohnya surau kami", author="Navis, A. A.", subject="Cerita pendek"),
            book("Adat Minangkabau", author="Amir, M. S.", subject="Adat istiadat"),
            book("Sitti Nurbaya", author="Rusli, Marah"),
            book("Kemarau", author="Navis, A. A."),
            book("Surat dari rantau", author="Kemal, Surau"),
        ]
    )
    return library


@pytest.mark.parametrize(
    ("typed", "correction"),
    [
        ("robohnua surau", "robohnya surau"),  # another letter
        ("robhonya surau", "robohnya surau"),  # two letters swapped
        ("robohnyaa surau", "robohnya surau"),  # one too many
        ("roohnya surau", "robohnya surau"),  # one too few
        ("robohnua sureu", "robohnya surau"),  # two words at once
        ("tobohnya surau", "robohnya surau"),  # the first letter
        ("obohnya surau", "robohnya surau"),
        ("orbohnya surau", "robohnya surau"),
        ("robohnyasurau", "robohnya surau"),  # a space too few
        ("adat minang kabau", "adat minangkabau"),  # a space too many
        ('"robohnua surau" kami', '"robohnya surau" kami'),
        ('judul:"robohnua surau"', 'title:"robohnya surau"'),
        ("siti nurbayya", "siti nurbaya"),
        ("penulis:navsi kemarau", "author:navis kemarau"),
        ("kemarau -surau navsi", "kemarau navis -surau"),
        ("alminangkabou adat", "minangkabau adat"),  # with an article
        ("al-minangkabou adat", "minangkabau adat"),
    ],
)
def test_a_misspelt_query_is_corrected(shelf: Library, typed: str, correction: str) -> None:
    result = shelf.find(typed)
    assert (result.did_you_mean, result.corrected) == (correction, True)
    assert result.total > 0


@pytest.mark.parametrize("typed", ["surah", "surah rantau"])
def test_a_real_word_is_offered_another_and_never_replaced(shelf: Library, typed: str) -> None:
    result = shelf.find(typed)
    assert (result.did_you_mean, result.corrected) == (typed.replace("surah", "surau"), False)


@pytest.mark.parametrize(("typed", "correction"), [("robohnua surah", "robohnya surau"), ("surah rantua", "")])
def test_a_real_word_is_replaced_beside_a_misspelt_one_only_for_words_side_by_side(
    shelf: Library, typed: str, correction: str
) -> None:
    result = shelf.find(typed)
    assert (result.did_you_mean, result.corrected) == (correction, bool(correction))


def test_two_real_words_are_offered_the_words_that_are_side_by_side(shelf: Library) -> None:
    result = shelf.find("surah dari rantai")
    assert (result.did_you_mean, result.corrected) == ("surat dari rantau", False)


def test_a_pair_of_misspelt_words_is_corrected_beside_a_light_word_that_no_record_has(shelf: Library) -> None:
    result = shelf.find("adta dan minangkabua")
    assert (result.did_you_mean, result.complete) == ("adat dan minangkabau", 1)
    # `surah` is a real word, so it is replaced only if both words are side by side.
    result = shelf.find("robohnua dan surah")
    assert (result.did_you_mean, result.corrected) == ("robohnya dan surau", True)


def test_hits_with_a_part_of_the_words_follow_the_few_hits_of_a_correction(shelf: Library) -> None:
    first = shelf.find("robohnua surau kami", limit=1)
    assert (first.did_you_mean, first.corrected, first.complete, first.total) == ("robohnya surau kami", True, 1, 3)
    assert [hit.lacks for hit in first.hits] == [()]
    second = shelf.find("robohnua surau kami", limit=1, cursor=first.next)
    assert (second.corrected, second.complete, second.total) == (True, 1, 3)
    assert [hit.lacks for hit in second.hits] == [("robohnya",)]
    assert shelf.find("robohnua surau kami", sort="title").total == 1


@pytest.mark.parametrize("typed", ["dilam", "kemarau", "adat"])
def test_no_stop_word_and_no_commoner_word_is_offered(shelf: Library, typed: str) -> None:
    assert shelf.find(typed).did_you_mean == ""


def test_words_of_the_same_meaning_are_found_without_a_correction(shelf: Library) -> None:
    result = shelf.find("siti nurbaya")
    assert (result.total, result.did_you_mean) == (1, "")


def test_a_word_of_a_field_is_corrected_within_the_field(shelf: Library) -> None:
    assert shelf.find("judul:kemarua").did_you_mean == "title:kemarau"
    assert shelf.find("penulis:robohnua").did_you_mean == ""


@pytest.mark.parametrize("typed", ["xyzzyx", "navis minangkabua", "surau kemarai adat", "abc", "12345", "tahun:1300"])
def test_a_correction_without_hits_is_never_suggested(shelf: Library, typed: str) -> None:
    result = shelf.find(typed)
    assert not result.did_you_mean or shelf.find(result.did_you_mean).total


def test_a_suggestion_has_hits_under_the_current_filters(shelf: Library) -> None:
    assert shelf.find("robohnua", filters={"language": ("eng",)}).did_you_mean == ""
    assert shelf.find("robohnua", filters={"language": ("ind",)}).did_you_mean == "robohnya"


@given(st.text(alphabet="abnorshuyk ", min_size=1, max_size=24))
@settings(max_examples=60)
def test_every_suggestion_has_hits(shelf: Library, typed: str) -> None:
    result = shelf.find(typed)
    if result.did_you_mean:
        assert shelf.find(result.did_you_mean).total >= (result.total if result.corrected else result.total + 1)


@pytest.mark.parametrize(
    ("typed", "first_title"),
    [
        ("robohnya surau tetangga navis", "Robohnya surau kami"),  # three of four
        ("cerita pendek surau terbakar", "Robohnya surau kami"),
        ("adat istiadat zzzz minangkabau", "Adat Minangkabau"),
    ],
)
def test_when_no_record_has_all_words_most_of_them_suffice_and_the_result_reports_it(
    shelf: Library, typed: str, first_title: str
) -> None:
    result = shelf.find(typed)
    assert (result.relaxed, result.corrected, result.did_you_mean) == (True, False, "")
    assert shelf.titles(typed)[0] == first_title
    assert result.help is not None


@pytest.mark.parametrize("typed", ["belajar python", "kriptografi zzzz surau", "xyzzyx"])
def test_too_few_of_the_words_are_no_part(shelf: Library, typed: str) -> None:
    assert (shelf.find(typed).total, shelf.find(typed).relaxed) == (0, False)


def test_other_parts_of_a_relaxed_query_stay_required(shelf: Library) -> None:
    assert shelf.find("robohnya surau mereka navis bahasa:inggris").total == 0
    assert "Robohnya surau kami" not in shelf.titles("robohnya surau mereka navis -kami")


def test_the_next_page_of_a_relaxed_query_is_relaxed(library: Library) -> None:
    library.put(book(f"Satu dua tiga {at}") for at in range(15))
    page = library.find("satu dua tiga zzzz")
    next_page = library.find("satu dua tiga zzzz", cursor=page.next)
    assert (page.relaxed, next_page.relaxed, page.total, next_page.help) == (True, True, 15, None)
    assert len({hit.id for hit in (*page.hits, *next_page.hits)}) == 15


class CountedIndex:
    """An index that counts its searches."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)

        def call(*values: Any, **options: Any) -> Any:
            self.calls.append(name)
            return method(*values, **options)

        return call


@pytest.mark.parametrize(
    ("typed", "calls"),
    [
        ("robohnua surau", 7),  # with hits that have a part of the corrected words
        ("robohnya surau mereka navis", 7),
        ("xyzzyx qqqqqq", 11),
        ("xyzzyx " * 5 + "surau", 19),
    ],
)
def test_a_query_without_hits_calls_the_index_a_few_times_and_twice_when_it_is_repeated(
    shelf: Library, typed: str, calls: int
) -> None:
    index = CountedIndex(shelf.index)
    library = Library(shelf.database, cast("Index", index))
    result = library.find(typed)
    assert len(index.calls) <= calls, index.calls
    index.calls.clear()
    assert library.find(typed, facets=("language",)).hits == result.hits
    assert index.calls in (["search"], ["search", "search"], ["search", "search", "matching"])
    assert library.find(typed, filters={"language": ("eng",)}).total == 0


def test_known_words_are_not_corrected_beside_a_word_that_no_record_has(shelf: Library) -> None:
    index = CountedIndex(shelf.index)
    result = Library(shelf.database, cast("Index", index)).find("robohnya nurbaya xyzzyx")
    assert (result.did_you_mean, result.corrected) == ("", False)
    assert index.calls.count("near_words") == 1


def test_a_result_is_found_again_after_a_change_of_the_index(library: Library) -> None:
    library.put([book("Kemarau")])
    assert library.find("surau").help is not None
    assert library.find("kemarai").did_you_mean == "kemarau"
    library.put([book("Robohnya surau"), book("Kemarai")])
    eventually(lambda: library.find("surau").total == 1)
    result = library.find("kemarai")
    assert (result.total, result.corrected) == (1, False)


def test_few_results_are_remembered(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST_RESULTS", 10)
    library.put([book("Kemarau")])
    for number in range(30):
        assert library.find(f"kemarai tahun:{1900 + number}..").did_you_mean == f"kemarau year:{1900 + number}.."
    assert len(recent._results[library.index]) == 10
