"""Names are found in any order of their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.analysis import initials, name_forms, name_key, tokens


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("Navis, A. A.", {"a", "aa"}),
        ("Navis, A.A.", {"a", "aa"}),
        ("Navis, Ali Akbar", {"a", "aa"}),
        ("A. A. Navis", {"aa"}),
        ("Alisjahbana, Sutan Takdir, 1908-1994", {"s", "t", "st"}),
        ("Jassin, H. B. (Hans Bague)", {"h", "b", "hb"}),
        ("Geertz, Clifford", {"c"}),
        ("Dini, Nh.", {"n"}),
        ("Salim, H. Agus", {"h", "a", "ha"}),
        ("Hatta, Dr. Mohammad", {"m"}),
        ("Hamka", set()),
        ("Indonesia. Departemen Agama", set()),
        ("", set()),
    ],
)
def test_a_name_is_found_by_its_initials(name: str, forms: set[str]) -> None:
    assert set(name_forms(name)) == forms


@pytest.mark.parametrize(
    "names",
    [
        ("Navis, A. A.", "A.A. Navis", "AA Navis", "A. A. Navis", "Navis A.A."),
        ("Hirata, Andrea", "Andrea Hirata"),
        ("Hamka", "Prof. Dr. H. Hamka", "Haji Hamka", "HAMKA"),
        ("Jassin, H. B.", "HB Jassin"),
    ],
)
def test_a_turned_name_has_the_same_key(names: tuple[str, ...]) -> None:
    assert len({name_key(tokens(name)) for name in names}) == 1


def test_a_name_of_nothing_but_titles_is_still_a_name() -> None:
    assert name_key(["kiai", "haji"]) == "haji kiai"


def test_initials_are_two_letters_or_more_side_by_side() -> None:
    words = ["a", "a", "navis", "h"]
    assert [initials(words, place) for place in range(4)] == [2, 0, 0, 0]


@given(st.text(max_size=60))
def test_any_text_may_be_a_name(text: str) -> None:
    assert all(name_forms(text))
    assert name_key(tokens(text)) == name_key(tokens(text))
