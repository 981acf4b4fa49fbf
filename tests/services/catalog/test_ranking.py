"""A query becomes what the index is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.catalog.document import TEXT_FIELDS
from services.catalog.query import parse
from services.catalog.ranking import All, Best, Between, But, Keyword, Match, Phrase, Prefer, Prefix, Term, rank
from services.catalog.ranking import Any as AnyOf


def leaves(match: Match) -> Iterator[Match]:
    match match:
        case Best(choices=parts) | All(of=parts) | AnyOf(of=parts):
            for each in parts:
                yield from leaves(each)
        case But(match=inner, without=more) | Prefer(match=inner, bonus=more):
            for each in (inner, *more):
                yield from leaves(each)
        case _:
            yield match


def boost(match: Match, field: str, token: str) -> float:
    return max(
        each.boost for each in leaves(match) if isinstance(each, Term) and (each.field, each.token) == (field, token)
    )


def test_nothing_asked_for_is_everything() -> None:
    assert rank(parse("")) == All(())


def test_exact_weighs_more_than_stemmed_and_title_more_than_subject_and_notes() -> None:
    match = rank(parse("penulis"))
    assert boost(match, "title", "penulis") > boost(match, "title_stem", "tulis")
    assert boost(match, "title", "penulis") > boost(match, "author", "penulis") > boost(match, "subject", "penulis")
    assert boost(match, "subject", "penulis") > boost(match, "subject_stem", "tulis") > boost(match, "notes", "penulis")


def test_only_the_last_word_may_be_begun() -> None:
    begun = {each.token for each in leaves(rank(parse("robohnya surau kam"))) if isinstance(each, Prefix)}
    assert begun == {"kam"}
    assert not [each for each in leaves(rank(parse("robohnya ka"))) if isinstance(each, Prefix)]
    assert not [each for each in leaves(rank(parse('robohnya "surau kami"'))) if isinstance(each, Prefix)]


def test_a_star_begins_a_word_anywhere() -> None:
    assert {each.token for each in leaves(rank(parse("roboh* surau -x"))) if isinstance(each, Prefix)} == {
        "roboh",
        "surau",
    }


def test_a_common_word_is_wished_for_and_not_demanded() -> None:
    match = rank(parse("yang hilang"))
    assert isinstance(match, Prefer)
    assert not any(isinstance(each, Term) and each.token == "yang" for each in leaves(match.match))
    alone = rank(parse("yang"))
    assert isinstance(alone, Prefer)
    assert any(isinstance(each, Term) and each.token == "yang" for each in leaves(alone.match))


def test_a_field_restricts() -> None:
    match = rank(parse("judul:surau penulis:navis"))
    assert isinstance(match, All)
    fields = [{each.field for each in leaves(part) if isinstance(each, Term)} for part in match.of]
    assert fields == [{"title", "title_stem"}, {"author"}]


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("tahun:1990..2000", Between("year", 1990, 2000)),
        ("bahasa:minang", Keyword("facet_language", ("min",))),
        ('penulis:"a.a. navis"', Phrase("author", ("a", "a", "navis"), 5.0)),
        ("-tahun:1990..", But(All(()), (Between("year", 1990, None),))),
    ],
)
def test_each_kind_of_part_is_asked_for_in_its_way(query: str, match: Match) -> None:
    assert rank(parse(query)) == match


@pytest.mark.parametrize(
    ("query", "name"),
    [("0012345", "0012345"), ("0126-1234", "01261234"), ("F 899.221 3 NAV k", "f8992213navk")],
)
def test_what_may_name_one_thing_is_looked_up_as_an_identifier(query: str, name: str) -> None:
    asked = {value for each in leaves(rank(parse(query))) if isinstance(each, Keyword) for value in each.values}
    assert name in asked


def test_words_are_asked_for_in_fields_that_documents_have() -> None:
    match = rank(parse('robohnya surau kami "a b" -c judul:d*'))
    asked = {each.field for each in leaves(match) if isinstance(each, Term | Prefix | Phrase)}
    assert asked <= set(TEXT_FIELDS)
