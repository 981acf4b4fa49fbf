"""The vocabulary of readers: weak words, abbreviations, words of the same meaning, and real words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.catalog.analysis import (
    audience_of,
    exceptions,
    is_light_word,
    kind_asked_for,
    language_asked_for,
    light_words,
    may_have_phrase,
    meanings_of,
    phrase_at,
    reading_of,
    root,
    tokens,
    variants_of,
)
from services.catalog.analysis.listed_words import both_lists
from services.catalog.analysis.minangkabau import MOST_SPELLINGS, spellings_of
from services.catalog.analysis.vocabulary import use_vocabulary
from services.catalog.analysis.vocabulary_syntax import VocabularyFault, parse_vocabulary
from services.catalog.analysis.word_lists import is_real_word
from services.catalog.record.class_table import class_table


@pytest.fixture
def own_vocabulary() -> Iterator[None]:
    use_vocabulary(
        "# ours\nlight: indak\nweak: bacoan\nsmpn > sekolah\nitiak = itik\n"
        "word: parabek\nsurau ~ langgar\nteen: bujangko\nchild: ketekko\ntogether: bacoan adaikko\n"
        "fiction: bacoan\nfacts: kajianko\nbahasa: nia niasko\nlanguage: nia niasian\nkampuang awak > sumatera barat\n"
    )
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
    "pair",
    ["komputer computer", "sistem system", "kamanakan kemenakan", "urang orang", "baso bahasa", "mambuek membuat"],
)
def test_words_of_the_same_meaning_find_each_other(pair: str) -> None:
    left, right = map(root, pair.split())
    assert right in variants_of(left)
    assert left in variants_of(right)


@pytest.mark.parametrize(
    ("query", "light"),
    [
        ("novel tentang laut", "novel tentang"),
        ("kenapa orang merantau", "kenapa orang"),
        ("cerita anak nakal", "cerita"),
        ("novel laut", ""),
        ("cerita", ""),
        ("cari novel", "cari"),
        ("buku cerita rakyat", "buku"),
        ("cerita dari blora", "dari"),
    ],
)
def test_a_weak_word_is_light_in_a_question_and_beside_two_others(query: str, light: str) -> None:
    assert sorted(light_words(query.split())) == sorted(light.split())


@pytest.mark.parametrize("pair", ["labour buruh", "perempuan women", "gadang besar", "hewan binatang"])
def test_words_mean_the_same_both_ways(pair: str) -> None:
    left, right = pair.split()
    assert right in meanings_of(root(left))
    assert left in meanings_of(root(right))


def test_several_words_together_find_others_in_one_direction() -> None:
    vocabulary = parse_vocabulary("pulau dewata, kuta -> bali, pantai kuta")
    assert vocabulary.meanings == {"kuta": ("bali", "pantai kuta")}
    assert vocabulary.meanings_of_phrases == {"dewata": [(("pulau", "dewata"), ("bali", "pantai kuta"))]}


def test_a_derivation_finds_others_which_its_root_does_not() -> None:
    vocabulary = parse_vocabulary("keberagaman -> toleransi")
    assert vocabulary.meanings_as_typed == {"keberagaman": ("toleransi",)}
    assert not vocabulary.meanings


@pytest.mark.parametrize("line", ["pulau dewata ->", "-> bali", "pulau dewata, -> bali", "pulau dewata -> Bali"])
def test_a_side_without_words_is_no_statement(line: str) -> None:
    with pytest.raises(VocabularyFault):
        parse_vocabulary(line)


def test_a_word_asks_for_books_of_an_audience() -> None:
    assert [audience_of(root(word)) for word in ("bocah", "kids", "remaja", "surau")] == ["child", "child", "teen", ""]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("jariang", "jaring"),
        ("jantuang", "jantung"),
        ("rambuik", "rambut"),
        ("pasia", "pasir"),
        ("kasua", "kasur"),
        ("putuih", "putus"),
        ("haruih", "harus"),
        ("manulih", "tulis"),
        ("talua", "telur"),
        ("parampuan", "perempuan"),
        ("baluik", "belut"),
        ("agamo", "agama"),
        ("mancari", "cari"),
        ("bajalan", "jalan"),
        ("pandidik", "didik"),
        ("sakolah", "sekolah"),  # the stemmer removes -lah
        ("ayahnyo", "ayah"),  # -nyo is -nya
        ("maringgih", "ringgih"),  # the root of meringgih, which is in no list
    ],
)
def test_a_minangkabau_word_is_known_by_its_sound(word: str, meant: str) -> None:
    assert meant in variants_of(word)


@pytest.mark.parametrize(
    "word", ["surau", "rantau", "randai", "bulan", "sejarah", "xyzzy", "pramoedya", "kartini", "abu"]
)
def test_other_words_are_not_changed_by_sound(word: str) -> None:
    assert spellings_of(root(word)) == ()


@pytest.mark.parametrize(
    ("spoken", "meant"),
    [
        ("nulis", "tulis"),
        ("ngajarin", "ajar"),
        ("ngarang", "karang"),
        ("nyuci", "cuci"),
        ("nyimpan", "simpan"),
        ("ngerjain", "kerja"),
        ("ngelihat", "lihat"),
    ],
)
def test_a_spoken_verb_is_known_as_written(spoken: str, meant: str) -> None:
    assert variants_of(spoken) == (meant,)


@pytest.mark.parametrize("word", ["nama", "nasi", "nikah", "nilai", "nanti", "nyata", "nyawa", "ngarai", "novel"])
def test_other_words_are_no_spoken_verbs(word: str) -> None:
    assert variants_of(word) == ()


def test_a_word_has_a_bounded_number_of_spellings() -> None:
    assert len(spellings_of("lambok")) <= MOST_SPELLINGS


@pytest.mark.usefixtures("own_vocabulary")
def test_a_library_adds_words_of_its_own() -> None:
    assert is_light_word("indak")
    assert reading_of("smpn") == "sekolah"
    assert variants_of("itik") == ("itiak",)
    assert is_real_word("parabek")
    assert reading_of("bhs") == "bahasa"
    assert light_words(["apa", "bacoan", "parabek"]) == {"apa", "bacoan"}
    assert light_words(["apa", "bacoan", "adaikko", "parabek"]) == {"apa"}
    assert "langgar" in meanings_of("surau")
    assert [audience_of(root(word)) for word in ("bujangko", "ketekko")] == ["teen", "child"]
    assert [kind_asked_for({word}) for word in ("bacoan", "kajianko", "surau")] == ["fiction", "facts", ""]
    assert language_asked_for(["laut", "berbahasa", "niasko"]) == ("nia", {"berbahasa", "niasko"})
    assert language_asked_for(["sea", "in", "niasian"]) == ("nia", {"niasian"})
    assert phrase_at(["ke", "kampuang", "awak"], 1) == (("kampuang", "awak"), ("sumatera", "barat"))
    assert phrase_at(["kampuang", "kami"], 0) is None
    assert [may_have_phrase(text) for text in ("di Kampuang Awak", "kampuang kami")] == [True, False]


@pytest.mark.usefixtures("own_vocabulary")
@pytest.mark.parametrize("word", ["indak", "bacoan", "smpn", "itiak", "parabek", "bujangko", "ketekko", "adaikko"])
def test_every_word_of_the_vocabulary_is_real(word: str) -> None:
    assert is_real_word(word)


@pytest.mark.parametrize(
    "line",
    [
        "komputer",
        "= computer",
        "a > b > c",
        "bhs >",
        "light:",
        "Besar = kecil",
        "sama = sama",
        "light: é",
        "x = y z",
        "weak:",
        "a ~",
        "together: cerita",
        "together: cerita rakyat lama",
        "surau: langgar",
        "urang awak >",
        "urang awak > Orang",
        "urang awak > a > b",
        "bahasa: eng",
        "language: english eng",
        "child:",
    ],
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


def test_a_list_has_its_words_and_no_parts_of_them() -> None:
    for words in both_lists():
        listed = words.text.split(b"\n")[1:-1]
        assert all(map(words.has, listed[::50] + listed[-1:]))
        listed_words = frozenset(listed)
        others = [word[:-1] for word in listed[::50]] + [word + b"q" for word in listed[::50]] + [b"aaaa", b"zzzzzz"]
        assert not any(words.has(word) for word in others if word not in listed_words)


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


def test_a_word_in_one_direction_finds_the_other_only() -> None:
    vocabulary = parse_vocabulary("lakeh => cepat")
    assert vocabulary.variants == {"lakeh": ("cepat",)}


def test_no_word_of_every_topic_is_a_word_of_a_class() -> None:
    words_of_classes = {
        word
        for row in class_table().values()
        for synonyms in row.words
        for phrase in synonyms.id + synonyms.en
        for word in [phrase.casefold()]
    }
    assert not use_vocabulary().common & words_of_classes
