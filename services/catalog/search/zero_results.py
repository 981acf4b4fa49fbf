"""Help for a search without hits: the words without hits, and other searches that have some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from services.catalog.analysis import root, tokens
from services.catalog.index.matches import Or
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.record.classes import NONE, Class
from services.catalog.search.facets import PLACES, FacetValue, Names
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of, rank

MOST_PARTS = 8  # a longer query would take too long
MOST_SHORTER_QUERIES = 10  # shorter queries tried
MOST_SHOWN = 3
MOST_CLASSES = 40  # looked at
MAIN_CLASSES = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class ZeroResultHelp:
    """Help for a search without hits.

    failed           words and phrases of the query that no record has
    without          (shorter query, hits), the longest first
    without_filters  hits without any filter
    elsewhere        hits in institutions other than the chosen ones
    classes          classes related to the query
    """

    failed: list[str]
    without: list[tuple[str, int]]
    without_filters: int
    elsewhere: list[FacetValue]
    classes: list[Class]


def explain_zero_results(index: Index, query: Query, request: Request, names: Names) -> ZeroResultHelp:
    """Find out why a request has no hits and what would have some; about a dozen small requests.

    names   see load_names
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    narrow = replace(request, facets=(), offset=0, limit=0)
    unfiltered = replace(narrow, filters={})
    parts = query.parts[:MOST_PARTS]
    totals = {part: _count_hits(index, unfiltered, Query((part,))) for part in dict.fromkeys(parts)}
    failed = [part for part in totals if not totals[part]]
    shorter = (
        (shorter_query, _count_hits(index, narrow, shorter_query))
        for shorter_query in islice(_shorter_queries(query, failed), MOST_SHORTER_QUERIES)
    )
    return ZeroResultHelp(
        failed=[str(part) for part in failed],
        without=list(islice(((str(shorter_query), total) for shorter_query, total in shorter if total), MOST_SHOWN)),
        without_filters=index.search(unfiltered).total if request.filters else 0,
        elsewhere=_other_institutions(index, narrow, names),
        classes=_related_classes(index, unfiltered, [part for part in totals if totals[part]], query, names),
    )


def _count_hits(index: Index, request: Request, query: Query) -> int:
    return index.search(replace(request, match=rank(query))).total


def _shorter_queries(query: Query, failed: list[Part]) -> Iterator[Query]:
    """Yield the query without its failed parts; then without one more, the last first; then each part alone."""
    remaining = tuple(part for part in query.parts if part not in failed)
    yielded = {query.parts, ()}
    for parts in (
        remaining,
        *(remaining[:position] + remaining[position + 1 :] for position in reversed(range(len(remaining)))),
        *((part,) for part in remaining),
    ):
        if parts not in yielded:
            yielded.add(parts)
            yield Query(parts, query.without)


def _other_institutions(index: Index, narrow: Request, names: Names) -> list[FacetValue]:
    chosen = {name: values for name, values in narrow.filters.items() if name in PLACES}
    if not chosen:
        return []
    filters = {name: values for name, values in narrow.filters.items() if name not in PLACES}
    request = replace(narrow, filters=filters, facets=("institution",))
    excluded = {*chosen.get("institution", ()), *(branch.partition("/")[0] for branch in chosen.get("branch", ()))}
    return [
        FacetValue(value, count, names.get(("institution", value)), False)
        for value, count in index.search(request).facets["institution"]
        if count and value not in excluded
    ]


def _related_classes(
    index: Index, unfiltered: Request, found_parts: list[Part], query: Query, names: Names
) -> list[Class]:
    """List classes whose caption has one of the words, then those of most records with one of the words."""
    captions = {value: text for (facet, value), text in names.items() if facet == "class"}
    captions |= {value: text for value in MAIN_CLASSES if value not in captions and (text := caption("class", value))}
    roots = set(_roots(part.text for part in query.parts if isinstance(part, Word | Phrase)))
    about = [value for value, text in captions.items() if not roots.isdisjoint(_roots((text.id, text.en)))]
    by_caption = sorted(about, key=lambda value: (-len(value), value))
    by_records: dict[str, int] = {}
    if found_parts:
        request = replace(unfiltered, match=Or(tuple(match_of(part) for part in found_parts)), facets=("class",))
        counted = index.search(replace(request, facet_size=MOST_CLASSES)).facets["class"]
        by_records = {value: count for value, count in counted if value != NONE and value not in about}
    counts = index.count_values("facet_class", [*by_caption, *by_records]) if by_caption or by_records else {}
    # The share of a class's records with one of the words counts, or classes with many records would come first.
    ranked = sorted(
        (value for value in by_records if counts[value]),
        key=lambda value: (-by_records[value] / counts[value] ** 0.5, -len(value), value),
    )
    classes: list[str] = []
    for value in (*by_caption, *ranked):
        # Of a class and a broader one only the first is listed.
        if counts[value] and not any(value.startswith(other) or other.startswith(value) for other in classes):
            classes.append(value)
    return [Class(value, captions.get(value), counts[value], False) for value in classes[:MOST_SHOWN]]


def _roots(texts: Iterable[str]) -> Iterator[str]:
    """Yield the roots of words of four letters and more: "dan" and "the" are in every caption."""
    for text in texts:
        for token in tokens(text):
            if len(token) >= 4:
                yield root(token)
