"""Mappings, matches and searches as Elasticsearch's JSON, with features that every build of Elasticsearch has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from services.catalog.index.matches import (
    And,
    Between,
    Boosted,
    DisMax,
    Keyword,
    Match,
    Near,
    Not,
    Or,
    Pattern,
    Phrase,
    Prefix,
    Term,
    required,
)
from services.catalog.index.port import REACH, Request
from services.catalog.index.stored_fields import (
    INTEGERS,
    KEYWORD_FIELDS,
    LONGEST_VALUE,
    SORT_FIELDS,
    UNINDEXED,
    filter_matches,
    is_unscored,
)
from services.catalog.record.field_words import FIELDED
from services.catalog.record.index_document import START, WORD_FIELDS

Json = dict[str, Any]

# One document of the index, the marker, is not that of a record: it stores the name of the index's state. A completion
# suggester returns that name with every response, from the same snapshot, at a cost that does not grow with the hits.
MARKER = "state"
STATE = "state"
# The suggester reads deleted states too, newest first; with a size of one it may read a deleted one and return nothing.
STATES = 50
NOTHING: Json = {"match_none": {}}
# Every analysed field of a record begins with START; the marker has no such field.
EVERYTHING: Json = {"constant_score": {"filter": {"term": {WORD_FIELDS[0]: START}}, "boost": 0}}


def settings() -> Json:
    """Return the index settings: one shard, so that both engines count words alike; refreshed even when idle."""
    return {
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "500ms",
        "max_result_window": REACH,
    }


def mappings(marker: Json) -> Json:
    """Return the fields of the index.

    marker  form, base name and owner of the index, as Names.marker returns them
    """
    text: Json = {"type": "text", "analyzer": "whitespace"}
    keyword: Json = {"type": "keyword"}
    number: Json = {"type": "long"}
    unindexed: Json = {"type": "long", "index": False}
    return {
        "dynamic": "strict",
        "_source": {"enabled": False},
        "_meta": marker,
        "properties": {
            **dict.fromkeys((*WORD_FIELDS, FIELDED), text),
            "any": {**text, "index_options": "freqs"},
            **dict.fromkeys(KEYWORD_FIELDS, keyword),
            **dict.fromkeys(INTEGERS, number),
            **dict.fromkeys(UNINDEXED, unindexed),
            "title_key": {"type": "keyword", "index": False},
            STATE: {"type": "completion", "analyzer": "keyword"},
        },
    }


def search_body(request: Request) -> Json:
    """Build a search in one body: hits, total, facets, and the name of the index state."""
    filters = filter_matches(request)
    facet_filters = {facet: filters[facet] for facet in filters if facet in request.facets}
    other_filters = [filters[facet] for facet in filters if facet not in facet_filters]
    return {
        "query": {"bool": {"must": [match_query(request.match)], "filter": _queries(other_filters)}},
        "from": request.offset,
        "size": max(0, min(request.limit, REACH - request.offset)),
        "sort": _sort(request),
        "_source": False,
        "track_total_hits": True,
        "suggest": {STATE: {"prefix": STATE, "completion": {"field": STATE, "size": STATES}}},
        **({"post_filter": {"bool": {"filter": _queries(facet_filters.values())}}} if facet_filters else {}),
        **(
            {"aggs": {facet: _facet(request, facet, facet_filters) for facet in request.facets}}
            if request.facets
            else {}
        ),
    }


def first_works_body(request: Request, limit: int) -> Json:
    """Search for the first hits in the request's order, each with its work; with facets."""
    return {**search_body(replace(request, offset=0, limit=limit)), "docvalue_fields": ["work"]}


def editions_body(request: Request, works: Iterable[int]) -> Json:
    """Search for the records of these works that match, filters included."""
    filters = [*_queries(filter_matches(request).values()), {"terms": {"work": list(works)}}]
    return {
        "query": {"bool": {"filter": [match_query(request.match), *filters]}},
        "size": REACH,
        "sort": [{"number": "asc"}],
        "_source": False,
        "docvalue_fields": ["work", "edition"],
    }


def match_query(match: Match) -> Json:
    """Translate a match to a query of Elasticsearch."""
    match match:
        case Term() | Prefix() | Phrase() | Keyword() | Between() | Pattern() | Near():
            return _leaf_query(match)
        case DisMax(choices=choices, tie=tie):
            return {"dis_max": {"queries": _queries(choices), "tie_breaker": tie}} if choices else NOTHING
        case And(of=parts):
            return {"bool": {"must": _queries(parts)}} if parts else EVERYTHING
        case Or(of=parts):
            return {"bool": {"should": _queries(parts), "minimum_should_match": 1}} if parts else NOTHING
        case Not(match=inner, without=without):
            return {"bool": {"must": [match_query(inner)], "must_not": _queries(without)}}
        case Boosted(match=inner, bonus=bonus):
            return {"bool": {"must": [match_query(inner)], "should": _queries(bonus), "minimum_should_match": 0}}


def matching_body(matches: Iterable[Match], numbers: Iterable[int]) -> Json:
    """Search these records for each match; a hit names the positions of its matches."""
    queries, listed = _queries(map(required, matches)), list(numbers)
    named = [{"bool": {"filter": [query], "_name": str(position)}} for position, query in enumerate(queries)]
    return {
        "query": {"bool": {"filter": [{"terms": {"number": listed}}], "should": named, "minimum_should_match": 0}},
        "size": len(listed),
        "sort": [{"number": "asc"}],
        "_source": False,
    }


