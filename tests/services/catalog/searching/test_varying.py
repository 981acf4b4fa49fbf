"""A query that says another form of a heading finds what stands under the heading, below what says it as typed."""

from __future__ import annotations

import pytest

from chassis import clock
from chassis.context import system
from services.catalog.establishing import establish
from services.catalog.index import Request
from services.catalog.marc import Record, iso2709
from services.catalog.marc.faults import Frame
from services.catalog.preparing import prepare
from services.catalog.query import parse
from services.catalog.ranking import rank
from services.catalog.sample import authorities
from services.catalog.searching import varying
from services.catalog.searching.varying import scaled, variants, widened
from services.catalog.tables import Institution
from tests.fakes.library import Library, book
from tests.services.catalog.test_establishing import HAMKA, authority


def know(library: Library, *records: Record) -> None:
    """Authority records, as an import puts them in."""
    frames = [Frame("marc", at, 0, iso2709.encode(each), None) for at, each in enumerate(records, 1)]
    with library.database.transaction(system("test")) as session:
        institution_id = session.query(Institution.id).scalar()
        establish(
            session,
            prepare("-", "SOLOK", frames).authorities,
            source_id=institution_id,
            institution_id=institution_id,
            met={},
            at=clock.now(),
        )
    varying._any.pop(library.database, None)


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
    know(library, HAMKA, authority("a2", "Navis, A. A.", see=["Navis, Ali Akbar"]))
    return library


def test_a_variant_finds_what_stands_under_the_heading(shelf: Library) -> None:
    found = shelf.titles("haji abdul malik karim amrullah")
    assert found[0] == "Tasawuf perkembangan", "which says it as it was typed"
    assert set(found[1:]) == {"Tasawuf modern", "Buya Hamka"}
    assert shelf.titles("ali akbar navis") == ["Kemarau"]
    assert shelf.titles("author:navis author:ali author:akbar") == ["Kemarau"]


def test_what_says_it_as_typed_comes_first(shelf: Library) -> None:
    assert shelf.titles("buya hamka")[0] == "Buya Hamka"
    assert "Tasawuf modern" in shelf.titles("buya hamka")


def test_other_words_of_the_query_still_count(shelf: Library) -> None:
    assert set(shelf.titles("buya hamka tasawuf")) == {"Tasawuf modern", "Tasawuf perkembangan"}
    assert shelf.titles("tasawuf -modern buya hamka") == ["Tasawuf perkembangan"]


def test_facets_are_counted_of_the_same_hits(shelf: Library) -> None:
    found = shelf.find("ali akbar navis", facets=("author",))
    assert [(each.value, each.count) for each in found.facets[0].values] == [("Navis, A. A.", 1)]


def test_without_authorities_nothing_is_asked_and_nothing_changes(library: Library) -> None:
    query = parse("buya hamka")
    assert widened(library.database, query, rank(query)) == rank(query)
    assert variants(library.database, query) == []


def test_quoted_and_unknown_names_stay_as_they_are(shelf: Library) -> None:
    assert variants(shelf.database, parse('"buya hamka"')) == []
    assert variants(shelf.database, parse("marah rusli")) == []
    assert [str(each) for each in variants(shelf.database, parse("hamka"))] == ["amrullah haji abdul malik karim"]


def test_a_share_of_every_weight(shelf: Library) -> None:
    match = rank(parse("tasawuf modern hamka* -baru tahun:1990"))
    whole = shelf.index.search(Request(match := rank(parse("tasawuf modern"))))
    part = shelf.index.search(Request(scaled(match, 0.5)))
    assert part.numbers == whole.numbers
    assert list(part.scores) == pytest.approx([score / 2 for score in whole.scores], rel=1e-3)


def test_the_samples_authorities_are_headings_that_its_books_use(stocked: Library) -> None:
    headings = {
        name for row in stocked.database.rows("SELECT text FROM headings WHERE kind = 'author'", ()) for name in row
    }
    for record in authorities("PKS"):
        assert record.text("100", "a").removesuffix(",") in headings
        for each in record.values("500", "a"):
            assert each in headings
