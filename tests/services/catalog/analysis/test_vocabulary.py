"""The vocabulary of readers: light words, shortened words, words that stand for each other, and real words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.catalog.analysis import exceptions, is_light_word, reading_of, root, tokens, variants_of
from services.catalog.analysis.vocabulary import VocabularyFault, parse_vocabulary, use_vocabulary
from services.catalog.analysis.word_lists import is_real_word


@pytest.fixture
def own_vocabulary() -> Iterator[None]:
    use_vocabulary("# ours\nlight: indak\nsmpn > sekolah\nitiak = itik\nword: parabek\n")
    yield
    use_vocabulary()


@pytest.mark.parametrize(
    "word",
    [
        "gimana",
        "bagaimana",
        "kenapa",
        "cara",
        "saya",
        "cari",
        "suka",
        "buat",
        "tolong",
        "ada",
        "jo",
        "yg",
        "ttg",
        "dgn",
        "please",
    ],
)
def test_words_of_questions_and_politeness_are_light(word: str) -> None:
    assert is_light_word(word)


@pytest.mark.parametrize(
    ("short", "meant"), [("bhs", "bahasa"), ("utk", "untuk"), ("dlm", "dalam"), ("surau", "surau")]
)
def test_a_shortened_word_is_read_as_the_word_that_is_meant(short: str, meant: str) -> None:
    assert reading_of(short) == meant


@pytest.mark.parametrize(
    "pair", ["komputer computer", "sistem system", "kamanakan kemenakan", "urang orang", "baso bahasa"]
)
def test_words_that_stand_for_each_other_do_so_both_ways(pair: str) -> None:
    left, right = map(root, pair.split())
    assert right in variants_of(left)
    assert left in variants_of(right)


@pytest.mark.usefixtures("own_vocabulary")
def test_a_library_adds_words_of_its_own() -> None:
    assert is_light_word("indak")
    assert reading_of("smpn") == "sekolah"
    assert variants_of("itik") == ("itiak",)
    assert is_real_word("parabek")
    assert reading_of("bhs") == "bahasa"


@pytest.mark.parametrize(
    "line",
    ["komputer", "= computer", "a > b > c", "bhs >", "light:", "Besar = kecil", "sama = sama", "light: é", "x = y z"],
)
def test_a_line_that_is_no_statement_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(VocabularyFault) as fault:
        parse_vocabulary(f"# head\n\nurang = orang\n{line}\n")
    assert (fault.value.line, fault.value.text) == (4, line)


@pytest.mark.parametrize(
    "word",
    [
        "perawat",
        "jantung",
        "pandemi",
        "suharto",
        "kuda",
        "padi",
        "makanan",
        "komputernya",
        "earthquakes",
        "mentawai",
        "bhs",
        "kamanakan",
    ],
)
def test_real_words_are_known(word: str) -> None:
    assert is_real_word(word)


@pytest.mark.parametrize(
    "word", ["perawta", "robohna", "dilam", "peelangi", "komputr", "xyzzyx", "jantunf", "indonesa"]
)
def test_misspelt_words_are_not_real(word: str) -> None:
    assert not is_real_word(word)


@pytest.mark.parametrize(
    "name", ["Mentawai", "Penajam", "Banggai", "Wakatobi", "Pangandaran", "Tapanuli", "Manokwari", "Supiori"]
)
def test_a_name_of_a_region_is_no_derivation(name: str) -> None:
    assert [root(word) for word in tokens(name)] == tokens(name)


def test_regions_are_all_there() -> None:
    text = Path(exceptions.__file__).with_name("regions.txt").read_text(encoding="utf-8")
    regions = [line.split(": ") for line in text.splitlines() if not line.startswith("#")]
    assert len(regions) == 38
    assert sum(len(names.split(", ")) for _province, names in regions) == 514
    assert root("kepulauan") == "pulau"
