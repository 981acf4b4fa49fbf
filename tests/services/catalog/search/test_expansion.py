"""A query with another form of a heading also finds records of the heading, below records with the typed words."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.urls import open_url
from services.catalog.importing.authorities import store_authorities
from services.catalog.importing.decode import prepare
from services.catalog.index.port import ENGINES, Index
from services.catalog.marc import iso2709
from services.catalog.marc.faults import Frame
from services.catalog.marc.record import Record
from services.catalog.sample import authorities
from services.catalog.search import expansion
from services.catalog.search.expansion import expand, heading_variants
from services.catalog.search.query.parser import parse
from services.catalog.search.ranking.build import rank
from services.catalog.tables import Institution
from tests.fakes.library import Library, book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.importing.test_authorities import HAMKA, authority
from tests.services.catalog.indexes import run_indexer


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find forms as soon as they are imported."""
    monkeypatch.setattr(expansion, "CACHE_SECONDS", 0.0)


def import_authorities(library: Library, *records: Record) -> None:
    """Import authority records."""
    frames = [Frame("marc", at, 0, iso2709.encode(record), None) for at, record in enumerate(records, 1)]
    with library.database.transaction(system("test")) as session:
        institution_id = session.query(Institution.id).limit(1).scalar()
        store_authorities(
            session,
            prepare("-", "SOLOK", frames).authorities,
            source_id=institution_id,
            institution_id=institution_id,
            met={},
            at=clock.now(),
        )


@pytest.fixture
def shelf(library: Library) -> Library:
    library.put(
        [
            book("Tasawuf modern", author="Hamka"),
            book("Buya Hamka : sebuah novel biografi", author="Fuadi, A."),
            book("Kemarau", author="Navis, A. A."),
            book("Tasawuf perkembangan", author="Lain, Orang", summary="Abdul Malik Karim Amrullah"),
        ]
    )
    import_authorities(library, HAMKA, authority("a2", "Navis, A. A.", see=["Navis, Ali Akbar"]))
    return library


def test_a_variant_finds_the_records_of_its_heading(shelf: Library) -> None:
    titles = shelf.titles("haji abdul malik karim amrullah")
    assert titles[0] == "Tasawuf perkembangan", "which says it as it was typed"
    assert set(titles[1:]) == {"Tasawuf modern", "Buya Hamka"}
    assert shelf.titles("ali akbar navis") == ["Kemarau"]
    assert shelf.titles("author:navis author:ali author:akbar") == ["Kemarau"]


def test_records_with_the_typed_words_come_first(shelf: Library) -> None:
    assert shelf.titles("buya hamka")[0] == "Buya Hamka"
    assert "Tasawuf modern" in shelf.titles("buya hamka")


def test_other_words_of_the_query_stay_required(shelf: Library) -> None:
    assert set(shelf.titles("buya hamka tasawuf", strict=True)) == {"Tasawuf modern", "Tasawuf perkembangan"}
    assert set(shelf.titles("buya hamka tasawuf")[:2]) == {"Tasawuf modern", "Tasawuf perkembangan"}
    assert shelf.titles("tasawuf -modern buya hamka", strict=True) == ["Tasawuf perkembangan"]


def test_facets_are_counted_of_the_same_hits(shelf: Library) -> None:
    result = shelf.find("ali akbar navis", facets=("author",))
    assert [(value.value, value.count) for value in result.facets[0].values] == [("Navis, A. A.", 1)]


def test_without_authority_records_nothing_is_read_and_nothing_changes(library: Library) -> None:
    query = parse("buya hamka")
    assert expand(library.database, query, rank(query)) == rank(query)
    assert heading_variants(library.database, query) == []


def test_the_reasons_of_a_hit_name_the_variant(shelf: Library) -> None:
    (hit,) = shelf.find("ali akbar navis", explain=True).hits
    (reason,) = hit.reasons
    assert reason.text.en == "Also known as “Navis, A. A.”"
    assert reason.text.id == "Dikenal juga sebagai “Navis, A. A.”"
    assert reason.weight == pytest.approx(hit.score, abs=2e-3)
    typed = next(hit for hit in shelf.find("buya hamka", explain=True).hits if b"novel" in hit.brief)
    assert {reason.text.en for reason in typed.reasons} >= {"“buya” in the title", "Also known as “Hamka”"}
    assert sum(reason.weight for reason in typed.reasons) == pytest.approx(typed.score, abs=0.02)


def test_the_words_of_the_variant_are_marked(shelf: Library) -> None:
    result = shelf.find("haji abdul malik karim amrullah", highlight=True)
    assert [hit.highlights["authors"] for hit in result.hits if b"modern" in hit.brief] == [["", "Hamka", ""]]


def test_a_query_with_hits_of_a_variant_is_neither_corrected_nor_relaxed(shelf: Library) -> None:
    result = shelf.find("ali akbar navis")
    assert (result.total, result.relaxed, result.corrected, result.did_you_mean) == (1, False, False, "")
    assert result.help is None


def test_a_misspelt_word_beside_a_variant_is_corrected(shelf: Library) -> None:
    result = shelf.find("kemarua ali akbar navis")
    assert (result.corrected, result.did_you_mean) == (True, "kemarau ali akbar navis")
    assert shelf.titles("kemarua ali akbar navis") == ["Kemarau"]


def test_a_misspelt_form_is_corrected_though_no_record_has_one_of_its_words(shelf: Library) -> None:
    import_authorities(shelf, authority("a3", "Hamka,", see=["Zulqi Hamka"]))
    shelf.put([book("Hamko")])
    result = shelf.find("zulqi hamko")
    assert (result.corrected, result.did_you_mean) == (True, "zulqi hamka")


