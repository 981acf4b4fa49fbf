"""Searches on a real database and a real index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Invalid, TooLate
from chassis.urls import open_url
from services.catalog.index.port import ENGINES
from services.catalog.search.query.parser import parse
from services.catalog.search.search import Cursor, decode_cursor
from services.catalog.search.validation import MOST_WILDCARDS, SHORTEST_WILDCARD
from tests.fakes.library import Library, begun, book


@pytest.mark.parametrize(
    ("query", "first_title"),
    [
        ("robohnya surau kami", "Robohnya Surau Kami"),
        ("ROBOHNYA SURAU", "Robohnya Surau Kami"),
        ("surau navis", "Robohnya Surau Kami"),
        ('"surau kami"', "Robohnya Surau Kami"),
        ("judul:surau penulis:navis", "Robohnya Surau Kami"),
        ("sitti nurbaya", "Sitti Nurbaya"),
        ("laskar pelan", "Laskar Pelangi"),
        ("bumi manusia", "Bumi Manusia"),
        ("salah asuhan", "Salah Asuhan"),
        ("tenggelamnya kapal van der wijck", "Tenggelamnya Kapal van der Wijck"),
    ],
)
def test_a_known_book_is_the_first_hit(sample_library: Library, query: str, first_title: str) -> None:
    assert sample_library.titles(query)[0] == first_title


def test_exact_words_rank_above_stems(library: Library) -> None:
    library.put([book("Penulis besar"), book("Ditulis kembali"), book("Tulisan besar")])
    assert library.titles("tulisan")[0] == "Tulisan besar"
    assert library.titles("penulis")[0] == "Penulis besar"


def test_titles_and_authors_rank_above_subjects_and_those_above_notes(library: Library) -> None:
    library.put(
        [
            book("Kitab satu", summary="Tentang rantau dan orangnya."),
            book("Kitab dua", subject="Rantau"),
            book("Kitab tiga", author="Rantau, Siti"),
            book("Rantau"),
        ]
    )
    assert library.titles("rantau") == ["Rantau", "Kitab tiga", "Kitab dua", "Kitab satu"]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("quran", "Tafsir Al-Qurʾān"),
        ("Qur'an", "Tafsir Al-Qurʾān"),
        ("laki-laki", "Laki-laki dan mesiu"),
        ("laki", "Laki-laki dan mesiu"),
        ("penulisan", "Menulis itu mudah"),
        ("libraries", "Running a library"),
        ("978-602-8811-30-9", "Menulis itu mudah"),
        ("isbn 978 602 8811 309", "Menulis itu mudah"),
        ("602-8811-30-0", "Menulis itu mudah"),
        ("0012345", "Laki-laki dan mesiu"),
        ("899.221 3 tri l", "Laki-laki dan mesiu"),
        ("F 899.2213 TRI l", "Laki-laki dan mesiu"),
        ("tahun:1951", "Laki-laki dan mesiu"),
        ("tahun:..1951", "Laki-laki dan mesiu"),
        ("tahun:1950-1952", "Laki-laki dan mesiu"),
        ("bahasa:inggris", "Running a library"),
        ("yang tafsir", "Tafsir Al-Qurʾān"),
    ],
)
def test_a_book_is_found_by_each_kind_of_query(books: Library, query: str, title: str) -> None:
    assert books.titles(query) == [title]


@pytest.fixture(scope="module")
def books(open_library: Callable[[], Library]) -> Library:
    library = open_library()
    library.put(
        [
            book("Tafsir Al-Qurʾān", author="Hamka,"),
            book("Laki-laki dan mesiu", year=1951, barcode="0012345", call_number="F 899.221 3 TRI l"),
            book("Menulis itu mudah", isbn="978-602-8811-30-9 (sampul lunak)"),
            book("Running a library", language="eng"),
        ]
    )
    return library


def test_a_barcode_that_happens_to_be_an_isbn_is_found_as_both(library: Library) -> None:
    library.put([book("Bukunya", isbn="0-306-40615-2"), book("Eksemplarnya", barcode="0306406152")])
    assert set(library.titles("0306406152")) == {"Bukunya", "Eksemplarnya"}
    assert library.titles("isbn:0306406152") == ["Bukunya"]
    assert library.titles("-0306406152") == []


def test_a_word_after_minus_excludes(books: Library) -> None:
    assert books.titles("bahasa:ind -mudah -title:tafsir") == ["Laki-laki dan mesiu"]
    assert "Menulis itu mudah" not in books.titles("-mudah")


def test_an_empty_query_finds_every_record(books: Library) -> None:
    assert books.find().total == 4


def test_a_record_deleted_after_indexing_is_left_out(library: Library) -> None:
    library.put([book("Satu buku"), book("Dua buku"), book("Tiga buku")])
    library.lose(2)
    assert library.titles("buku", sort="title") == ["Satu buku", "Tiga buku"]


def test_a_hit_has_the_holdings_of_its_record(books: Library) -> None:
    hit = books.find("tafsir").hits[0]
    assert orjson.loads(hit.holdings)[0]["answer"] == "can_be_borrowed"
    assert orjson.loads(hit.brief)["authors"] == ["Hamka"]


def test_requested_facets_are_counted_and_labelled_in_both_languages(sample_library: Library) -> None:
    assert sample_library.find("novel").facets == []
    language, branch = sample_library.find("novel", facets=("language", "branch")).facets
    assert (language.name, language.values[0].value) == ("language", "ind")
    assert language.values[0].label is not None
    assert language.values[0].label.en == "Indonesian"
    assert branch.values[0].value.startswith("PKS/")


def test_a_chosen_facet_value_restricts_and_shows_the_others(sample_library: Library) -> None:
    result = sample_library.find("minangkabau", filters={"language": ("eng",)}, facets=("language",))
    values = {value.value: value for value in result.facets[0].values}
    assert result.total == values["eng"].count
    assert values["eng"].selected
    assert not values["ind"].selected


@pytest.mark.parametrize("sort", ["", "year", "year_asc", "title"])
def test_pages_repeat_nothing_and_miss_nothing(sample_library: Library, sort: str) -> None:
    ids: list[object] = []
    cursor = ""
    while True:
        page = sample_library.find("novel", sort=sort, limit=37, cursor=cursor)
        ids += [hit.id for hit in page.hits]
        cursor = page.next
        if not cursor:
            break
        assert not page.changed
    assert len(ids) == len(set(ids)) == sample_library.find("novel").total


def test_a_page_reports_that_the_index_has_changed(library: Library) -> None:
    library.put(book(f"Buku {number}") for number in range(30))
    page = library.find("buku")
    library.put([book("Buku lagi")])
    assert library.find("buku", cursor=page.next).changed


def test_pages_lead_back_to_the_first(sample_library: Library) -> None:
    first = sample_library.find("novel", limit=5)
    second = sample_library.find("novel", limit=5, cursor=first.next)
    third = sample_library.find("novel", limit=5, cursor=second.next)
    assert [page.offset for page in (first, second, third)] == [0, 5, 10]
    assert (first.previous, second.previous) == ("", "")  # the first page has no cursor
    again = sample_library.find("novel", limit=5, cursor=third.previous)
    assert [hit.id for hit in again.hits] == [hit.id for hit in second.hits]
    assert not again.changed


def test_a_cursor_belongs_to_its_query(sample_library: Library) -> None:
    cursor = sample_library.find("novel").next
    for parameters in ({"query": "puisi"}, {"sort": "year"}, {"filters": {"language": ("ind",)}}):
        with pytest.raises(Invalid) as refusal:
            sample_library.find(**{"query": "novel", "cursor": cursor, **parameters})
        assert refusal.value.reason == "CURSOR_INVALID"


def test_paging_ends_at_ten_thousand_hits_with_a_named_error() -> None:
    assert decode_cursor(str(Cursor(9_999, "a digest", "1")), "a digest").offset == 9_999
    with pytest.raises(Invalid) as refusal:
        decode_cursor(str(Cursor(10_000, "a digest", "1")), "a digest")
    assert refusal.value.reason == "PAGING_TOO_DEEP"


@given(st.one_of(st.text(max_size=60), st.binary(max_size=40).map(lambda raw: raw.hex())))
def test_any_text_as_a_cursor_is_foreign(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decode_cursor(text, "a digest")
    assert refusal.value.reason == "CURSOR_INVALID"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"query": "x" * 501}, "QUERY_TOO_LONG"),
        ({"query": "kata " * 33}, "QUERY_TOO_MANY_WORDS"),
        ({"facets": ("colour",)}, "FACET_UNKNOWN"),
        ({"filters": {"colour": ("red",)}}, "FACET_UNKNOWN"),
        ({"filters": {"subject": ("x" * 1001,)}}, "FACET_VALUES_OUT_OF_BOUNDS"),
        ({"filters": {"year": tuple(map(str, range(51)))}}, "FACET_VALUES_OUT_OF_BOUNDS"),
        ({"sort": "colour"}, "SORT_UNKNOWN"),
        ({"limit": 101}, "LIMIT_OUT_OF_BOUNDS"),
        ({"cursor": "abc"}, "CURSOR_INVALID"),
    ],
)
def test_parameters_out_of_bounds_are_refused_by_name(
    sample_library: Library, parameters: dict[str, object], reason: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        sample_library.find(**parameters)
    assert refusal.value.reason == reason


def test_a_request_after_its_deadline_is_not_searched(sample_library: Library) -> None:
    with pytest.raises(TooLate):
        sample_library.find("novel", context=replace(READER, deadline=0.0))


@pytest.mark.parametrize(
    ("typed", "correction", "title"),
    [
        ("robohna surau", "robohnya surau", "Robohnya Surau Kami"),
        ("siti nurbayya", "siti nurbaya", "Sitti Nurbaya"),
        ("laskar pelengi", "laskar pelangi", "Laskar Pelangi"),
        ("tengelamnya kapal", "tenggelamnya kapal", "Tenggelamnya Kapal van der Wijck"),
    ],
)
def test_a_misspelt_word_is_corrected_and_the_result_reports_it(
    sample_library: Library, typed: str, correction: str, title: str
) -> None:
    result = sample_library.find(typed)
    assert result.did_you_mean == correction
    assert result.understood == typed
    assert orjson.loads(result.hits[0].brief)["title"] == title


def test_the_next_page_has_the_same_correction(sample_library: Library) -> None:
    page = sample_library.find("minangkabua", limit=5)
    next_page = sample_library.find("minangkabua", limit=5, cursor=page.next)
    assert page.did_you_mean == next_page.did_you_mean == "minangkabau"
    assert {hit.id for hit in page.hits}.isdisjoint(hit.id for hit in next_page.hits)


@pytest.mark.parametrize("query", ["robohnya surau kami", "zzzzzzzz qqqqqqq", "1234567", "-novel", "", "tahun:1300"])
def test_a_correct_or_hopeless_query_is_not_corrected(sample_library: Library, query: str) -> None:
    assert sample_library.find(query).did_you_mean == ""


def test_matching_words_are_marked_on_request(sample_library: Library) -> None:
    result = sample_library.find("robohnya sur", highlight=True)
    assert result.hits[0].highlights["title"] == ["", "Robohnya Surau", " Kami"]
    assert sample_library.find("robohnya sur").hits[0].highlights == {}


PIECES = st.sampled_from(
    ["judul:", "tahun:", "1990", "..", "-", '"', " ", "*", "surau", "a", "é", "日", "978", ":", "~", "^", "$"]
)


@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join)))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_searched_for(sample_library: Library, text: str) -> None:
    wildcards = parse(text).wildcards
    too_short = any(word.isascii() and sum(map(str.isalnum, word)) < SHORTEST_WILDCARD for word in wildcards)
    if len(wildcards) > MOST_WILDCARDS or too_short:
        with pytest.raises(Invalid, match=r"WILDCARD"):
            sample_library.find(text)
        return
    result = sample_library.find(text, facets=("language",), highlight=True)
    assert len(result.hits) == min(result.total, 10)


def test_both_databases_give_the_same_result(library_on_each_database: Library) -> None:
    library_on_each_database.put([book("Satu", author="Navis"), book("Dua", author="Navis")])
    library_on_each_database.lose(1)
    result = library_on_each_database.find("navis", facets=("branch",))
    assert [orjson.loads(hit.brief)["title"] for hit in result.hits] == ["Dua"]
    assert result.facets[0].values[0].label is not None
    assert result.facets[0].values[0].label.id == "Pusat"


@pytest.fixture
def library_on_each_database(database: Database, tmp_path: Path) -> Iterator[Library]:
    index = begun(open_url(f"tantivy:///{tmp_path}/index", ENGINES))
    yield Library(database, index)
    index.close()


def test_words_as_people_type_them_are_found(open_library: Callable[[], Library]) -> None:
    library = open_library()
    library.put(
        [
            book("Ayat-ayat cinta"),
            book("Tjerita anak2 kampoeng"),
            book("L'amour fou"),
            book("Beternak lebah di Penajam"),
            book("Tata bahasa Minangkabau"),
        ]
    )
    for typed, title in (
        ("ayat2 cinta", "Ayat-ayat cinta"),
        ("cerita anak-anak", "Tjerita anak2 kampoeng"),
        ("cerita anak2", "Tjerita anak2 kampoeng"),
        ("amour fou", "L'amour fou"),
        ("l'amour", "L'amour fou"),
        ("gimana cara beternak lebah dong", "Beternak lebah di Penajam"),
        ("tata bhs minangkabau", "Tata bahasa Minangkabau"),
        ("tata baso", "Tata bahasa Minangkabau"),
    ):
        result = library.find(typed)
        assert (library.titles(typed), result.relaxed, result.corrected) == ([title], False, False), typed
    assert library.find("ayam").total == 0  # Penajam is no derivation of ajam, the old spelling


def test_a_word_that_replaces_the_typed_one_is_explained(open_library: Callable[[], Library]) -> None:
    library = open_library()
    library.put([book("Tata bahasa")])
    (hit,) = library.find("baso", explain=True).hits
    assert "“baso”" in hit.reasons[0].text.id
    assert "bahasa" in hit.reasons[0].text.id
    (marked,) = library.find("baso", highlight=True).hits
    assert marked.highlights["title"] == ["Tata ", "bahasa", ""]


def test_a_number_may_be_the_year_or_the_class_of_a_record(open_library: Callable[[], Library]) -> None:
    library = open_library()
    books = [
        book("Hujan", year=2016),
        book("Angka 2016", year=2017),
        book("Asas hukum"),
        book("Adat dan hukum"),
        book("Fikih"),
    ]
    for record, number in zip(books, ("899.2213", "510", "340.1", "392", "2X4.1"), strict=True):
        record.fields.append(["082", "  ", "a", number])
    library.put(books)
    assert library.titles("2016") == ["Angka 2016", "Hujan"]
    assert library.titles("hujan tahun 2016")[0] == "Hujan"
    assert library.titles("340 hukum")[0] == "Asas hukum"
    assert library.titles("2x4") == ["Fikih"]
    assert library.titles("899.2") == ["Hujan"]
    assert library.titles("340.12") == []
    for typed, sentence in (("hujan 2016", "Published in 2016"), ("340 hukum", "Is in class 340")):
        hit = library.find(typed, explain=True).hits[0]
        assert sentence in {reason.text.en for reason in hit.reasons}
