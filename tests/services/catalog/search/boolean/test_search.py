"""A search of a tree: strict, with an exact total, and any position by number."""

from __future__ import annotations

import orjson
import pytest

from chassis.context import READER
from chassis.errors import Invalid, Unavailable
from services.catalog.index.port import search_unavailable
from services.catalog.marc.record import Record
from services.catalog.search.boolean.tree import Clause, Group, Tree
from tests.fakes.library import Library, book


def titles(library: Library, tree: Tree, **options: object) -> list[str]:
    hits = library.find(tree=tree, sort="title", limit=100, **options).hits
    return [orjson.loads(hit.brief)["title"] for hit in hits]


@pytest.fixture
def shelf(library: Library) -> Library:
    """Books whose titles, names and numbers nearly match one another."""
    library.put(
        [
            book("Robohnya surau kami : kumpulan cerpen", author="Navis, A. A.", subject="Cerita pendek", year=1956),
            book("Surau", author="Navis, Ali", subject="Islam", year=1990, isbn="9789794030462", barcode="KS1"),
            book("Surau kami : robohnya", year=2001, barcode="KS10"),
            book("Masakan padang", author="Surau", year=1999, summary="Resep dari surau kami"),
            book("Qur'an dan élan vital", language="fre"),
            _with_titles("Kami", "Surau baru"),
        ]
    )
    return library


def _with_titles(title: str, other: str) -> Record:
    record = book(title)
    record.fields.append(["246", "  ", "a", other])
    return record


def test_words_side_by_side_are_in_one_field(shelf: Library) -> None:
    assert titles(shelf, Clause("surau kami", "title")) == ["Robohnya surau kami", "Surau kami"]
    assert titles(shelf, Clause("kami surau", "title")) == []  # the end of 245 and the beginning of 246
    assert titles(shelf, Clause("kami surau", "title", "all")) == ["Kami", "Robohnya surau kami", "Surau kami"]
    assert titles(shelf, Clause("padang vital", "title", "any")) == ["Masakan padang", "Qur'an dan élan vital"]


def test_a_whole_field_is_the_title_with_its_subtitle_or_without(shelf: Library) -> None:
    assert titles(shelf, Clause("Surau Kami", "title", "==")) == ["Surau kami"]
    assert titles(shelf, Clause("surau kami: robohnya", "title", "==")) == ["Surau kami"]
    assert titles(shelf, Clause("surau", "title", "==")) == ["Surau"]
    assert titles(shelf, Clause("Navis, A.A.", "author", "==")) == ["Robohnya surau kami"]


def test_anchors_say_nothing_about_a_year_a_class_or_a_code(shelf: Library) -> None:
    for field, value in (("year", "1990"), ("class", "899"), ("language", "fre")):
        anchored = [titles(shelf, Clause(term, field)) for term in (f"^{value}", f"{value}^", f"^{value}^")]
        assert anchored == [titles(shelf, Clause(value, field))] * 3
    assert titles(shelf, Clause("^1990", "year", "<=")) == ["Robohnya surau kami", "Surau"]


def test_a_long_number_in_parts_is_cut_as_in_the_index(library: Library) -> None:
    library.put([book("Bernomor panjang", barcode="KS" + "7" * 70)])
    for field in ("barcode", "any"):
        assert titles(library, Clause(f"KS {'7' * 40} {'7' * 30}", field)) == ["Bernomor panjang"]


def test_anchors_and_masks(shelf: Library) -> None:
    assert titles(shelf, Clause("^surau", "title")) == ["Kami", "Surau", "Surau kami"]
    assert titles(shelf, Clause("kami^", "title")) == ["Kami", "Robohnya surau kami", "Surau kami"]
    assert titles(shelf, Clause("^surau^", "title")) == ["Surau"]
    assert titles(shelf, Clause("^robo* s?rau", "title")) == ["Robohnya surau kami"]
    assert titles(shelf, Clause("m*kan", "title")) == ["Masakan padang"]
    assert titles(shelf, Clause(r"masak\*", "title")) == []
    assert titles(shelf, Clause("masak*", "title", modifiers=("unmasked",))) == []


def test_words_are_compared_as_written_and_by_their_roots_with_stem(shelf: Library) -> None:
    assert titles(shelf, Clause("masak", "title")) == []
    assert titles(shelf, Clause("memasak", "title", modifiers=("stem",))) == ["Masakan padang"]
    assert (
        titles(shelf, Clause("QURAN", "title")) == titles(shelf, Clause("Elan", "title")) == ["Qur'an dan élan vital"]
    )


