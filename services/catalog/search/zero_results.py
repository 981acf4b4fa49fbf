"""Help for a search without hits: the words that no record has, and other searches that have hits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, islice

from services.catalog.analysis import root, tokens
from services.catalog.index.matches import Or
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.record.classes import NONE, Class
from services.catalog.search.facets import PLACES, FacetValue, Names
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of, rank

MOST_PARTS = 8  # of a longer query only the first parts are examined
MOST_SHORTER_QUERIES = 10
MOST_SHOWN = 3
MOST_CLASSES = 40  # of the records with the words
MOST_RECORDS = 10_000  # whose classes are counted; more only for a single word
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
    """Find the parts of a request that no record has, and searches that have hits, in at most six requests.

    names   see load_names
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    filtered = replace(request, facets=(), offset=0, limit=0)
    unfiltered = replace(filtered, filters={})
    parts = query.parts[:MOST_PARTS]
    different_parts = list(dict.fromkeys(parts))
    totals = dict(zip(different_parts, _count_hits(index, unfiltered, map(_alone, different_parts)), strict=True))
    failed_parts = [part for part in totals if not totals[part]]
    shorter = list(islice(_shorter_queries(query, failed_parts), MOST_SHORTER_QUERIES))
    shorter_queries = zip(shorter, _count_hits(index, filtered, shorter), strict=True)
    return ZeroResultHelp(
        failed=[str(part) for part in failed_parts],
        without=list(
            islice(((str(shorter_query), total) for shorter_query, total in shorter_queries if total), MOST_SHOWN)
        ),
        without_filters=index.search(unfiltered).total if request.filters else 0,
        elsewhere=_other_institutions(index, filtered, names),
        classes=_related_classes(index, unfiltered, _rarest_parts(totals), query, names),
    )


def _rarest_parts(totals: Mapping[Part, int]) -> list[Part]:
    """Choose parts whose classes are counted: the rarest, which say most about the subject; their hits are bounded."""
    known_parts = sorted((part for part in totals if totals[part]), key=lambda part: totals[part])
    sums = accumulate(totals[part] for part in known_parts)
    return [part for part, hits in zip(known_parts, sums, strict=True) if hits <= MOST_RECORDS] or known_parts[:1]


def _alone(part: Part) -> Query:
    return Query((part,))


def _count_hits(index: Index, request: Request, queries: Iterable[Query]) -> Iterator[int]:
    return index.totals((rank(query, scored=False) for query in queries), filters=request.filters)


def _shorter_queries(query: Query, failed_parts: list[Part]) -> Iterator[Query]:
    """Yield the query without its failed parts; then without one more, the last first; then each part alone."""
    remaining = tuple(part for part in query.parts if part not in failed_parts)
    earlier = {query.parts, ()}
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
    index: Index, unfiltered: Request, known_parts: list[Part], query: Query, names: Names
) -> list[Class]:
    """List classes whose caption has one of the words, then those of most records with one of the words."""
    captions = {value: text for (facet, value), text in names.items() if facet == "class"}
    captions |= {value: text for value in MAIN_CLASSES if value not in captions and (text := caption("class", value))}
    roots = set(_roots(part.text for part in query.parts if isinstance(part, Word | Phrase)))
    classes_by_caption = [
        value for value, text in captions.items() if not roots.isdisjoint(_caption_roots(text.id, text.en))
    ]
    by_caption = sorted(classes_by_caption, key=lambda value: (-len(value), value))
    by_records: dict[str, int] = {}
    if known_parts:
        request = replace(unfiltered, match=Or(tuple(match_of(part) for part in known_parts)), facets=("class",))
        counts_by_class = index.search(replace(request, facet_size=MOST_CLASSES)).facets["class"]
        by_records = {
            value: count for value, count in counts_by_class if value != NONE and value not in classes_by_caption
        }
    counts = index.count_values("facet_class", [*by_caption, *by_records]) if by_caption or by_records else {}
    # Sorted by the share of a class's records with one of the words: else classes with many records would come first.
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


@lru_cache(maxsize=4096)  # catalogues have a thousand captions, and each search without hits compares all of them
def _caption_roots(*texts: str) -> frozenset[str]:
    return frozenset(_roots(texts))


def _roots(texts: Iterable[str]) -> Iterator[str]:
    """Yield the roots of words of four letters and more; "dan" and "the" are in many captions."""
    for text in texts:
        for token in tokens(text):
            if len(token) >= 4:
                yield root(token)
