"""When nothing is found: which words are to blame, and what would find something. Only asked for then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from services.catalog.analysis import root, tokens
from services.catalog.index.matches import Or
from services.catalog.index.port import Index, Request
from services.catalog.record.captions import caption
from services.catalog.record.classes import NONE, Class
from services.catalog.search.facets import PLACES, FacetValue
from services.catalog.search.labels import Names
from services.catalog.search.query.tree import Part, Phrase, Query, Word
from services.catalog.search.ranking.build import match_of, rank

MOST_PARTS = 8  # of a longer query nothing can be told in time
MOST_SHORTER_QUERIES = 10  # shorter queries tried
MOST_SHOWN = 3
MOST_CLASSES = 40  # looked at
MAIN_CLASSES = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class ZeroResultHelp:
    """What helps when nothing was found.

    failed           words and phrases of the query that nothing has
    without          (query, how many records it finds): the query with less in it, what loses least first
    without_filters  found when no filter is set
    elsewhere        found in other institutions than the chosen
    classes          classes that are about it
    """

    failed: list[str]
    without: list[tuple[str, int]]
    without_filters: int
    elsewhere: list[FacetValue]
    classes: list[Class]


def explain_zero_results(index: Index, query: Query, request: Request, names: Names) -> ZeroResultHelp:
    """Why a request found nothing and what would find something; about a dozen small requests.

    names   of places and classes
    raises  Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    bare = replace(request, facets=(), offset=0, limit=0)
    free = replace(bare, filters={})
    parts = query.parts[:MOST_PARTS]
    alone = {part: _count_hits(index, free, Query((part,))) for part in dict.fromkeys(parts)}
    failed = [part for part in alone if not alone[part]]
    shorter = (
        (each, _count_hits(index, bare, each)) for each in islice(_shorter_queries(query, failed), MOST_SHORTER_QUERIES)
    )
    return ZeroResultHelp(
        failed=[str(part) for part in failed],
        without=list(islice(((str(each), total) for each, total in shorter if total), MOST_SHOWN)),
        without_filters=index.search(free).total if request.filters else 0,
        elsewhere=_other_institutions(index, bare, names),
        classes=_related_classes(index, free, [part for part in alone if alone[part]], query, names),
    )


def _count_hits(index: Index, request: Request, query: Query) -> int:
    return index.search(replace(request, match=rank(query))).total


def _shorter_queries(query: Query, failed: list[Part]) -> Iterator[Query]:
    """The query without the parts that fail; then without one part more, the last first; then part by part."""
    kept = tuple(part for part in query.parts if part not in failed)
    seen = {query.parts, ()}
    for parts in (
        kept,
        *(kept[:at] + kept[at + 1 :] for at in reversed(range(len(kept)))),
        *((part,) for part in kept),
    ):
        if parts not in seen:
            seen.add(parts)
            yield Query(parts, query.without)


def _other_institutions(index: Index, bare: Request, names: Names) -> list[FacetValue]:
    chosen = {name: values for name, values in bare.filters.items() if name in PLACES}
    if not chosen:
        return []
    others = {name: values for name, values in bare.filters.items() if name not in PLACES}
    request = replace(bare, filters=others, facets=("institution",))
    already = {*chosen.get("institution", ()), *(each.partition("/")[0] for each in chosen.get("branch", ()))}
    return [
        FacetValue(value, count, names.get(("institution", value)), False)
        for value, count in index.search(request).facets["institution"]
        if count and value not in already
    ]


def _related_classes(index: Index, free: Request, known: list[Part], query: Query, names: Names) -> list[Class]:
    """Classes whose caption has one of the words, then those that most records with one of the words stand in."""
    captions = {value: text for (facet, value), text in names.items() if facet == "class"}
    captions |= {value: text for value in MAIN_CLASSES if value not in captions and (text := caption("class", value))}
    asked = set(_roots(part.text for part in query.parts if isinstance(part, Word | Phrase)))
    about = [value for value, text in captions.items() if not asked.isdisjoint(_roots((text.id, text.en)))]
    found = sorted(about, key=lambda value: (-len(value), value))
    either: dict[str, int] = {}
    if known:
        request = replace(free, match=Or(tuple(match_of(part) for part in known)), facets=("class",))
        counted = index.search(replace(request, facet_size=MOST_CLASSES)).facets["class"]
        either = {value: count for value, count in counted if value != NONE and value not in about}
    counts = index.count_values("facet_class", [*found, *either]) if found or either else {}
    # A class of which many have one of the words says more than one in which half the library stands.
    near = sorted(
        (each for each in either if counts[each]),
        key=lambda each: (-either[each] / counts[each] ** 0.5, -len(each), each),
    )
    shown: list[str] = []
    for value in (*found, *near):
        # A class and the wider one around it would say the same twice.
        if counts[value] and not any(value.startswith(each) or each.startswith(value) for each in shown):
            shown.append(value)
    return [Class(value, captions.get(value), counts[value], False) for value in shown[:MOST_SHOWN]]


def _roots(texts: Iterable[str]) -> Iterator[str]:
    """Roots of words of four letters and more: "dan" and "the" are in every caption."""
    for text in texts:
        for token in tokens(text):
            if len(token) >= 4:
                yield root(token)