def test_operators(shelf: Library) -> None:
    surau, navis = Clause("surau", "title"), Clause("navis", "author")
    assert titles(shelf, Group("and", (surau, navis))) == ["Robohnya surau kami", "Surau"]
    assert titles(shelf, Group("not", (surau, navis))) == ["Kami", "Surau kami"]
    assert titles(shelf, Group("not", (surau, navis, Clause("kami")))) == []
    assert titles(shelf, Group("or", (navis, Clause("fre", "language"), Clause("1999", "year")))) == [
        "Masakan padang",
        "Qur'an dan élan vital",
        "Robohnya surau kami",
        "Surau",
    ]


def test_words_near_each_other(shelf: Library) -> None:
    operands = (Clause("robohnya", "title"), Clause("kami", "title"))
    assert titles(shelf, Group("near", operands, distance=2, ordered=True)) == ["Robohnya surau kami"]
    assert titles(shelf, Group("near", operands, distance=2)) == ["Robohnya surau kami", "Surau kami"]
    assert titles(shelf, Group("near", operands)) == ["Surau kami"]


def test_numbers_years_codes_and_ids(shelf: Library) -> None:
    assert titles(shelf, Clause("979-403-046-5", "isbn")) == titles(shelf, Clause("9789794030462")) == ["Surau"]
    assert titles(shelf, Clause("97897940304?2", "isbn")) == ["Surau"]
    assert titles(shelf, Clause("ks-1", "barcode")) == ["Surau"]
    assert titles(shelf, Clause("1990 1999", "year", "within")) == ["Masakan padang", "Surau"]
    assert titles(shelf, Clause("195?", "year")) == ["Robohnya surau kami"]
    assert titles(shelf, Clause("1956", "year", "<=")) == titles(shelf, Clause("1957", "year", "<"))
    assert titles(shelf, Clause("Prancis", "bahasa")) == titles(shelf, Clause("fre", "language")) != []
    assert len(titles(shelf, Clause("SOLOK", "institution"))) == len(titles(shelf, Clause("1", "all_records"))) == 6
    record_id = shelf.find(tree=Clause("vital")).hits[0].id
    assert titles(shelf, Clause(record_id, "id")) == ["Qur'an dan élan vital"]
    assert titles(shelf, Clause(f"{record_id} none", "id", "any")) == ["Qur'an dan élan vital"]


def test_nothing_is_corrected_expanded_or_relaxed(shelf: Library) -> None:
    for tree in (Clause("robohna", "title"), Clause("surau zzzz", "any", "all"), Clause("sura", "title")):
        result = shelf.find(tree=tree)
        assert (result.total, result.hits, result.did_you_mean, result.help) == (0, [], "", None)
        assert not result.corrected
        assert not result.relaxed


def test_any_position_is_reached_by_number(shelf: Library) -> None:
    tree = Clause("1", "all_records")
    pages = [shelf.find(tree=tree, sort="title", limit=2, offset=offset) for offset in (0, 1, 4, 5, 6, 9_999)]
    assert [len(page.hits) for page in pages] == [2, 2, 2, 1, 0, 0]
    assert {page.total for page in pages} == {6}
    assert [hit.id for hit in pages[0].hits][1] == pages[1].hits[0].id
    assert [page.offset for page in pages] == [0, 1, 4, 5, 6, 9_999]
    following = shelf.find(tree=tree, sort="title", limit=2, cursor=pages[1].next)
    assert following.offset == 3
    for options, reason in (
        ({"tree": tree, "offset": 10_000}, "PAGING_TOO_DEEP"),
        ({"query": "surau", "offset": 1}, "OFFSET_NEEDS_TREE"),
        ({"query": "surau", "tree": tree}, "QUERY_AND_TREE"),
        ({"tree": Clause("surau"), "cursor": pages[1].next}, "CURSOR_INVALID"),
    ):
        with pytest.raises(Invalid, match=reason):
            shelf.find(**options)  # type: ignore[arg-type]


def test_filters_and_facets_apply(shelf: Library) -> None:
    result = shelf.find(tree=Clause("surau", "title"), filters={"year": ("1990",)}, facets=("year",))
    assert result.total == 1
    assert {(value.value, value.selected) for value in result.facets[0].values} >= {("1990", True), ("1956", False)}


class _Silent:
    """An index that does not answer."""

    def search(self, _request: object) -> object:
        raise search_unavailable("test")


def test_a_strict_search_is_never_answered_from_the_tables(shelf: Library) -> None:
    silent = Library(shelf.database, _Silent())  # type: ignore[arg-type]
    assert silent.find("surau", context=READER).degraded
    with pytest.raises(Unavailable, match="SEARCH_UNAVAILABLE"):
        silent.find(tree=Clause("surau"))
