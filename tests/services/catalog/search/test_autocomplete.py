"""Completing what is being typed."""

from __future__ import annotations

import time

import pytest

from chassis.db import Database
from chassis.errors import Invalid
from services.catalog.index.port import Index
from tests.builders import book as made
from tests.fakes.library import Library
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("robo", ("Robohnya Surau Kami", "title")),
        ("robohnya su", ("Robohnya Surau Kami", "title")),
        ("nav", ("Navis, A. A.", "author")),
        ("pramoedya", ("Toer, Pramoedya Ananta", "author")),
        ("minangk", ("Minangkabau", "subject")),
        ("PUI", ("Puisi", "subject")),
    ],
)
def test_titles_authors_and_subjects_are_completed(stocked: Library, typed: str, expected: tuple[str, str]) -> None:
    assert expected in stocked.suggested(typed)


@pytest.mark.parametrize("typed", ["", "  ", "r", "zzzzqq", "-", '"'])
def test_what_begins_nothing_is_not_completed(stocked: Library, typed: str) -> None:
    assert stocked.suggested(typed) == []


def test_no_more_than_wanted_and_none_twice(stocked: Library) -> None:
    found = stocked.suggested("mi", limit=20)
    assert len(found) == 20
    assert len(set(found)) == 20
    assert len(stocked.suggested("mi")) == 8


def test_a_title_that_begins_so_comes_before_one_that_only_has_it(stocked: Library) -> None:
    titles = [text for text, kind in stocked.suggested("bumi", limit=20) if kind == "title"]
    assert titles[0].lower().startswith("bumi")


def test_too_many_are_refused(stocked: Library) -> None:
    with pytest.raises(Invalid) as refusal:
        stocked.suggested("bumi", limit=21)
    assert refusal.value.reason == "LIMIT_OUT_OF_BOUNDS"


def test_it_keeps_up_with_typing(stocked: Library) -> None:
    stocked.suggested("bu")
    begun = time.perf_counter()
    for typed in ("ro", "rob", "nav", "minang", "pe", "ka"):
        stocked.suggested(typed)
    assert (time.perf_counter() - begun) / 6 < 0.1  # aimed at 20 ms; a busy machine is given five times that


def test_folding_any_words_beginning_and_what_is_there_are_known(
    database: Database, import_: Importer, index: Index
) -> None:
    import_(
        [
            made("b1", "Robohnya surau kami", subjects=["Adat istiadat"]),
            made("b2", "Sitti Nurbaya", author="Rusli, Marah", subjects=["Surau"]),
            made("b3", "Tafsir Al-Qurʾān", author="Hamka"),
            made("b4", "The tigers", author="Navis, Z."),
            made("b5", "Kemarau", author="Navis, Z."),
        ]
    )
    run_indexer(database, index)
    library = Library(database, index)
    for typed, expected in (
        ("sitti nur", ("Sitti Nurbaya", "title")),
        ("a a nav", ("Navis, A. A.", "author")),
        ("QUR'AN", ("Tafsir Al-Qurʾān", "title")),
        ("qur", ("Tafsir Al-Qurʾān", "title")),
        ("surau k", ("Robohnya surau kami", "title")),
        ("isti", ("Adat istiadat", "subject")),
        ("tigers", ("The tigers", "title")),
        ("surau", ("Surau", "subject")),
    ):
        assert expected in library.suggested(typed), typed
    # The commonest first.
    assert library.suggested("navis") == [("Navis, Z.", "author"), ("Navis, A. A.", "author")]
    # A heading that no record has any more finds nothing, and is not offered.
    import_([made("b2", "Sitti Nurbaya", author="Rusli, Marah")])
    run_indexer(database, index)
    assert ("Surau", "subject") not in library.suggested("surau")
