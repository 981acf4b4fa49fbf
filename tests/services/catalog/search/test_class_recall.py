"""The classes and the audience that a query means."""

from __future__ import annotations

import pytest

from services.catalog.record.class_table import class_table
from services.catalog.search.class_recall import ClassFinder, Ideas
from services.catalog.search.query.parser import parse


def ideas_of(text: str) -> Ideas:
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
    assert [met.key for met in ideas_of(query).classes] == [key]


def test_a_light_word_alone_meets_no_class_and_has_no_words_of_the_same_meaning() -> None:
    ideas = ideas_of("kenapa belajar tentang laut")
    assert {met.roots for met in ideas.classes} == {frozenset({"laut"})}
    assert {other.roots for other in (*ideas.translations, *ideas.meanings)} == {frozenset({"laut"})}


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
    assert ideas_of(query).audience == audience
