"""Letters that the fonts of PDF readers lack are replaced by letters that can be read."""

from __future__ import annotations

import pytest

from chassis.output import printable


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Bumi Manusia – “Éditions” 10 €", "Bumi Manusia – “Éditions” 10 €"),
        ("Ṣaḥīḥ al-Bukhārī", "Sahih al-Bukhari"),
        ("بداية المجتهد", "bdayh almjthd"),
        ("\u200fأيام الإنسان\u200f", "ayam alansan"),
        ("Война и мир", "Voina i mir"),
        ("\ue000", "?"),
    ],
)
def test_a_text_is_printed_in_letters_of_western_europe(text, printed):
    assert printable(text) == printed
    assert printable(text).encode("cp1252")