def test_a_name_of_two_words_is_known_in_either_order(library: Library) -> None:
    library.put([book("Bumi manusia", author="Toer, Pramoedya Ananta")])
    import_authorities(library, authority("a1", "Toer, Pramoedya Ananta", see=["Ananta Tur, Pramudya", "Pram"]))
    for typed in ("pramudya ananta tur", "ananta tur pramudya", "pram"):
        assert library.titles(typed) == ["Bumi manusia"], typed


def test_while_the_engine_is_down_a_variant_is_looked_up_too(shelf: Library, tmp_path: Path) -> None:
    unreachable_index = open_url(f"tantivy:///{tmp_path}/nowhere", ENGINES)
    result = Library(shelf.database, unreachable_index).find("ali akbar navis")
    assert result.degraded
    assert [orjson.loads(hit.brief)["title"] for hit in result.hits] == ["Kemarau"]
    unreachable_index.close()


def test_the_cache_of_forms_saves_selects_and_is_bounded(shelf: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "CACHE_SECONDS", 30.0)
    statements: list[str] = []
    rows = shelf.database.rows
    monkeypatch.setattr(
        shelf.database, "rows", lambda statement, params: statements.append(statement) or rows(statement, params)
    )
    assert heading_variants(shelf.database, parse("tasawuf modern")) == []
    assert len(statements) == 1, "one SELECT of all forms"
    assert heading_variants(shelf.database, parse("kemarau panjang")) == []
    assert len(statements) == 1, "no SELECT for a query without a form"
    assert len(heading_variants(shelf.database, parse("ali akbar navis"))) == 1
    assert len(statements) == 2
    monkeypatch.setattr(expansion, "MOST_CACHED_FORMS", 3)
    monkeypatch.setattr(expansion, "CACHE_SECONDS", 0.0)
    time_after_expiry = time.monotonic() + 60
    monkeypatch.setattr(expansion.time, "monotonic", lambda: time_after_expiry)
    assert heading_variants(shelf.database, parse("kemarau panjang")) == []
    assert len(statements) == 4, "more forms than the cache holds: the words are looked up"


def test_the_cache_of_forms_is_read_again_when_it_is_old(shelf: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "CACHE_SECONDS", 30.0)
    assert heading_variants(shelf.database, parse("marah roesli")) == []
    import_authorities(shelf, authority("a3", "Rusli, Marah", see=["Roesli, Marah"]))
    assert heading_variants(shelf.database, parse("marah roesli")) == [], "not yet"
    time_after_expiry = time.monotonic() + expansion.CACHE_SECONDS + 1
    monkeypatch.setattr(expansion.time, "monotonic", lambda: time_after_expiry)
    assert [variant.form for variant in heading_variants(shelf.database, parse("marah roesli"))] == ["Rusli, Marah"]


def test_both_engines_and_both_databases_answer_alike(database: Database, index: Index, elasticsearch_url: str) -> None:
    books_of_author = [book(f"Tulisan ke-{at}", author="Hamka", barcode=f"B{at}") for at in range(3)]
    books_about_author = [book("Haji Abdul Malik Karim Amrullah"), book("Buya Hamka"), book("Buya dan surau")]
    for number, record in enumerate([*books_of_author, *books_about_author]):
        record.fields[:0] = [["001", f"b{number}"], ["003", "TEST"]]
    Importer(database)([*books_of_author, *books_about_author, HAMKA])
    with closing(open_url(elasticsearch_url, ENGINES)) as other_index:
        libraries = [Library(database, library_index) for library_index in (index, other_index)]
        for library in libraries:
            run_indexer(database, library.index)
        for query in ("haji abdul malik karim amrullah", "buya hamka", "hamka", "amrullah -surau"):
            result, other_result = (library.find(query, explain=True, facets=("author",)) for library in libraries)
            assert (query, result.total, result.facets) == (query, other_result.total, other_result.facets)
            assert (query, [hit.id for hit in result.hits]) == (query, [hit.id for hit in other_result.hits])
            assert [hit.score for hit in result.hits] == pytest.approx(
                [hit.score for hit in other_result.hits], abs=1e-3
            )
        assert libraries[0].titles("haji abdul malik karim amrullah") == [
            "Haji Abdul Malik Karim Amrullah",
            *(f"Tulisan ke-{at}" for at in range(3)),
            "Buya Hamka",
        ]


def test_the_beginning_of_a_form_suggests_its_heading(shelf: Library) -> None:
    assert shelf.suggested("buya h") == [("Buya Hamka", "title"), ("Hamka", "author")]
    assert shelf.suggested("navis al") == [("Navis, A. A.", "author")]
    import_authorities(shelf, authority("a4", "Tak berbuku", see=["Zamzam"]))
    assert shelf.suggested("zamz") == [], "nobody has it"


def test_quoted_and_unknown_names_stay_as_they_are(shelf: Library) -> None:
    assert heading_variants(shelf.database, parse('"buya hamka"')) == []
    assert heading_variants(shelf.database, parse("marah rusli")) == []
    assert [
        (heading_variant.form, str(heading_variant.query))
        for heading_variant in heading_variants(shelf.database, parse("hamka"))
    ] == [("Amrullah, Haji Abdul Malik Karim", "amrullah haji abdul malik karim")]


def test_the_samples_authorities_are_headings_that_its_books_use(sample_library: Library) -> None:
    headings = {
        name
        for row in sample_library.database.rows("SELECT text FROM headings WHERE kind = 'author'", ())
        for name in row
    }
    for record in authorities("PKS"):
        assert record.text("100", "a").removesuffix(",") in headings
        for value in record.values("500", "a"):
            assert value in headings