def totals_body(matches: Iterable[Match], filters: Mapping[str, tuple[str, ...]]) -> Json:
    """Count the records of each match."""
    restrictions = _queries(filter_matches(Request(And(()), filters)).values())
    return {
        "size": 0,
        "query": {"bool": {"filter": restrictions}},
        "aggs": {"totals": {"filters": {"filters": _queries(map(required, matches))}}},
    }


def near_tokens_body(token: str, fields: Iterable[str], distance: int, size: int) -> Json:
    """Search each field's dictionary for tokens with the same first letter and few edits."""
    term = {
        "suggest_mode": "always",
        "prefix_length": 1,
        "min_word_length": 1,
        "max_edits": distance,
        "max_term_freq": 1_000_000_000,  # so that common tokens are found too
        "accuracy": 0.01,
        "size": size,
    }
    return {"size": 0, "suggest": {field: {"text": token, "term": {"field": field, **term}} for field in fields}}


def token_counts_body(words: Iterable[str], fields: Iterable[str]) -> Json:
    """Count the documents that have each word in any of the fields; a term's own count includes deleted documents."""
    field_names = list(fields)
    filters = {
        word: {"bool": {"should": [{"term": {field: word}} for field in field_names], "minimum_should_match": 1}}
        for word in words
    }
    return {"size": 0, "aggs": {"words": {"filters": {"filters": filters}}}}


def value_counts_body(field: str, values: Iterable[str]) -> Json:
    """Count the documents that have each value of a keyword field."""
    terms = [{"term": {field: value[:LONGEST_VALUE]}} for value in values]
    return {"size": 0, "aggs": {"values": {"filters": {"filters": terms}}}}


def sums_body() -> Json:
    """Count the documents and add up their numbers and versions."""
    fields = ("number", "version")
    return {
        "size": 0,
        "query": EVERYTHING,
        "track_total_hits": True,
        "aggs": {field: {"sum": {"field": field}} for field in fields},
    }


def _queries(matches: Iterable[Match]) -> list[Json]:
    return [match_query(match) for match in matches]


def _leaf_query(match: Term | Prefix | Phrase | Pattern | Near | Keyword | Between) -> Json:
    match match:
        case Term(field=field, token=token, boost=boost):
            return {"term": {field: {"value": token, "boost": boost}}}
        case Prefix(field=field, token=token, boost=boost):
            return _constant({"prefix": {field: token}}, boost)
        case Phrase(field=field, tokens=(token,), boost=boost):
            return _constant({"term": {field: token}}, boost)
        case Phrase(field=field, tokens=tokens, boost=boost):
            return _constant({"match_phrase": {field: {"query": " ".join(tokens), "analyzer": "whitespace"}}}, boost)
        case Pattern(field=field, tokens=(token,), boost=boost):
            return _constant({"wildcard": {field: token}}, boost)
        case Pattern(field=field, tokens=tokens, boost=boost):
            spans: list[Json] = [{"span_multi": {"match": {"wildcard": {field: token}}}} for token in tokens]
            return _constant(_spans(spans), boost)
        case Near(field=field, first=first, second=second, distance=distance, boost=boost):
            # Intervals lose matches when both are the same words.
            phrases = [_spans([{"span_term": {field: token}} for token in tokens]) for tokens in (first, second)]
            return _constant(_spans(phrases, gap=distance - 1), boost)
        case Keyword(field=field, values=values, boost=boost):
            return _constant({"terms": {field: list(values)}}, boost)
        case Between(field=field, low=low, high=high, boost=boost):
            bounds = {name: bound for name, bound in (("gte", low), ("lte", high)) if bound is not None}
            return _constant({"range": {field: bounds}} if bounds else {"exists": {"field": field}}, boost)


def _spans(spans: list[Json], gap: int = 0) -> Json:
    """Match spans of tokens in this order, with at most `gap` tokens between them."""
    if len(spans) == 1:
        return spans[0]
    return {"span_near": {"clauses": spans, "slop": gap, "in_order": True}}


def _constant(condition: Json, boost: float) -> Json:
    return {"constant_score": {"filter": condition, "boost": boost}}


def _sort(request: Request) -> list[Json]:
    """Sort by the number last: it identifies the hit, so that no field must be fetched."""
    field = SORT_FIELDS.get(request.sort)
    if field is not None:
        return [{field: "desc" if request.sort == "year" else "asc"}, {"number": "asc"}]
    if is_unscored(request.match):
        return [{"number": "asc"}]
    return [{"_score": "desc"}, {"title_order": "asc"}, {"number": "asc"}]


def _facet(request: Request, facet: str, facet_filters: dict[str, Keyword]) -> Json:
    """Count a facet's values under the filters of the other facets, and its chosen values separately."""
    field = f"facet_{facet}"
    order = [{"_key": "asc"}] if request.facet_order == "value" else [{"_count": "desc"}, {"_key": "asc"}]
    inner: Json = {"top": {"terms": {"field": field, "size": request.facet_size, "order": order}}}
    if facet in facet_filters:
        values = list(facet_filters[facet].values)
        chosen_field = facet_filters[facet].field
        inner["chosen"] = {"filters": {"filters": {value: {"term": {chosen_field: value}} for value in values}}}
    other_filters = {"bool": {"filter": _queries(facet_filters[name] for name in facet_filters if name != facet)}}
    return {"filter": other_filters, "aggs": inner}
