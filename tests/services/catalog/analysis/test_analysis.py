"""Text → tokens, for documents and queries alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.analysis import (
    MAX_TOKEN,
    fold,
    is_isbn,
    isbn13,
    isbns_of,
    issn_of,
    squeeze,
    tokens,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Qur'an Qurʾan QUR’AN Qur’ān Quran", ["quran"] * 5),
        ("Jum'at Jumʿat", ["jumat", "jumat"]),
        ("laki-laki", ["laki", "laki"]),
        ("al-Qurʾān", ["al", "quran"]),
        ("A.A. Navis", ["a", "a", "navis"]),
        ("Straße Łódź Ångström Søren", ["strasse", "lodz", "angstrom", "soren"]),
        ("القُرْآن", ["القران"]),
        ("日本の歴史 2010", ["日", "本", "の", "歴", "史", "2010"]),
        ("한국어", ["한국어"]),
        ("a_b C++ 297.1", ["a", "b", "c", "297", "1"]),
        ("ﬁksi ２０２４", ["fiksi", "2024"]),
        ("^ $ ~", []),
        ("", []),
    ],
)
def test_words_are_folded(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@given(st.text(max_size=200))
def test_a_token_is_short_folded_and_without_spaces_or_our_marks(text: str) -> None:
    for token in tokens(text):
        assert 0 < len(token) <= MAX_TOKEN
        assert token.split() == [token]
        assert not set("^$~'").intersection(token)
        assert tokens(token) == [token] or len(tokens(token)) > 1


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9786028811309", "9786028811309"),
        ("978-602-8811-30-9", "9786028811309"),
        ("602 8811 30 0", "9786028811309"),
        ("0-306-40615-2", "9780306406157"),
        ("080442957X", "9780804429573"),
        ("0-306-40615-3", None),
        ("9786028811308", None),
        ("977 0126 123 456", None),
        ("", None),
    ],
)
def test_an_isbn_is_known_in_any_form(text: str, number: str | None) -> None:
    assert isbn13(text) == number


def test_isbns_are_found_in_a_text() -> None:
    text = "ISBN 978-602-8811-30-9 (jil. 1) dan 0306406152, bukan 1234567890"
    assert [number for _start, _end, number in isbns_of(text)] == ["9786028811309", "9780306406157"]


@given(st.text(max_size=30))
def test_any_text_may_be_asked_for_its_numbers(text: str) -> None:
    assert is_isbn(text) in (True, False)
    assert isbn13(text) is None or is_isbn(str(isbn13(text)))
    assert issn_of(text) is None or len(str(issn_of(text))) == 8


def test_identifiers_are_compared_by_letters_and_digits() -> None:
    assert squeeze("F 899.221 3 NAV k") == "f8992213navk"
    assert squeeze("0012-345") == "0012345"
    assert issn_of("ISSN 0126-123X") == "0126123x"
