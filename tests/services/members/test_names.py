"""Names: titles apart, one form for the spellings of a name, and check digits of card numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.members.people import names, numbers


@pytest.mark.parametrize(
    ("typed", "before", "name", "after"),
    [
        ("Hj. Siti Rahma, S.Pd.", "Hj.", "Siti Rahma", "S.Pd."),
        ("Prof. Dr. H. Buya Hamka", "Prof. Dr. H.", "Buya Hamka", ""),
        ("dr. Andi Wijaya, Sp.A(K), M.Kes", "dr.", "Andi Wijaya", "Sp.A(K), M.Kes"),
        ("Drs. H. Moh. Djoko, M.Si., Ph.D", "Drs. H.", "Moh. Djoko", "M.Si., Ph.D"),
        ("Siti Nurhaliza S.Pd.", "", "Siti Nurhaliza", "S.Pd."),
        ("KH Ahmad Dahlan", "KH", "Ahmad Dahlan", ""),
        ("Sutan, A.Md.Keb", "", "Sutan", "A.Md.Keb"),
        ("M. Yusuf", "", "M. Yusuf", ""),
        ("A.A. Navis", "", "A.A. Navis", ""),
        ("R. Soekarno", "R.", "Soekarno", ""),
        ("H. Agus Salim", "H.", "Agus Salim", ""),
        ("Datuak, Rangkayo", "", "Datuak, Rangkayo", ""),
        ("Sukarno", "", "Sukarno", ""),
        ("H.", "", "H.", ""),
    ],
)
def test_titles_are_separate_from_the_name(typed: str, before: str, name: str, after: str) -> None:
    assert names.split_titles(typed) == (before, name, after)


@pytest.mark.parametrize(
    "spellings",
    [
        ("Muhammad Yusuf", "Mohamad Jusuf", "Moh. Yusuf", "M. Yusup", "MUHAMMAD  YUSUF", "Drs. H. Mhd. Yusuf, M.Si"),
        ("Siti Aisyah", "Sitti Aisyah", "St. Aisah", "Hj. Siti Aisyah, S.Pd.I"),
        ("Ahmad Rizky", "Achmad Rizki", "Akhmad Rizqi"),
        ("Soekarno", "Sukarno", "Sukárno"),
        ("Ni'mah", "Nimah", "Ni’mah"),
        ("Abdul Rahman", "Abd. Rohman", "Abdul  Rachman"),
    ],
)
def test_spellings_of_a_name_are_one(spellings: tuple[str, ...]) -> None:
    assert len({tuple(names.name_words(name)) for name in spellings}) == 1


@pytest.mark.parametrize(
    ("name", "other"), [("Siti", "Sinta"), ("Rahma", "Rahmi"), ("Yusuf", "Yunus"), ("Nur", "Noni")]
)
def test_other_names_stay_apart(name: str, other: str) -> None:
    assert names.name_words(name) != names.name_words(other)


@given(st.text(max_size=60))
def test_every_stored_name_is_found_by_its_own_words(name: str) -> None:
    _key, stored = names.stored_words(name)
    for word in names.query_words(name):
        assert any(candidate.startswith(word) for candidate in stored)


@given(st.integers(min_value=1, max_value=10**10))
def test_a_wrong_digit_and_swapped_neighbours_are_found(serial: int) -> None:
    number = f"{serial}{numbers.check_digit(str(serial))}"
    assert numbers.is_valid(number)
    for place, digit in enumerate(number):
        for other in "0123456789":
            if other != digit:
                assert not numbers.is_valid(number[:place] + other + number[place + 1 :])
        swapped = number[:place] + number[place : place + 2][::-1] + number[place + 2 :]
        assert swapped == number or not numbers.is_valid(swapped)
