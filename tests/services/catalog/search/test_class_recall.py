"""The classes and the audience that a query means."""

from __future__ import annotations

import pytest

from services.catalog.record.class_table import class_table
from services.catalog.search.class_recall import ClassFinder, QueryExpansion
from services.catalog.search.query.parser import parse


def expansion_of(text: str) -> QueryExpansion:
    return ClassFinder(class_table()).find(parse(text))


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("buku untuk belajar bahasa inggris", "428"),
        ("cerita tentang hewan", "398.2"),
        ("belajar bahasa inggris", "428"),
    ],
)
def test_a_phrase_of_the_table_may_have_words_that_are_light_in_the_query(query: str, key: str) -> None:
    assert [met.key for met in expansion_of(query).classes] == [key]


def test_a_light_word_alone_meets_no_class_and_has_no_words_of_the_same_meaning() -> None:
    expansion = expansion_of("kenapa belajar tentang laut")
    assert {met.roots for met in expansion.classes} == {frozenset({"laut"})}
    assert {other.roots for other in (*expansion.translations, *expansion.meanings)} == {frozenset({"laut"})}


@pytest.mark.parametrize(
    ("query", "audience"),
    [
        ("cerita anak", "child"),
        ("novel remaja", "teen"),
        ("anak remaja", "teen"),
        ("remaja anak", "teen"),
        ("laut", ""),
    ],
)
def test_a_word_for_teenagers_decides_beside_one_for_children(query: str, audience: str) -> None:
    assert expansion_of(query).preferences.audience == audience


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("novel tentang laut", "fiction"),
        ("are there novels about the sea", "fiction"),
        ("kenapa langit biru", "facts"),
        ("kenapa novel tentang laut", "fiction"),
        ("cerita wayang", ""),  # not light: a part of the topic
        ("novel", ""),
        ("laut", ""),
    ],
)
def test_a_light_word_asks_for_a_kind_of_book(query: str, kind: str) -> None:
    assert expansion_of(query).preferences.kind == kind


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("buku bahasa inggris tentang kopi", "eng"),
        ("novel berbahasa Belanda tentang kopi", "dut"),
        ("kopi versi inggris", "eng"),
        ("cerita dalam bahasa minang tentang kopi", "min"),
        ("anything in English about coffee", "eng"),
        ("english books about coffee", "eng"),
        ("belajar bahasa inggris", ""),
        ("kamus bahasa inggris", ""),
        ("buku bahasa inggris", ""),  # no other words: the language is the topic
        ("english novel", ""),
        ("coffee in indonesia", ""),
    ],
)
def test_words_around_the_name_of_a_language_ask_for_books_in_it(query: str, language: str) -> None:
    expansion = expansion_of(query)
    assert expansion.preferences.language == language
    assert not language or not {"420", "428", "439"} & {met.key for met in expansion.classes}
