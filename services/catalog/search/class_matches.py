"""Matches of classes and related words, from the expansion of a query."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from services.catalog.index.matches import And, Between, Boosted, DisMax, Keyword, Match, Prefix, Term
from services.catalog.record.class_table import ancestors
from services.catalog.search.class_recall import MOST_QUERIES, MatchedClass, QueryExpansion, Translation
from services.catalog.search.ranking import weights

MOST_BONUSES = 2
_LONGEST_DECIMALS = 3  # of class_number, which has thousandths


def class_match(key: str, boost: float = 0.0) -> Match:
    """Match the records of a class and of all under it."""
    whole, dot, decimals = key.partition(".")
    if key[:2] == "2X" or not dot:
        return Keyword("facet_class", (key,), boost)
    digits = whole + decimals[:_LONGEST_DECIMALS]
    between = Between("class_number", int(digits.ljust(6, "0")), int(digits.ljust(6, "9")), boost)
    section = Keyword("facet_class", (whole,), 0.0)  # so that the range is tested for few records
    if len(decimals) <= _LONGEST_DECIMALS:
        return And((section, between))
    return And((section, between, Prefix("identifier", whole + decimals, 0.0)))  # the class as the record has it


def with_classes(match: Match, expansion: QueryExpansion) -> Match:
    """Add small bonuses: for records of a class that has all the words, and for those that the query prefers."""
    bonus = [
        class_match(matched.key, weights.IN_CLASS * len(matched.roots))
        for matched in expansion.classes[:MOST_BONUSES]
        if matched.whole
    ]
    bonus += expansion.preferences.matches
    return Boosted(match, tuple(bonus)) if bonus else match


@lru_cache(MOST_QUERIES)
def recall_choices(matched: MatchedClass) -> Sequence[tuple[str, Match]]:
    """Return (class, match): for the class and all under it, then for records with just the number of a broader class.

    The weight is for one word of the query; several words of one class add up.
    """
    factor = weights.WHOLE_QUERY if matched.whole else 1.0
    choices = [(matched.key, class_match(matched.key, weights.OF_CLASS * factor))]
    if matched.key[:2] != "2X":
        for broader in ancestors(matched.key)[:2]:
            if len(broader) > 1:
                number = int(broader.replace(".", "").ljust(6, "0"))
                choices.append((broader, Between("class_number", number, number, weights.OF_BROADER_CLASS * factor)))
    return choices


@lru_cache(MOST_QUERIES)
def recall_match(matched: MatchedClass) -> Match:
    """Match the records of a class and, with a lower weight, those that have just the number of a broader class."""
    choices = tuple(match for _key, match in recall_choices(matched))
    return choices[0] if len(choices) == 1 else DisMax(choices, 0.0)


@lru_cache(MOST_QUERIES)
def translation_match(translation: Translation) -> Match:
    terms = tuple(Term("any", word, weights.TRANSLATED) for word in translation.other_roots)
    return terms[0] if len(terms) == 1 else And(terms)
