"""What people type, understood."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.catalog.query import Isbn, Language, Part, Phrase, Query, Word, Years, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("   ", []),
        ("siti nurbaya", [Word("siti"), Word("nurbaya")]),
        ('"siti nurbaya" novel', [Phrase("siti nurbaya"), Word("novel")]),
        ("“siti  nurbaya”", [Phrase("siti nurbaya")]),
        ('"siti nur', [Phrase("siti nur")]),
        ("title:surau", [Word("surau", "title")]),
        ("judul: surau kami", [Word("surau", "title"), Word("kami")]),
        ('penulis:"A.A. Navis"', [Phrase("A.A. Navis", "author")]),
        ("pengarang:navis", [Word("navis", "author")]),
        ("SUBJEK:adat", [Word("adat", "subject")]),
        ("tahun:1990-2000", [Years(1990, 2000)]),
        ("year:1990..", [Years(1990, None)]),
        ("year:..2000", [Years(None, 2000)]),
        ("year:-2000", [Years(None, 2000)]),
        ("year:1987", [Years(1987, 1987)]),
        ("year:2000-1990", [Years(1990, 2000)]),
        ("adat 1990..2000", [Word("adat"), Years(1990, 2000)]),
        ("..2000 adat", [Years(None, 2000), Word("adat")]),
        ("revolusi 1945-1949", [Word("revolusi"), Word("1945-1949")]),
        ("bahasa:minangkabau", [Language("min")]),
        ("language:nld", [Language("dut")]),
        ("bahasa:inggris kamus", [Language("eng"), Word("kamus")]),
        ("bahasa: sebuah pengantar", [Word("bahasa"), Word("sebuah"), Word("pengantar")]),
        ("tahun: kelabu", [Word("tahun"), Word("kelabu")]),
        ("judul:", [Word("judul")]),
        ("laki-laki", [Word("laki-laki")]),
        ("minang*", [Word("minang", prefix=True)]),
        ("(adat), [istiadat]!", [Word("adat"), Word("istiadat")]),
        ("C++", [Word("C++")]),
        ("9786020332956", [Isbn("9786020332956")]),
        ("978-602-03-3295-6", [Isbn("9786020332956")]),
        ("978 602 0332 956", [Isbn("9786020332956")]),
        ("ISBN 978-602-03-3295-6", [Isbn("9786020332956")]),
        ("isbn-13: 9786020332956", [Isbn("9786020332956")]),
        ("isbn:0-306-40615-2", [Isbn("9780306406157")]),
        ("0306406152 fisika", [Isbn("9780306406157"), Word("fisika")]),
        ("979.433.111-0", [Word("979.433.111-0")]),
        ("isbn:123", [Isbn("123")]),
        ("0126-1234", [Word("0126-1234")]),
        ("-", []),
        ("a - b", [Word("a"), Word("b")]),
        ("waktu :", [Word("waktu")]),
    ],
)
def test_text_becomes_a_tree(text: str, parts: list[Part]) -> None:
    assert parse(text) == Query(tuple(parts))


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("minang -novel", [Word("novel")]),
        ('minang -"siti nurbaya"', [Phrase("siti nurbaya")]),
        ("minang -judul:siti", [Word("siti", "title")]),
        ("minang -tahun:..1980", [Years(None, 1980)]),
        ("minang -bahasa:inggris", [Language("eng")]),
        ("minang --novel", [Word("novel")]),
    ],
)
def test_a_minus_excludes(text: str, without: list[Part]) -> None:
    assert parse(text) == Query((Word("minang"),), tuple(without))


PIECES = st.sampled_from(
    ["title:", "judul: ", "isbn:", "year:", "tahun:", "language:", "bahasa:", "-", '"', " ", "*", "..", "1990", "2000",
     "978", "0306406152", "9780306406157", "a", "é", "ب", "日本", "_", ":", ".", "–", "'", "ʿ", "(", "/", "X", "ind"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join)))
@example("0306406 / 152")
@example("0306406 -x 152")
@example("(1990..2000)")
@example('year:-"x')
def test_every_text_is_a_query_that_prints_back(text: str) -> None:
    query = parse(text)
    assert parse(str(query)) == query


def test_a_word_can_be_respelt() -> None:
    assert str(parse("judul:siit nurbaya -siit").respelt({"siit": "siti"})) == "title:siti nurbaya -siit"
