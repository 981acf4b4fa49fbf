"""Queries and their match trees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Not, Or, Phrase, Prefix, Term
from services.catalog.record.index_document import KEYWORDS, TEXT_FIELDS
from services.catalog.search.query.parser import parse
from services.catalog.search.ranking.build import match_of, rank


def leaves(match: Match) -> Iterator[Match]:
    match match:
        case DisMax(choices=parts) | And(of=parts) | Or(of=parts):
            for part in parts:
                yield from leaves(part)
        case Not(match=inner, without=more) | Boosted(match=inner, bonus=more):
            for branch in (inner, *more):
                yield from leaves(branch)
        case _:
            yield match


def required_tokens(match: Match) -> set[str]:
    """Return the tokens that a record must have, and those of alternatives."""
    match = match.match if isinstance(match, Boosted) else match
    return {leaf.token for leaf in leaves(match) if isinstance(leaf, Term)}


def bonuses(match: Match) -> set[tuple[str, str]]:
    assert isinstance(match, Boosted)
    return {(leaf.field, leaf.token) for part in match.bonus for leaf in leaves(part) if isinstance(leaf, Term)}


def test_an_empty_query_matches_everything() -> None:
    assert rank(parse("")) == And(())


def test_a_word_is_required_once_by_its_root() -> None:
    match = rank(parse("penulisan surau"))
    assert isinstance(match, Boosted)
    assert isinstance(match.match, And)
    assert len(match.match.of) == 2
    assert required_tokens(match) == {"tulis", "manulis", "#surau"}


def test_a_word_that_is_not_its_root_is_preferred_as_typed() -> None:
    assert ("text", "penulisan") in bonuses(rank(parse("penulisan surau")))
    assert ("text", "soeharto") in bonuses(rank(parse("soeharto biografi")))
    assert ("text", "surau") not in bonuses(rank(parse("surau penulisan")))


@pytest.mark.parametrize(
    ("query", "tokens"),
    [
        ("robohnya surau kam", {"roboh", "surau", "#kam"}),
        ("robohnya ka", {"roboh", "ka"}),  # too short for a beginning
        ('kam "surau kami"', {"kam"}),  # the last part is a phrase
        ("roboh* surau x", {"#roboh", "surau", "x"}),
        ("penulisan", {"tulis", "manulis"}),  # complete, because it ends in a suffix
        ("bermai", {"#bermai", "mai"}),  # a beginning, or the root
        ("perpustakaannya1234", {"perpustakaannya1234"}),  # longer than the longest beginning
    ],
)
def test_the_last_word_and_a_word_with_a_star_may_be_beginnings(query: str, tokens: set[str]) -> None:
    assert required_tokens(rank(parse(query))) == tokens


@pytest.mark.parametrize(
    ("query", "tokens"),
    [
        ("yang hilang", {"#hilang", "ilang"}),
        ("siapa kartini?", {"#kartini", "kartin"}),
        ("buku komik", {"#komik", "comic"}),
        ("prof. dr. hamka", {"#hamka"}),
        ("al-quran", {"#quran"}),
        ("an-nawawi", {"#nawawi", "nawaw"}),
        ("the history of java", {"history", "#java"}),
        ("yang", {"#yang"}),
        ("siapa itu", {"siapa", "#itu"}),
        ("yang 1990..", set()),
    ],
)
def test_stop_words_are_not_required_beside_other_words(query: str, tokens: set[str]) -> None:
    assert required_tokens(rank(parse(query))) == tokens


@pytest.mark.parametrize(
    ("query", "tokens"),
    [
        ("A.A. Navis", {"a", "aa", "#navis"}),
        ("A. A. Navis", {"a", "aa", "#navis"}),
        ("Navis, A.A.", {"navis", "a", "aa"}),
        ("HB Jassin", {"hb", "#jassin"}),
        ("H. Agus Salim", {"agus", "#salim"}),
        ("vitamin C", {"vitamin", "c"}),
    ],
)
def test_adjacent_initials_are_one_match(query: str, tokens: set[str]) -> None:
    assert required_tokens(rank(parse(query))) == tokens


def test_an_inverted_name_gets_a_bonus() -> None:
    for query in ("Andrea Hirata", "Hirata, Andrea"):
        match = rank(parse(query))
        assert Keyword("name", ("andrea hirata",), 6.0) in list(leaves(match))


def test_beside_words_in_old_spelling_a_j_has_both_readings() -> None:
    assert required_tokens(rank(parse("sedjarah raja djawa"))) == {
        "sejarah",
        "sajarah",
        "raja",
        "rajo",
        "raya",
        "rayo",
        "#djawa",
        "jawa",
    }
    assert required_tokens(rank(parse("sejarah raja jawa"))) == {"sejarah", "sajarah", "raja", "rajo", "#jawa"}


def test_a_field_restricts() -> None:
    assert required_tokens(rank(parse("judul:surau penulis:navis terbit"))) == {"t=surau", "a=navis", "#terbit"}
    assert required_tokens(rank(parse("seri:balai penerbit:gramedia x"))) == {"e=balai", "p=gramedia", "x"}
    assert Prefix("title", "sur", 1.2) in list(leaves(rank(parse("judul:sur"))))


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("tahun:1990..2000", Between("year", 1990, 2000)),
        ("bahasa:minang", Keyword("facet_language", ("min",))),
        ("bahan:majalah", Keyword("facet_material", ("serial",))),
        ("pembaca:anak", Keyword("facet_audience", ("child",))),
        ("koleksi:referensi", Keyword("facet_collection", ("reference",))),
        ("golongan:297", Between("class_number", 297_000, 297_999)),
        ("golongan:8", Between("class_number", 800_000, 899_999)),
        ("golongan:800", Between("class_number", 800_000, 899_999)),
        ("golongan:810", Between("class_number", 810_000, 819_999)),
        ("golongan:000", Between("class_number", 0, 99_999)),
        ("golongan:899.22", Between("class_number", 899_220, 899_229)),
        ("class:800..899", Between("class_number", 800_000, 899_999)),
        ("class:810..", Between("class_number", 810_000, None)),
        ("class:..2X", Between("class_number", None, 297_999)),
        ("class:2X4", Prefix("facet_class", "2X4", 0.0)),
        ("barcode:0012345", Keyword("identifier", ("0012345",), 60.0)),
        ('penulis:"a.a. navis"', Phrase("author", ("a", "a", "navis"), 5.0)),
        ("-tahun:1990..", Not(And(()), (Between("year", 1990, None),))),
    ],
)
def test_each_kind_of_part_has_its_match(query: str, match: Match) -> None:
    assert rank(parse(query)) == match


def test_alternatives_are_ranked_as_two_queries() -> None:
    match = rank(parse("surau OR masjid"))
    assert isinstance(match, Or)
    assert [required_tokens(choice) for choice in match.of] == [{"#surau"}, {"#masjid", "musajik"}]


def test_a_series_in_quotes_is_a_phrase_of_the_record_with_words_of_the_series() -> None:
    match = rank(parse('seri:"balai pustaka"'))
    assert required_tokens(match) == {"e=balai", "e=pustaka"}
    assert [leaf for leaf in leaves(match) if isinstance(leaf, Phrase)] == [Phrase("text", ("balai", "pustaka"), 1.0)]


@pytest.mark.parametrize(
    ("query", "name"),
    [("0012345", "0012345"), ("0126-1234", "01261234"), ("F 899.221 3 NAV k", "f8992213navk")],
)
def test_a_query_that_may_be_an_identifier_is_looked_up_as_one(query: str, name: str) -> None:
    values = {value for leaf in leaves(rank(parse(query))) if isinstance(leaf, Keyword) for value in leaf.values}
    assert name in values


@given(
    st.lists(
        st.sampled_from(
            ["robohnya", "surau", '"a b"', "-c", "judul:d*", "seri:x", "(a OR b)", "A.A.", "yang", "1990..2000",
             "tjerita", "bahasa:ind", "golongan:2X", "class:8", "call:899", "isbn:1", "日本", "-(a b)", 'penulis:"x"',
             "radja", "*"]
        ),
        max_size=8,
    )
)  # fmt: skip
def test_matches_use_only_fields_that_documents_have(pieces: list[str]) -> None:
    query = parse(" ".join(pieces))
    known_fields = {*TEXT_FIELDS, *KEYWORDS}
    for part in query.parts:
        assert match_of(part, may_be_beginning=True) is not None
    for leaf in leaves(rank(query)):
        assert not isinstance(leaf, Term | Phrase) or leaf.field in TEXT_FIELDS
        assert not isinstance(leaf, Keyword | Prefix) or leaf.field in known_fields or leaf.field.startswith("facet_")
        assert not isinstance(leaf, Phrase) or leaf.tokens
