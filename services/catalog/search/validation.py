"""Checks the parameters of a search; each error names the invalid parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import cast

from chassis.errors import Invalid
from rangkiang.catalog.v1.facets_pb2 import Filters
from services.catalog.analysis import fold, may_have_phrase, phrase_at
from services.catalog.index.matches import Match
from services.catalog.index.port import REACH, FacetOrder, Sort
from services.catalog.search.query.parser import MOST_DEPTH, depth, parse
from services.catalog.search.query.tree import Part, Query, Word
from services.catalog.search.ranking.build import forget_words, rank
from services.catalog.tables.operations import MOST_CHARACTERS

MOST_WORDS = 32
MOST_WILDCARDS = 4
SHORTEST_WILDCARD = 3  # letters before the star; a shorter beginning would match half of all words
MOST_HITS = 100
USUAL_HITS = 10
MOST_FACET_VALUES = 50
LONGEST_VALUE = 1000
MOST_OFFSET = 1_000  # values of a facet that paging may skip
SORTS = ("relevance", "year", "year_asc", "title")
FACET_ORDERS = ("count", "value")
PUBLIC_FACETS = tuple(field.name for field in Filters.DESCRIPTOR.fields)


@lru_cache(maxsize=1024)
def parse_query(text: str) -> tuple[Query, Match]:
    """Parse a text to a query and its match tree. Cached, because pages and readers repeat queries.

    raises  Invalid  QUERY_TOO_LONG, QUERY_TOO_MANY_WORDS, QUERY_TOO_DEEP, QUERY_TOO_MANY_WILDCARDS, WILDCARD_TOO_SHORT
    """
    if len(text) > MOST_CHARACTERS:
        raise _query_too_long(len(text))
    if "(" in text and (deep := depth(text)) > MOST_DEPTH:
        raise Invalid("QUERY_TOO_DEEP", most=MOST_DEPTH, deep=deep)
    query = parse(text)
    if query.size > MOST_WORDS:
        raise Invalid("QUERY_TOO_MANY_WORDS", most=MOST_WORDS, words=query.size)
    if "*" in text:
        _check_wildcards(query.wildcards)
    if may_have_phrase(text):
        query = _read_phrases(query)
    return query, rank(query)


def forget_queries() -> None:
    """Clear what is cached of queries and their words; after a change of the vocabulary."""
    parse_query.cache_clear()
    forget_words()


def _read_phrases(query: Query) -> Query:
    """Replace phrases of the vocabulary by the words that are meant: `urang awak` is orang Minangkabau."""
    words = [
        fold(part.text) if isinstance(part, Word) and not part.field and not part.prefix else "" for part in query.parts
    ]
    parts: list[Part] = []
    position = 0
    while position < len(words):
        phrase = phrase_at(words, position)
        parts += [query.parts[position]] if phrase is None else map(Word, phrase[1])
        position += 1 if phrase is None else len(phrase[0])
    return replace(query, parts=tuple(parts))


def _check_wildcards(wildcards: list[str]) -> None:
    if len(wildcards) > MOST_WILDCARDS:
        raise Invalid("QUERY_TOO_MANY_WILDCARDS", most=MOST_WILDCARDS, wildcards=len(wildcards))
    for word in wildcards:
        if word.isascii() and sum(map(str.isalnum, word)) < SHORTEST_WILDCARD:
            raise Invalid("WILDCARD_TOO_SHORT", least=SHORTEST_WILDCARD, word=word)


def check_length(text: str) -> str:
    """Check that a typed text is short enough to complete, and return it.

    raises  Invalid  QUERY_TOO_LONG
    """
    if len(text) > MOST_CHARACTERS:
        raise _query_too_long(len(text))
    return text


def allowed_limit(limit: int, *, usual: int = USUAL_HITS, most: int = MOST_HITS) -> int:
    """Check the number of results and return it; 0 means the usual number.

    raises  Invalid  LIMIT_OUT_OF_BOUNDS
    """
    if not 0 <= limit <= most:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=most)
    return limit or usual


def allowed_position(offset: int, *, has_tree: bool) -> int:
    """Check the number of hits to skip, and return it.

    raises  Invalid  OFFSET_NEEDS_TREE, PAGING_TOO_DEEP
    """
    if offset and not has_tree:
        raise Invalid("OFFSET_NEEDS_TREE")
    if offset >= REACH:
        raise Invalid("PAGING_TOO_DEEP", most=REACH)
    return offset


def allowed_sort(sort: str) -> Sort:
    """Check the order of hits and return it; "" means relevance.

    raises  Invalid  SORT_UNKNOWN
    """
    if sort and sort not in SORTS:
        raise _sort_unknown(sort, SORTS)
    return cast("Sort", sort or "relevance")


def allowed_facet_order(order: str) -> FacetOrder:
    """Check the order of a facet's values and return it; "" means by count.

    raises  Invalid  SORT_UNKNOWN
    """
    if order not in ("", *FACET_ORDERS):
        raise _sort_unknown(order, FACET_ORDERS)
    return cast("FacetOrder", order or "count")


def allowed_offset(offset: int) -> int:
    """Check the number of facet values to skip, and return it.

    raises  Invalid  OFFSET_OUT_OF_BOUNDS
    """
    if not 0 <= offset <= MOST_OFFSET:
        raise Invalid("OFFSET_OUT_OF_BOUNDS", most=MOST_OFFSET)
    return offset


def allowed_facets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check facets, and return each once.

    raises  Invalid  FACET_UNKNOWN
    """
    for name in names:
        if name not in PUBLIC_FACETS:
            raise Invalid("FACET_UNKNOWN", facet=name, known=[*PUBLIC_FACETS])
    return tuple(dict.fromkeys(names))


def allowed_filters(filters: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Check filters, and return them without repeated values and without facets that have no value.

    raises  Invalid  FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS
    """
    allowed_facets(tuple(filters))
    checked = {}
    for name, values in filters.items():
        if len(values) > MOST_FACET_VALUES or any(len(value) > LONGEST_VALUE for value in values):
            raise Invalid("FACET_VALUES_OUT_OF_BOUNDS", facet=name, most=MOST_FACET_VALUES, longest=LONGEST_VALUE)
        if values:
            checked[name] = tuple(dict.fromkeys(values))
    return checked


def _query_too_long(characters: int) -> Invalid:
    return Invalid("QUERY_TOO_LONG", most=MOST_CHARACTERS, characters=characters)


def _sort_unknown(sort: str, sorts: tuple[str, ...]) -> Invalid:
    return Invalid("SORT_UNKNOWN", sort=sort, known=[*sorts])
