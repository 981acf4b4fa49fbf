"""A tree that cannot be searched strictly is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid
from services.catalog.index.matches import Match
from services.catalog.search.boolean.matching import (
    MOST_DISTANCE,
    MOST_MASKED_WORDS,
    MOST_PHRASES,
    MOST_WORDS,
    RELATIONS,
    build_match,
)
from services.catalog.search.boolean.tree import LONGEST_TERM, MOST_CLAUSES, MOST_LEVELS, Clause, Group, Tree
from services.catalog.search.query.fields import SEARCH_FIELDS

SURAU, KAMI = Clause("surau", "title"), Clause("kami", "title")


def build(tree: Tree) -> Match:
    return build_match(tree, lambda _ids: {})


def nested(levels: int) -> Tree:
    tree: Tree = SURAU
    for _ in range(levels - 1):
        tree = Group("and", (tree,))
    return tree


def near(*operands: Tree, distance: int = 1, unit: str = "word") -> Group:
    return Group("near", operands, distance=distance, unit=unit)


NEAR_SUBJECTS = near(Clause("adat", "subject"), Clause("minang", "subject"), distance=MOST_DISTANCE)


@pytest.mark.parametrize(
    ("tree", "reason", "facts"),
    [
        (Clause("surau", "judulnya"), "SEARCH_FIELD_UNKNOWN", {"field": "judulnya"}),
        (Clause("surau", "title", "<"), "RELATION_UNSUPPORTED", {"field": "title", "relation": "<"}),
        (Clause("2000", "year", "exact"), "RELATION_UNSUPPORTED", {"field": "year", "relation": "exact"}),
        (Clause("surau", modifiers=("fuzzy",)), "MODIFIER_UNSUPPORTED", {"modifier": "fuzzy", "field": "any"}),
        (Clause("2000", "year", modifiers=("stem",)), "MODIFIER_UNSUPPORTED", {"modifier": "stem", "field": "year"}),
        (Clause("rumah gadang", "title", "=", ("stem",)), "MODIFIER_UNSUPPORTED", {"modifier": "stem"}),
        (Clause("a b", "personal_name", "all", ("stem",)), "MODIFIER_UNSUPPORTED", {"field": "personal_name"}),
        (Clause("sur*", "title", "any", ("stem",)), "MODIFIER_UNSUPPORTED", {"modifier": "stem"}),
        (Clause(" … ", "title"), "TERM_EMPTY", {"field": "title"}),
        (Clause("", "language"), "TERM_EMPTY", {"field": "language"}),
        (Clause("dua ribu", "year"), "TERM_INVALID", {"field": "year", "term": "dua ribu"}),
        (Clause("19", "year"), "TERM_INVALID", {"term": "19"}),
        (Clause("1990", "year", "within"), "TERM_INVALID", {"term": "1990"}),
        (Clause("sastra", "class"), "TERM_INVALID", {"field": "class"}),
        (Clause("899.22131", "class", "<"), "TERM_INVALID", {"field": "class"}),
        (Clause("robohnya ^surau", "title"), "ANCHOR_MISPLACED", {"term": "robohnya ^surau"}),
        (Clause("sur^au"), "ANCHOR_MISPLACED", {"term": "sur^au"}),
        (Clause("^ surau"), "ANCHOR_MISPLACED", {"term": "^ surau"}),
        (Clause("su*"), "WILDCARD_TOO_SHORT", {"least": 3, "word": "su*"}),
        (Clause("*"), "WILDCARD_TOO_SHORT", {"word": "*"}),
        (Clause("sura* " * (MOST_MASKED_WORDS + 1)), "QUERY_TOO_MANY_WILDCARDS", {"most": MOST_MASKED_WORDS}),
        (Clause("x" * (LONGEST_TERM + 1)), "QUERY_TOO_LONG", {"most": LONGEST_TERM, "characters": LONGEST_TERM + 1}),
        (Group("or", (Clause("kata " * 65), Clause("kata " * 64))), "QUERY_TOO_MANY_WORDS", {"most": MOST_WORDS}),
        (Group("or", (SURAU,) * (MOST_CLAUSES + 1)), "QUERY_TOO_MANY_CLAUSES", {"most": MOST_CLAUSES}),
        (nested(MOST_LEVELS + 1), "QUERY_TOO_DEEP", {"most": MOST_LEVELS, "deep": MOST_LEVELS + 1}),
        (Group("xor", (SURAU, KAMI)), "OPERATOR_UNKNOWN", {"operator": "xor"}),
        (Group("and", ()), "OPERANDS_TOO_FEW", {"operator": "and", "least": 1}),
        (Group("not", (SURAU,)), "OPERANDS_TOO_FEW", {"operator": "not", "least": 2}),
        (near(SURAU, KAMI, SURAU), "PROXIMITY_UNSUPPORTED", {"part": "operands"}),
        (near(SURAU, Group("or", (KAMI, SURAU))), "PROXIMITY_UNSUPPORTED", {"part": "operands"}),
        (near(SURAU, Clause("kami", "author")), "PROXIMITY_UNSUPPORTED", {"part": "field"}),
        (near(Clause("1", "isbn"), Clause("2", "isbn")), "PROXIMITY_UNSUPPORTED", {"part": "field"}),
        (near(SURAU, Clause("kami", "title", "all")), "PROXIMITY_UNSUPPORTED", {"part": "relation"}),
        (near(SURAU, Clause("kami", "title", "=", ("stem",))), "PROXIMITY_UNSUPPORTED", {"part": "modifiers"}),
        (near(SURAU, KAMI, unit="sentence"), "PROXIMITY_UNSUPPORTED", {"part": "unit", "most": MOST_DISTANCE}),
        (near(SURAU, KAMI, distance=MOST_DISTANCE + 1), "PROXIMITY_UNSUPPORTED", {"part": "distance"}),
        (Group("or", (NEAR_SUBJECTS, near(SURAU, KAMI))), "QUERY_TOO_MANY_PHRASES", {"most": MOST_PHRASES}),
        (near(SURAU, Clause("kam*", "title")), "PROXIMITY_UNSUPPORTED", {"part": "masks"}),
        (near(SURAU, Clause("kami^", "title")), "PROXIMITY_UNSUPPORTED", {"part": "masks"}),
    ],
)  # fmt: skip
def test_a_tree_is_refused_by_name(tree: Tree, reason: str, facts: Mapping[str, object]) -> None:
    with pytest.raises(Invalid) as refusal:
        build(tree)
    assert refusal.value.reason == reason
    assert facts.items() <= refusal.value.facts.items()
    assert refusal.value.sentence.id != refusal.value.sentence.en


def test_the_longest_distance_is_possible_in_each_field_of_words() -> None:
    for name, field in SEARCH_FIELDS.items():
        if field.kind == "words":
            build(near(Clause("adat", name), Clause("minang", name), distance=MOST_DISTANCE))


def test_every_relation_of_a_field_can_be_searched() -> None:
    terms = {"year": "1990 2000", "class": "800 899"}
    for name, field in SEARCH_FIELDS.items():
        for relation in RELATIONS[field.kind]:
            term = terms.get(field.kind, "surau")
            build(Clause(term if relation in ("within", "all", "any") else term.split()[0], name, relation))


@given(
    term=st.text(alphabet=st.sampled_from('ab1 *?^\\"日é\U00010000\x00'), max_size=12),
    field=st.sampled_from(sorted(SEARCH_FIELDS)),
    relation=st.sampled_from(("all", "any", "=", "==", "<", "within")),
    modifiers=st.lists(st.sampled_from(("stem", "unmasked", "masked")), max_size=2).map(tuple),
)
def test_any_clause_is_built_or_refused_by_name(
    term: str, field: str, relation: str, modifiers: tuple[str, ...]
) -> None:
    with suppress(Invalid):
        build(Clause(term, field, relation, modifiers))
