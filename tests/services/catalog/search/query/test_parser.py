"""Typed texts and their query trees."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.catalog.search.query.parser import depth, parse
from services.catalog.search.query.tree import (
    AnyOf,
    Classes,
    FacetCode,
    Identifier,
    Isbn,
    Part,
    Phrase,
    Query,
    Word,
    Years,
)


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
        ("bahasa:minangkabau", [FacetCode("language", "min")]),
        ("language:nld", [FacetCode("language", "dut")]),
        ("bahasa:inggris kamus", [FacetCode("language", "eng"), Word("kamus")]),
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
        ("0306406152 fisika", [Isbn("9780306406157", "0306406152"), Word("fisika")]),
        ("0-8044-2957-X", [Isbn("9780804429573", "080442957x")]),
        ("isbn 0306406152", [Isbn("9780306406157")]),
        ("979.433.111-0", [Word("979.433.111-0")]),
        ("isbn:123", [Isbn("123")]),
        ("0126-1234", [Word("0126-1234")]),
        ("series:balai", [Word("balai", "series")]),
        ('seri:"balai pustaka"', [Phrase("balai pustaka", "series")]),
        ("penerbit:gramedia", [Word("gramedia", "publisher")]),
        ("issn:0126-1234", [Identifier("issn", "01261234")]),
        ("barcode:0012-345", [Identifier("barcode", "0012345")]),
        ('panggil:"899.221 3 NAV k"', [Identifier("call", "8992213navk")]),
        ("call:899.221", [Identifier("call", "899221")]),
        ("w:ocm 123", [Identifier("control", "ocm"), Word("123")]),
        ("golongan:297", [Classes("297", "297")]),
        ("class:8", [Classes("8", "8")]),
        ("class:800..899", [Classes("800", "899")]),
        ("class:899..800", [Classes("800", "899")]),
        ("class:899.2..", [Classes("899.2", None)]),
        ("golongan:2x4.1", [Classes("2X4.1", "2X4.1")]),
        ("golongan:800.", [Classes("800", "800")]),
        ("bahan:majalah", [FacetCode("format", "serial")]),
        ('format:"buku elektronik"', [FacetCode("format", "ebook")]),
        ("pembaca:anak", [FacetCode("audience", "child")]),
        ("koleksi:referensi", [FacetCode("collection", "reference")]),
        ("bahan: baku", [Word("bahan"), Word("baku")]),
        ("(adat istiadat)", [Word("adat"), Word("istiadat")]),
        ("Robohnya surau kami (1956)", [Word("Robohnya"), Word("surau"), Word("kami"), Word("1956")]),
        ("(surau", [Word("surau")]),
        ("surau) kami", [Word("surau"), Word("kami")]),
        ("surau (kami", [Word("surau"), Word("kami")]),
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
        ("minang -bahasa:inggris", [FacetCode("language", "eng")]),
        ("minang --novel", [Word("novel")]),
        ("minang -golongan:800..", [Classes("800", None)]),
    ],
)
def test_a_minus_excludes(text: str, without: list[Part]) -> None:
    assert parse(text) == Query((Word("minang"),), tuple(without))


A, B, C = Word("a"), Word("b"), Word("c")


def either(*choices: tuple[Part, ...]) -> AnyOf:
    return AnyOf(tuple(Query(choice) for choice in choices))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a OR b", Query((either((A,), (B,)),))),
        ("a ATAU b", Query((either((A,), (B,)),))),
        ("a|b", Query((either((A,), (B,)),))),
        ("a || b", Query((either((A,), (B,)),))),
        ("a b OR c", Query((either((A, B), (C,)),))),
        ("a (b OR c)", Query((A, either((B,), (C,))))),
        ("a or b", Query((A, Word("or"), B))),
        ('a "OR" b', Query((A, Phrase("OR"), B))),
        ("judul:(a OR b)", Query((either((Word("a", "title"),), (Word("b", "title"),)),))),
        ("judul:(a penulis:b)", Query((Word("a", "title"), Word("b", "author")))),
        ("judul:(a -b) c", Query((Word("a", "title"), C), (Word("b", "title"),))),
        ("a -(b)", Query((A,), (B,))),
        ("a -(b c)", Query((A,), (either((B, C)),))),
        ("a -(b OR c)", Query((A,), (either((B,), (C,)),))),
        ("(a -b) c", Query((A, C), (B,))),
        ("a OR -b", Query((AnyOf((Query((A,)), Query((), (B,)))),))),
        ("((a OR b) c) OR b", Query((either((either((A,), (B,)), C), (B,)),))),
        ("1990..2000|a", Query((either((Years(1990, 2000),), (A,)),))),
    ],
)
def test_or_separates_groups_of_adjacent_words(text: str, query: Query) -> None:
    assert parse(text) == query
    assert not parse(text).read_as_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OR a", "or a"),
        ("a OR", "a or"),
        ("a OR OR b", "a or or b"),
        ("a ATAU ATAU b", "a atau atau b"),
        ("(a OR b", "a or b"),
        ("a OR b)", "a or b"),
        ("() OR a", "or a"),
        ("a|", "a"),
        ("-(a", "a"),
        ('judul:(a OR "b', "judul a or b"),
        ("tahun:kelabu", "tahun kelabu"),
        ("golongan:sastra", "golongan sastra"),
        ("bahasa:klingon", "bahasa klingon"),
        ("format:batu a", "format batu a"),
        ("((((((a OR b))))))", "a or b"),
    ],
)
def test_a_text_that_cannot_be_parsed_is_read_as_words_and_reported(text: str, words: str) -> None:
    query = parse(text)
    assert str(query) == words
    assert query.read_as_words


@pytest.mark.parametrize("text", ["surau", "(surau", "bahasa: sebuah", "judul:", 'a "b', "tahun:1990", "x:y", "a - b"])
def test_a_text_that_can_be_parsed_is_not_reported(text: str) -> None:
    assert not parse(text).read_as_words


@pytest.mark.parametrize(("text", "deep"), [("a", 0), ("(a)", 1), ("((a) (b))", 2), ('"((" (a', 1), ("))((", 2)])
def test_depth_is_that_of_brackets_within_brackets(text: str, deep: int) -> None:
    assert depth(text) == deep


def test_size_and_wildcards_include_words_in_brackets() -> None:
    query = parse('a* ("b c" OR judul:d*) -(e f)')
    assert (query.size, query.wildcards) == (6, ["a", "d"])


PIECES = st.sampled_from(
    ["title:", "judul: ", "isbn:", "year:", "tahun:", "language:", "bahasa:", "-", '"', " ", "*", "..", "1990", "2000",
     "978", "0306406152", "9780306406157", "a", "é", "ب", "日本", "_", ":", ".", "–", "'", "ʿ", "(", ")", "/", "X",
     " OR ", "ATAU", "OR", "|", "class:", "golongan:", "800..899", "2X4.1", "call:", "issn:", "series:", "format:",
     "ind", "book"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map("".join)))
@example("0306406 / 152")
@example("0306406 -x 152")
@example("(1990..2000)")
@example('year:-"x')
@example("judul:(a -(b OR _c))")
@example("OR.")
def test_every_text_is_a_query_that_prints_back(text: str) -> None:
    query = parse(text)
    assert parse(str(query)) == query


@pytest.mark.parametrize("text", ["(" * 500, "(a OR " * 80, "-" * 500, '"' * 499, "a|" * 250, "judul:(" * 70])
def test_hostile_texts_are_parsed(text: str) -> None:
    query = parse(text)
    assert parse(str(query)) == query


@pytest.mark.parametrize("text", ["ATAU2 kaba", "navis ATAU2 03064 123456"])
def test_an_operator_with_a_2_is_two_words(text: str) -> None:
    query = parse(text)
    assert "atau atau" in str(query)
    assert parse(str(query)) == query
