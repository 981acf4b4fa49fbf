"""The reasons of a hit's rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chassis.urls import open_url
from services.catalog.index.port import ENGINES
from services.catalog.search.scorer import total_weight, weigh
from tests.fakes.library import Library, book
from tests.services.catalog.indexes import run_indexer


@pytest.fixture(scope="module")
def shelf(open_library: Callable[[], Library]) -> Library:
    library = open_library()
    library.put(
        [
            book("Robohnya surau kami", author="Navis, A. A."),
            book("Kitab satu", subject="Surau dan langgar"),
            book("Kitab dua", summary="Tentang surau di kampung."),
            book("Penulis dan tulisannya", isbn="978-602-8811-30-9"),
        ]
    )
    return library


def reasons_of(library: Library, query: str, place: int = 0, **more: object) -> list[tuple[str, str]]:
    return [
        (reason.text.id, reason.text.en) for reason in library.find(query, explain=True, **more).hits[place].reasons
    ]


@pytest.mark.parametrize(
    ("query", "place", "reason"),
    [
        ("surau", 0, ("“surau” di judul", "“surau” in the title")),
        ("surau", 1, ("“surau” di subjek", "“surau” in the subjects")),
        (
            "surau",
            2,
            ("“surau” hanya di catatan, seri atau penerbit", "“surau” only in notes, series or publisher"),
        ),
        ("navis", 0, ("“navis” di nama pengarang", "“navis” in the author's name")),
        (
            "penulisan",
            0,
            (
                "“penulis” di judul: bentuk lain dari “penulisan”",
                "“penulis” in the title: another form of “penulisan”",
            ),
        ),
        ("robohn", 0, ("“robohnya” di judul: berawal “robohn”", "“robohnya” in the title: begins with “robohn”")),
        ("robohnya surau kami", 0, ("Judul persis seperti yang dicari", "The title is exactly as searched")),
        (
            '"surau kami"',
            0,
            ("“surau kami” berdampingan di judul", "“surau kami” side by side in the title"),
        ),
        ("a. a. navis", 0, ("Nama pengarang persis seperti yang dicari", "The author's name is exactly as searched")),
        ("9786028811309", 0, ("ISBN cocok persis", "The ISBN matches exactly")),
    ],
)
def test_reasons_are_sentences(shelf: Library, query: str, place: int, reason: tuple[str, str]) -> None:
    assert reason in reasons_of(shelf, query, place)


def test_reasons_are_sorted_by_weight_and_their_sum_is_the_score(sample_library: Library) -> None:
    for query in ("robohnya surau kami", "surau navis", "sejarah minangkabau", "penulis:hamka", "anak -novel", "pram"):
        for hit in sample_library.find(query, explain=True).hits:
            weights = [reason.weight for reason in hit.reasons]
            assert weights == sorted(weights, reverse=True)
            assert sum(weights) == pytest.approx(hit.score, rel=0.01)


def test_the_computed_score_is_the_engines_score(sample_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare scores before scaling; only the mean length of fields differs from the engine's."""
    computed: list[float] = []

    def watched(*arguments: object) -> object:
        parts = weigh(*arguments)  # type: ignore[arg-type]
        computed.append(total_weight(parts or []))
        return parts

    monkeypatch.setattr("services.catalog.search.explain.weigh", watched)
    for query in ("robohnya surau kami", "surau navis", "sejarah minangkabau", "cerita rakyat", "tulisan"):
        computed.clear()
        hits = sample_library.find(query, explain=True, strict=True).hits
        assert computed == pytest.approx([hit.score for hit in hits], rel=0.35)


def test_in_another_order_the_order_is_the_reason(shelf: Library) -> None:
    assert reasons_of(shelf, "surau", sort="title") == [("Diurutkan menurut judul", "Sorted by title")]


def test_hits_have_no_reasons_without_explain(shelf: Library) -> None:
    assert list(shelf.find("surau").hits[0].reasons) == []
    assert reasons_of(shelf, "") == []


@pytest.fixture
def on_elasticsearch(shelf: Library, elasticsearch_url: str) -> Iterator[Library]:
    index = open_url(elasticsearch_url, ENGINES)
    run_indexer(shelf.database, index)
    yield Library(shelf.database, index)
    index.close()


def test_both_engines_give_the_same_reasons(shelf: Library, on_elasticsearch: Library) -> None:
    for query in ("surau", "robohnya surau kami", "penulisan", "robohn", "kitab", "surau kitab zzzz kami"):
        result, other_result = (library.find(query, explain=True) for library in (shelf, on_elasticsearch))
        assert [[reason.text for reason in hit.reasons] for hit in result.hits] == [
            [reason.text for reason in hit.reasons] for hit in other_result.hits
        ]
        for own_hit, other_hit in zip(result.hits, other_result.hits, strict=True):
            weights = [[reason.weight for reason in hit.reasons] for hit in (own_hit, other_hit)]
            assert weights[0] == pytest.approx(weights[1], abs=0.02)
