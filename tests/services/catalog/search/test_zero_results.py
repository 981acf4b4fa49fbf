"""What helps when nothing was found."""

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


def helped(library: Library, query: str, **more: object) -> ZeroResultHelp:
    found = library.find(query, **more)
    assert found.help is not None
    return found.help


def test_the_word_that_nothing_has_is_named_and_the_rest_is_offered_with_what_it_finds(shelf: Library) -> None:
    found = helped(shelf, "surau xyzzyx")
    assert found.failed == ["xyzzyx"]
    assert found.without == [("surau", 3)]


def test_words_that_are_never_together_are_offered_apart(shelf: Library) -> None:
    found = helped(shelf, "robohnya memancing")
    assert found.failed == []
    assert found.without == [("robohnya", 1), ("memancing", 1)]


def test_a_phrase_may_be_what_fails(shelf: Library) -> None:
    found = helped(shelf, '"surau kita" navis')
    assert found.failed == ['"surau kita"']
    assert found.without == [("navis", 1)]


def test_what_is_offered_is_found_with_the_filters_as_they_are(shelf: Library) -> None:
    found = helped(shelf, "surau xyzzyx", filters={"language": ("min",)})
    assert found.without == []
    assert found.without_filters == 0
    found = helped(shelf, "surau", filters={"language": ("min",)})
    assert found.without_filters == 3


def test_other_institutions_that_have_it_are_named(shelf: Library) -> None:
    found = helped(shelf, "robohnya", filters={"institution": ("KAMPUS",)})
    assert [(each.value, each.count, each.label and each.label.en) for each in found.elsewhere] == [
        ("SOLOK", 1, "Solok City Library")
    ]
    assert helped(shelf, "robohnya", filters={"branch": ("KAMPUS/PST",)}).elsewhere[0].value == "SOLOK"
    assert helped(shelf, "robohnya xyzzyx").elsewhere == []


def test_classes_are_those_whose_caption_says_so_then_those_of_the_words(shelf: Library) -> None:
    found = helped(shelf, "pancingan xyzzyx")
    assert (found.classes[0].value, found.classes[0].count) == ("799", 1)
    assert found.classes[0].caption is not None
    assert found.classes[0].caption.en == "Fishing and hunting"
    assert {class_.value for class_ in helped(shelf, "robohnya xyzzyx").classes} >= {"899"}
    assert helped(shelf, "xyzzyx").classes == []


def test_where_something_is_found_nobody_needs_help(shelf: Library) -> None:
    for query in ("surau", "", "robohna", "language:ind"):
        assert shelf.find(query).help is None


def test_few_hits_stay_and_a_likelier_spelling_is_only_offered(library: Library) -> None:
    library.put([book("Siti dan ibu"), *(book(f"Sitti {at}") for at in range(6))])
    found = library.find("siti")
    assert (found.total, found.did_you_mean, found.corrected) == (1, "sitti", False)
    assert library.titles("siti") == ["Siti dan ibu"]
    found = library.find("sittti")
    assert (found.total, found.did_you_mean, found.corrected) == (6, "sitti", True)


@pytest.mark.parametrize("query", ["xyzzyx qqqqqq", "-surau xyzzyx", '""', "tahun:1300", " ".join("abcdefghijkl")])
def test_any_failing_query_can_be_helped(stocked: Library, query: str) -> None:
    assert stocked.find(query, filters={"language": ("ind",)}).degraded is False
