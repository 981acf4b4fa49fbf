"""Help for a search without hits: the words that no record has, and other searches that have hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import NamedTuple

from services.catalog.analysis import is_light_word, tokens
from services.catalog.index.matches import Or
from services.catalog.index.port import Index, Request
from services.catalog.record.class_table import ancestors
from services.catalog.record.classes import NONE, Class
from services.catalog.search.class_recall import ClassFinder
from services.catalog.search.facets import PLACES, FacetValue, Names
from services.catalog.search.query.tree import Part, Query, Word
from services.catalog.search.ranking.build import match_of, rank, rank_alone

MOST_PARTS = 8  # of a query; only the first parts are examined
MOST_SHORTER_QUERIES = 10
MOST_SHOWN = 3
MOST_CLASSES = 40  # classes that are counted for the records with the words
MOST_RECORDS = 1_000  # records of which the classes are counted


class Alternative(NamedTuple):
    """Another query, with the number of its hits."""

    query: str
    total: int


@dataclass(frozen=True, slots=True)
class ZeroResultHelp:
    """Help for a search without hits.

    failed           words and phrases of the query that no record has
    without          shorter queries, the longest first
    without_filters  hits without any filter
    elsewhere        hits in institutions other than the chosen ones
    classes          classes related to the query
    """

    failed: list[str]
    without: list[Alternative]
    without_filters: int
    elsewhere: list[FacetValue]
    classes: list[Class]


def explain_zero_results(
    index: Index, query: Query, request: Request, names: Names, finder: ClassFinder
) -> ZeroResultHelp:
    """Find the parts of a query that no record has, and searches that have hits, in at most six requests.

    Light words do not count as parts: every record may have them, and a search for them alone does not help.

    names   see load_names
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    filtered = replace(request, facets=(), offset=0, limit=0)
    unfiltered = replace(filtered, filters={})
    parts = [part for part in query.parts if not _is_light(part)][:MOST_PARTS]
    different_parts = list(dict.fromkeys(parts))
    totals = dict(zip(different_parts, index.totals(map(rank_alone, different_parts)), strict=True))
    failed_parts = [part for part in totals if not totals[part]]
    shorter = list(islice(_shorter_queries(query, parts, failed_parts), MOST_SHORTER_QUERIES))
    shorter_queries = zip(shorter, _count_hits(index, filtered, shorter), strict=True)
    return ZeroResultHelp(
        failed=[str(part) for part in failed_parts],
        without=list(
            islice(
                (Alternative(str(shorter_query), total) for shorter_query, total in shorter_queries if total),
                MOST_SHOWN,
            )
        ),
        without_filters=index.search(unfiltered).total if request.filters else 0,
        elsewhere=_other_institutions(index, filtered, names),
        classes=_related_classes(index, unfiltered, _rarest_parts(totals), query, finder),
    )


def _rarest_parts(totals: Mapping[Part, int]) -> list[Part]:
    """Choose the rarest parts, which say most about the subject, with at most MOST_RECORDS hits in all."""
    known_parts = sorted((part for part in totals if totals[part]), key=lambda part: totals[part])
    sums = accumulate(totals[part] for part in known_parts)
    return [part for part, hits in zip(known_parts, sums, strict=True) if hits <= MOST_RECORDS]


def _count_hits(index: Index, request: Request, queries: Iterable[Query]) -> Iterator[int]:
    return index.totals((rank(query, scored=False) for query in queries), filters=request.filters)


def _shorter_queries(query: Query, parts: Sequence[Part], failed_parts: list[Part]) -> Iterator[Query]:
    """Yield the query without its failed parts, then without one more part, from the last on, then each part alone."""
    remaining = tuple(part for part in parts if part not in failed_parts)
    earlier = {tuple(parts), ()}
    for parts in (
        remaining,
        *(remaining[:position] + remaining[position + 1 :] for position in reversed(range(len(remaining)))),
        *((part,) for part in remaining),
    ):
        if parts not in earlier:
            earlier.add(parts)
            yield Query(parts, query.without)


def _other_institutions(index: Index, filtered: Request, names: Names) -> list[FacetValue]:
    chosen_places = {name: values for name, values in filtered.filters.items() if name in PLACES}
    if not chosen_places:
        return []
    filters = {name: values for name, values in filtered.filters.items() if name not in PLACES}
    request = replace(filtered, filters=filters, facets=("institution",))
    chosen_institutions = {
        *chosen_places.get("institution", ()),
        *(branch.partition("/")[0] for branch in chosen_places.get("branch", ())),
    }
    return [
        FacetValue(value, count, names.get(("institution", value)), False)
        for value, count in index.search(request).facets["institution"]
        if count and value not in chosen_institutions
    ]


def _related_classes(
    index: Index, unfiltered: Request, known_parts: list[Part], query: Query, finder: ClassFinder
) -> list[Class]:
    """List the nearest classes: those whose caption or words are in the query, then those of records with its words.

    A class without records is replaced by the nearest class above it that has some, but not by a main class, which is
    too wide.
    """
    values_by_class = [_facet_values(matched.key) for matched in finder.find(query).classes]
    by_records: dict[str, int] = {}
    if known_parts:
        request = replace(unfiltered, match=Or(tuple(match_of(part) for part in known_parts)), facets=("class",))
        counts_by_class = index.search(replace(request, facet_size=MOST_CLASSES)).facets["class"]
        by_records = {value: count for value, count in counts_by_class if value != NONE and len(value) > 1}
    matched_values = dict.fromkeys(value for values in values_by_class for value in values)
    values = list({**matched_values, **by_records})
    counts = index.count_values("facet_class", values) if values else {}
    # Sorted by the share of a class's records with one of the words, so that large classes do not always come first.
    ranked = sorted(
        (value for value in by_records if counts[value]),
        key=lambda value: (-by_records[value] / counts[value] ** 0.5, -len(value), value),
    )
    nearest = [value for values in values_by_class if (value := next(filter(counts.get, values), ""))]
    classes: list[str] = []
    for value in (*nearest, *ranked):
        # Of a class and a broader class, only the first is listed.
        if not any(value.startswith(other) or other.startswith(value) for other in classes):
            classes.append(value)
    return [Class(value, finder.label(value), counts[value], False) for value in classes[:MOST_SHOWN]]


def _facet_values(key: str) -> list[str]:
    """List the values of the facet "class" that include the records of a class, the most specific first."""
    values = [value for value in (key, *ancestors(key)) if key[:2] == "2X" or "." not in value]
    return [value for value in values if len(value) > 1]


def _is_light(part: Part) -> bool:
    return isinstance(part, Word) and all(is_light_word(token) for token in tokens(part.text))
