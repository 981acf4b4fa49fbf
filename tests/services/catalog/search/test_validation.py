"""Limits of a search's parameters."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid
from services.catalog.search.query.parser import MOST_DEPTH, depth, parse
from services.catalog.search.validation import MOST_WORDS, parse_query


@pytest.mark.parametrize(
    ("text", "reason", "facts"),
    [
        ("x" * 501, "QUERY_TOO_LONG", {"most": 500, "characters": 501}),
        ("kata " * 33, "QUERY_TOO_MANY_WORDS", {"most": 32, "words": 33}),
        ('"' + "kata " * 33 + '"', "QUERY_TOO_MANY_WORDS", {"most": 32, "words": 33}),
        ("(a OR b) " * 17, "QUERY_TOO_MANY_WORDS", {"most": 32, "words": 34}),
        ("((((((a OR b))))))", "QUERY_TOO_DEEP", {"most": 5, "deep": 6}),
        ("(" * 500, "QUERY_TOO_DEEP", {"most": 5, "deep": 500}),
        ("sura* masji* ada* kab* tamb*", "QUERY_TOO_MANY_WILDCARDS", {"most": 4, "wildcards": 5}),
        ("(sura* OR masji*) -ada* judul:kab* tamb*", "QUERY_TOO_MANY_WILDCARDS", {"most": 4, "wildcards": 5}),
        ("surau a*", "WILDCARD_TOO_SHORT", {"least": 3, "word": "a"}),
        ("penulis:na*", "WILDCARD_TOO_SHORT", {"least": 3, "word": "na"}),
    ],
)
def test_queries_above_a_limit_are_refused_with_that_limit(text: str, reason: str, facts: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_query(text)
    assert (refusal.value.reason, refusal.value.facts) == (reason, facts)
    assert refusal.value.sentence.id != refusal.value.sentence.en


@pytest.mark.parametrize("text", ["日*", "sura* masji* ada* kab*", "(((((a OR b)))))", "kata " * 32, "*", "* surau"])
def test_queries_within_the_limits_are_accepted(text: str) -> None:
    assert parse_query(text)[0] == parse(text)


@given(st.text(alphabet='ab *"()|:-. OR', max_size=120))
def test_any_text_is_parsed_or_refused_by_name(text: str) -> None:
    refused = depth(text) > MOST_DEPTH or parse(text).size > MOST_WORDS or bool(parse(text).wildcards)
    with suppress(Invalid) if refused else nullcontext():
        assert parse_query(text)[0] == parse(text)
