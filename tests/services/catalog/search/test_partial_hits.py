"""Hits with a part of the words, words of the same meaning, and classes that a search meets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from chassis.context import system
from chassis.sentences import LocalText
from chassis.urls import open_url
from services.catalog.browse.class_counts import load_captions
from services.catalog.index.port import ENGINES
from services.catalog.record.class_table import ClassRow, Synonyms
from services.catalog.search.search import SearchResult
from services.catalog.service import SERVICE
from tests.conftest import fresh_name
from tests.contract.indexes import eventually
from tests.fakes.library import Library, begun, book
from tests.migrated import MigratedDatabases
from tests.servers import drop_indices

BOOKS = (
    book("Kosmos", subject="Bintang; Alam semesta", call_number="520 SAG k", year=1997),
    book(
        "Pangeran cilik",
        author="Saint-Exupéry, Antoine de",
        summary="Seorang pangeran dari planet kecil.",
        call_number="843 SAI p",
        year=2003,
    ),
    book("Beternak ayam kampung", subject="Ayam kampung", call_number="636.5 RAS b"),
    book("Unggas air", call_number="636.5 SUP u"),
    book("Pengantar peternakan", call_number="636 AAK p"),
    book("Robohnya surau kami", author="Navis, A. A.", call_number="899.2213 NAV r"),
    book("Surau di kota", author="Navis, A. A.", call_number="899.2213 NAV s"),
    *(book(f"Cerita kota {number}", call_number="899.2213 CER") for number in range(12)),
)


@pytest.fixture(scope="module", params=["tantivy", "elasticsearch"])
def shelf(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated: MigratedDatabases,
    servers: dict[str, str],
) -> Iterator[Library]:
    """A library on each engine."""
    folder: Path = tmp_path_factory.mktemp("partial")
    name = fresh_name().replace("_", "-")
    url = f"tantivy:///{folder}/index" if request.param == "tantivy" else f"{servers['SEARCH_ROOT_URL']}/{name}"
    with migrated.open(SERVICE, "sqlite", folder) as database:
        library = Library(database, begun(open_url(url, ENGINES)))
        library.put(BOOKS)
        eventually(lambda: library.find("").total == len(BOOKS))
        yield library
        library.index.close()
    drop_indices(name)


def titles(result: SearchResult) -> list[str]:
    return [orjson.loads(hit.brief)["title"] for hit in result.hits]


def test_hits_with_all_the_words_are_followed_by_those_with_a_part_which_say_what_they_lack(shelf: Library) -> None:
    result = shelf.find("surau kota")
    assert (result.complete, result.relaxed, result.total) == (1, False, 14)
    assert titles(result)[:2] == ["Surau di kota", "Robohnya surau kami"]
    assert [list(hit.lacks) for hit in result.hits[:2]] == [[], ["kota"]]
    assert all(hit.lacks == ("surau",) for hit in result.hits[2:])


def test_the_rarer_word_comes_first_and_two_words_suffice(shelf: Library) -> None:
    result = shelf.find("bintang dan planet")
    assert (result.complete, result.relaxed) == (0, True)
    assert titles(result) == ["Kosmos", "Pangeran cilik"]


def test_enough_hits_with_all_the_words_are_not_followed(shelf: Library) -> None:
    result = shelf.find("cerita kota")
    assert (result.total, result.complete, result.relaxed) == (12, 0, False)
    assert not any(hit.lacks or hit.because for hit in result.hits)


@pytest.mark.parametrize("query", ["xyzzy qqqq", "xyzzy surau", '"kota surau"', "judul:kosmos judul:unggas"])
def test_a_search_without_enough_known_words_stays_empty(shelf: Library, query: str) -> None:
    assert shelf.find(query).total == 0


@pytest.mark.parametrize(
    ("query", "is_enough"),
    [
        ("unggas surau xyzzy qqqq", True),  # half, and unggas has a class
        ("kampung surau xyzzy qqqq", False),
        ("novel tentang surau xyzzy", True),  # asks for stories, which counts as one more known word
        ("unggas xyzzy 1999", False),
        ("unggas kampung xyzzy qqqq 1999", True),  # a number that no record has does not count
    ],
)
def test_half_of_the_words_are_enough_with_a_class_or_a_kind(shelf: Library, query: str, is_enough: bool) -> None:
    assert shelf.find(query).relaxed == is_enough


def test_a_word_in_a_subject_comes_before_one_in_a_title(other_shelf: Library) -> None:
    books = [book("Malam panjang", subject="Wabah"), book("Wabah rindu"), *(book(f"Kota {n}") for n in range(8))]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    assert titles(other_shelf.find("wabah tikus kota"))[:2] == ["Malam panjang", "Wabah rindu"]


def test_pages_continue_the_order_without_repetition(shelf: Library) -> None:
    hits, cursor, totals = [], "", set()
    for _page in range(4):
        result = shelf.find("surau kota", limit=4, cursor=cursor)
        hits += result.hits
        totals.add((result.total, result.complete))
        cursor = result.next
    assert not cursor
    assert totals == {(14, 1)}
    assert len({hit.id for hit in hits}) == 14
    assert [bool(hit.lacks) for hit in hits] == [False] + [True] * 13


def test_facets_count_what_total_counts_and_a_filter_changes_no_count(shelf: Library) -> None:
    result = shelf.find("surau kota", facets=("author",))
    assert [(value.value, value.count) for value in result.facets[0].values] == [("Navis, A. A.", 2)]
    assert shelf.find("surau kota", filters={"author": ("Navis, A. A.",)}).total == 2
    few = shelf.find("cerita kota 7", facets=("ddc",))
    assert few.facets[0].values[0].count == few.total


def test_in_another_order_nothing_follows(shelf: Library) -> None:
    assert shelf.find("surau kota", sort="title").total == 1


def test_a_strict_search_has_only_records_with_all_the_words_as_typed(shelf: Library) -> None:
    assert titles(shelf.find("surau kota", strict=True)) == ["Surau di kota"]
    assert shelf.find("robohna surau", strict=True).total == 0
    assert shelf.find("bintang planet", strict=True).total == 0


def test_a_number_that_is_found_is_not_followed(shelf: Library) -> None:
    assert titles(shelf.find("899.2213 NAV r")) == ["Robohnya surau kami"]


def test_fields_and_exclusions_of_a_search_apply_to_partial_hits(shelf: Library) -> None:
    result = shelf.find("surau robohnya kampung penulis:navis")
    assert set(titles(result)) == {"Robohnya surau kami", "Surau di kota"}
    assert "Surau di kota" not in titles(shelf.find("surau robohnya kampung -kota"))


def test_another_language_and_the_class_bring_records_in_and_say_why(shelf: Library) -> None:
    result = shelf.find("chicken farming")
    assert titles(result) == ["Beternak ayam kampung", "Unggas air", "Pengantar peternakan"]
    because = [hit.because and hit.because.en for hit in result.hits]
    assert because == [
        "“beternak ayam” is related to “chicken farming”",
        "Is in class 636.5 Chickens and poultry",
        "Is in class 636 Livestock and pets",
    ]


def test_a_class_without_records_brings_in_those_of_the_class_above_it(shelf: Library) -> None:
    result = shelf.find("why is there day and night")
    assert titles(result) == ["Kosmos"]
    assert result.hits[0].because is not None
    assert result.hits[0].because.en == "Is in class 520 Astronomy"


def test_words_that_mean_the_same_are_searched_where_few_records_have_the_typed_ones(shelf: Library) -> None:
    hits = shelf.find("planet prince").hits
    reasons = [(hit.because.en, list(hit.lacks)) for hit in hits if hit.because is not None]
    assert ("“pangeran” is related to “prince”", []) in reasons
    assert shelf.find("xyzzy prince").total == 0
    assert shelf.find("qqqq").total == 0


def test_a_class_without_records_does_not_make_its_words_known(shelf: Library) -> None:
    assert shelf.find("belajar bahasa korea untuk pemula").total == 0


def test_of_words_that_no_record_has_together_a_misspelt_one_is_corrected(shelf: Library) -> None:
    result = shelf.find("bintng dan planet")
    assert (titles(result), result.corrected, result.relaxed) == (["Kosmos", "Pangeran cilik"], True, True)
    assert (result.did_you_mean, result.complete) == ("bintang dan planet", 0)
    first = shelf.find("bintng dan planet", limit=1)
    assert titles(shelf.find("bintng dan planet", limit=1, cursor=first.next)) == ["Pangeran cilik"]


def test_a_word_that_one_of_many_records_has_is_enough(sample_library: Library) -> None:
    assert titles(sample_library.find("krakatoa xyzzy qqqq"))[0].startswith("Krakatoa")
    assert sample_library.find("krakatoa xyzzy qqqq zzzz").total == 0
    assert sample_library.find("surau xyzzy").total == 0
    assert "Manajemen Pemasaran" in titles(sample_library.find("memasarkan barang"))  # four records, and a real word
    assert sample_library.find("dampak akibat xyzzy").total == 0  # rare, but words of every topic


def test_a_common_word_that_no_record_has_does_not_count(shelf: Library) -> None:
    assert set(titles(shelf.find("unggas dipegang"))) == set(titles(shelf.find("unggas")))
    assert shelf.find("unggas xyzzy").total == 0
    assert shelf.find("dipegang").total == 0


@pytest.fixture(params=["tantivy", "elasticsearch"])
def other_shelf(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases, servers: dict[str, str]
) -> Iterator[Library]:
    """An empty library on each engine."""
    name = fresh_name().replace("_", "-")
    url = f"tantivy:///{tmp_path}/index" if request.param == "tantivy" else f"{servers['SEARCH_ROOT_URL']}/{name}"
    with migrated.open(SERVICE, "sqlite", tmp_path) as database:
        library = Library(database, begun(open_url(url, ENGINES)))
        yield library
        library.index.close()
    drop_indices(name)


def test_a_work_is_found_by_what_readers_remember_of_it(other_shelf: Library) -> None:
    books = [
        book("Bumi manusia", author="Toer, Pramoedya Ananta", subject="Kolonialisme"),
        *(book(f"Cerita kota {number}") for number in range(8)),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    for query, lacks in (
        ("annelies", []),
        ("minke annelies wonokromo", []),
        ("kolonialisme xyzzy nyai annelies", ["xyzzy"]),
    ):
        hit = other_shelf.find(query, explain=True).hits[0]
        assert orjson.loads(hit.brief)["title"] == "Bumi manusia"
        assert hit.because is not None
        assert hit.because.en.startswith("This work or subject is related to “")
        assert list(hit.lacks) == lacks
        reasons = {reason.text.en for reason in hit.reasons}
        assert {f"This work or subject is related to “{word}”" for word in query.split()[-1:]} <= reasons
        assert sum(reason.weight for reason in hit.reasons) == pytest.approx(hit.score, rel=0.01)
    # A name is known if readers use it, and is not misspelt; other words of readers may be in any search.
    assert not other_shelf.find("annelies").corrected
    assert other_shelf.find("nyai").total == 0
    assert other_shelf.find("annelies xyzzy qqqq").total == 0


@pytest.mark.parametrize("text", ["surau", "chicken farming"])
def test_a_library_without_records_finds_nothing(other_shelf: Library, text: str) -> None:
    assert other_shelf.find(text).total == 0


def test_a_word_for_readers_lifts_the_books_of_that_audience_and_finds_them(other_shelf: Library) -> None:
    books = [
        book("Laut biru", subject="Anak; Laut"),
        book("Laut dalam", subject="Laut; Anak", audience="j"),
        book("Kota laut", subject="Laut", audience="j"),
        book("Kota lain"),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    result = other_shelf.find("laut anak", explain=True)
    assert (titles(result), result.complete) == (["Laut dalam", "Laut biru", "Kota laut"], 2)
    assert "Audience: Children" in [reason.text.en for reason in result.hits[0].reasons]
    assert "Audience: Children" in [reason.text.en for reason in result.hits[2].reasons]
    assert result.hits[2].lacks == ()


def test_words_for_teenagers_and_children_together_lift_the_books_of_teenagers(other_shelf: Library) -> None:
    books = [
        book("Laut dalam", subject="Anak; Remaja", audience="j"),
        book("Laut luas", subject="Anak; Remaja", audience="d"),
        book("Laut kita", subject="Remaja", audience="j"),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    result = other_shelf.find("anak remaja")
    assert titles(result) == ["Laut luas", "Laut dalam", "Laut kita"]
    assert result.hits[2].because is not None
    assert result.hits[2].because.en == "This work or subject is related to “anak”"


def test_a_record_with_something_for_each_word_comes_before_one_with_a_word_and_its_class(other_shelf: Library) -> None:
    books = [
        book("Biografi Hatta", call_number="920 HAT b"),
        book("Biografi Sjahrir", call_number="920 SJA b"),
        book("Panggil aku Kartini", subject="Perempuan", call_number="920 KAR p"),
        book("Perempuan di pasar", call_number="899.2213 PER"),
        *(book(f"Cerita kota {number}", call_number="899.2213 CER") for number in range(8)),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    assert titles(other_shelf.find("biografi perempuan"))[0] == "Panggil aku Kartini"


def test_a_weak_word_is_not_needed_in_a_question(other_shelf: Library) -> None:
    books = [book("Ombak : sebuah roman", subject="Laut"), book("Kisah gunung"), book("Kisah kota")]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    assert titles(other_shelf.find("kisah tentang laut")) == ["Ombak"]
    assert not other_shelf.find("kisah tentang laut").relaxed
    assert other_shelf.find("kisah laut").relaxed


def test_a_subject_that_is_the_search_comes_first_with_the_reason(other_shelf: Library) -> None:
    books = [
        book("Sastra dan kritik sastra lama : sastra, kritik", summary="Kritik. Sastra."),
        book("Chairil pelopor angkatan empat puluh lima", subject="Kritik sastra"),
        *(book(f"Cerita kota {number}") for number in range(8)),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    hits = other_shelf.find("kritik sastra", explain=True).hits
    reasons = [{reason.text.en for reason in hit.reasons} for hit in hits]
    assert ["A subject has exactly the words of the search" in texts for texts in reasons] == [
        "pelopor" in orjson.loads(hit.brief)["title"] for hit in hits
    ]


def test_reasons_name_the_class_and_the_words_of_the_same_meaning(sample_library: Library) -> None:
    hit = sample_library.find("chicken farming", explain=True).hits[0]
    reasons = {reason.text.en: reason.weight for reason in hit.reasons}
    assert set(reasons) == {
        "Is in class 636.5 Chickens and poultry",
        "“beternak ayam” is related to “chicken farming”",
        "“ayam” in the subjects",
        "“peternakan” in the subjects: another form of “ternak”",
        "This work or subject is related to “chicken”",
        "This work or subject is related to “farming”",
        "The number of words of the search in the record",
    }
    assert sum(reasons.values()) == pytest.approx(hit.score, rel=0.01)


def test_words_of_the_table_are_known_though_no_record_has_them(sample_library: Library) -> None:
    result = sample_library.find("quantum physics")
    assert titles(result)[0].startswith("Fisika")
    assert result.hits[0].lacks == ("quantum",)
    assert sample_library.find("kriptografi kuantum").total == 0


def test_a_word_of_the_table_is_not_corrected(shelf: Library) -> None:
    result = shelf.find("poultry")
    assert (result.corrected, titles(result)[:1]) == (False, ["Unggas air"])


def test_help_names_the_nearest_class_and_no_main_class(shelf: Library) -> None:
    help_ = shelf.find("soil science").help
    assert help_ is not None
    assert [class_.value for class_ in help_.classes] == ["63"]
    assert help_.classes[0].caption is not None
    help_ = shelf.find("bagaimana cara xyzzy").help
    assert help_ is not None
    assert (help_.failed, help_.without, help_.classes) == (["xyzzy"], [], [])


def test_a_librarys_own_words_are_used(open_library: Callable[[], Library]) -> None:
    library = open_library()
    library.put([book("Itiak Bayang", call_number="636.5 ITI")])
    with library.database.transaction(system("test")) as session:
        row = ClassRow(LocalText("Unggas kita", "Our poultry"), (Synonyms(("itiak", "itiakmanila"), ()),))
        load_captions(session, "SOLOK", {"636.5": row})
    (hit,) = library.find("itiakmanila").hits
    assert hit.because is not None
    assert hit.because.id == "“itiak” berkaitan dengan “itiakmanila”"


def test_the_kind_and_the_language_that_a_query_asks_for_come_first_and_are_reasons(other_shelf: Library) -> None:
    books = [
        book("Laut biru", subject="Laut"),
        book("Ombak", subject="Laut"),
        book("Waves", subject="Laut", language="eng"),
    ]
    for record, number in zip(books, ("551.4", "899.2213", "551.4"), strict=True):
        record.fields.append(["082", "04", "a", number])
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    novels = other_shelf.find("novel tentang laut", explain=True)
    assert titles(novels)[0] == "Ombak"
    assert "Kind of book: literature and stories" in [reason.text.en for reason in novels.hits[0].reasons]
    questions = other_shelf.find("kenapa ada laut", explain=True)
    assert titles(questions)[-1] == "Ombak"
    assert "Kind of book: facts" in [reason.text.en for reason in questions.hits[0].reasons]
    english = other_shelf.find("buku bahasa inggris tentang laut", explain=True)
    assert (titles(english)[0], english.total, english.relaxed) == ("Waves", 3, False)
    assert "Language: English" in [reason.text.en for reason in english.hits[0].reasons]


def test_a_class_with_few_records_says_more_than_one_with_many(other_shelf: Library) -> None:
    books = [
        book("Satu", call_number="391 SAT"),  # pakaian
        *(book(f"Hewan {number}", call_number="590 HEW") for number in range(60)),
    ]
    other_shelf.put(books)
    eventually(lambda: other_shelf.find("").total == len(books))
    assert titles(other_shelf.find("busana fauna"))[0] == "Satu"
