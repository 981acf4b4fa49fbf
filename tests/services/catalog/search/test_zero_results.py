"""Help for searches without hits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import insert, select

from chassis.context import system
from services.catalog.search.zero_results import ZeroResultHelp
from services.catalog.tables import ClassCaption, Institution
from tests.fakes.library import Library, book


@pytest.fixture(scope="module")
def shelf(open_library: Callable[[], Library]) -> Library:
    library = open_library()
    library.put(
        [
            book("Robohnya surau kami", author="Navis, A. A.", call_number="899.221 NAV r"),
            book("Surau dan pasar", subject="Perdagangan", call_number="381 SUR"),
            book("Memancing di laut", language="min", call_number="799 MEM"),
        ]
    )
    library.put([book("Adat dan surau", call_number="390 ADA")], institution="KAMPUS")
    with library.database.transaction(system("test")) as session:
        owner = session.scalar(select(Institution.id).where(Institution.code == "SOLOK"))
        captions = {"799": ("Memancing dan berburu", "Fishing and hunting"), "79": ("Olahraga", "Sports")}
        for notation, (name_id, name_en) in captions.items():
            row = {"institution_id": owner, "notation": notation, "name_id": name_id, "name_en": name_en}
            session.execute(insert(ClassCaption).values(**row))
    return library


def find_help(library: Library, query: str, **more: object) -> ZeroResultHelp:
    result = library.find(query, **more)
    assert result.help is not None
    return result.help


def test_a_failed_word_is_named_and_the_other_words_are_offered_with_their_hits(shelf: Library) -> None:
    zero_result_help = find_help(shelf, "surau xyzzyx")
    assert zero_result_help.failed == ["xyzzyx"]
    assert zero_result_help.without == [("surau", 3)]


def test_words_of_no_common_record_are_offered_separately(shelf: Library) -> None:
    zero_result_help = find_help(shelf, "robohnya memancing")
    assert zero_result_help.failed == []
    assert zero_result_help.without == [("robohnya", 1), ("memancing", 1)]


def test_a_phrase_may_be_what_fails(shelf: Library) -> None:
    zero_result_help = find_help(shelf, '"surau kita" navis')
    assert zero_result_help.failed == ['"surau kita"']
    assert zero_result_help.without == [("navis", 1)]


def test_offered_queries_have_hits_under_the_current_filters(shelf: Library) -> None:
    zero_result_help = find_help(shelf, "surau xyzzyx", filters={"language": ("min",)})
    assert zero_result_help.without == []
    assert zero_result_help.without_filters == 0
    zero_result_help = find_help(shelf, "surau", filters={"language": ("min",)})
    assert zero_result_help.without_filters == 3


def test_other_institutions_with_hits_are_named(shelf: Library) -> None:
    zero_result_help = find_help(shelf, "robohnya", filters={"institution": ("KAMPUS",)})
    assert [(value.value, value.count, value.label and value.label.en) for value in zero_result_help.elsewhere] == [
        ("SOLOK", 1, "Solok City Library")
    ]
    assert find_help(shelf, "robohnya", filters={"branch": ("KAMPUS/PST",)}).elsewhere[0].value == "SOLOK"
    assert find_help(shelf, "robohnya xyzzyx").elsewhere == []


def test_classes_that_the_words_meet_come_before_classes_of_records(shelf: Library) -> None:
    zero_result_help = find_help(shelf, "pancingan xyzzyx")
    assert (zero_result_help.classes[0].value, zero_result_help.classes[0].count) == ("799", 1)
    assert zero_result_help.classes[0].caption is not None
    assert zero_result_help.classes[0].caption.en == "Fishing and hunting"
    assert {class_.value for class_ in find_help(shelf, "robohnya xyzzyx").classes} >= {"899"}
    assert find_help(shelf, "xyzzyx").classes == []


def test_a_search_with_hits_has_no_help(shelf: Library) -> None:
    for query in ("surau", "", "robohna", "language:ind"):
        assert shelf.find(query).help is None


def test_few_hits_are_kept_and_a_more_common_spelling_is_suggested(library: Library) -> None:
    library.put([book("Kancyl dan ibu"), *(book(f"Kancil {at}") for at in range(6))])
    result = library.find("kancyl")
    assert (result.total, result.did_you_mean, result.corrected) == (1, "kancil", False)
    assert library.titles("kancyl") == ["Kancyl dan ibu"]
    result = library.find("kanciil")
    assert (result.total, result.did_you_mean, result.corrected) == (6, "kancil", True)


def test_a_real_word_with_hits_is_offered_no_other(open_library: Callable[[], Library]) -> None:
    library = open_library()
    library.put([book("Padi di sawah"), *(book(f"Perang Padri {at}") for at in range(6))])
    result = library.find("padi")
    assert (result.total, result.did_you_mean) == (1, "")


@pytest.mark.parametrize("query", ["xyzzyx qqqqqq", "-surau xyzzyx", '""', "tahun:1300", " ".join("abcdefghijkl")])
def test_any_query_without_hits_has_help(sample_library: Library, query: str) -> None:
    assert sample_library.find(query, filters={"language": ("ind",)}).degraded is False
