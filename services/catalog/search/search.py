"""One search: understand, ask the index, fetch what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import orjson

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Unavailable
from services.catalog import queries
from services.catalog.index.port import REACH, Index, Request
from services.catalog.items.availability import branch_first
from services.catalog.search import validation
from services.catalog.search.cursors import Cursor, decode_cursor, query_digest
from services.catalog.search.execution import Answer, run_query
from services.catalog.search.expansion import expand, heading_variants
from services.catalog.search.explain import Reason, explain_hits
from services.catalog.search.facets import NAMED, Facet, label_facet
from services.catalog.search.fallback import ENGINE_DOWN, search_tables
from services.catalog.search.highlight import highlights, marks_for
from services.catalog.search.labels import load_names
from services.catalog.search.query.tree import AnyOf, Query
from services.catalog.search.zero_results import ZeroResultHelp, explain_zero_results

LANGUAGES = {"id": "ind", "en": "eng"}  # the reader's, as editions are in it


@dataclass(frozen=True, slots=True)
class Hit:
    """A record found. id: as text; brief, holdings: UTF-8 JSON, ready; highlights: field of the brief -> pieces.

    work_id, editions  by work: the work whose best edition it is, and how many of its records match
    reasons            when asked for: why it ranks where it does, heaviest first
    """

    id: str
    score: float
    brief: bytes
    holdings: bytes
    highlights: Mapping[str, list[str]]
    work_id: str = ""
    editions: int = 0
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page.

    next          cursor of the next page; "" at the end, or at the end of what paging reaches
    changed       the index is not as it was for the page before: hits may repeat or be missing
    understood    the query as we read it
    did_you_mean  how it should perhaps be spelt; it finds more
    corrected     nothing was found as it was spelt: the hits are those of did_you_mean
    relaxed       nothing had all the words: the hits have most of them
    degraded      the search engine does not answer: the hits were looked up in the tables
    help          what would find something; only when nothing matched as it was asked
    read_as_words  something in the query could not be read, and its words were searched for
    """

    total: int
    hits: list[Hit]
    next: str
    changed: bool
    facets: list[Facet]
    understood: str
    did_you_mean: str = ""
    corrected: bool = False
    relaxed: bool = False
    degraded: bool = False
    help: ZeroResultHelp | None = None
    read_as_words: bool = False


def search(
    database: Database,
    index: Index,
    *,
    context: Context,
    query: str = "",
    filters: Mapping[str, tuple[str, ...]] | None = None,
    facets: tuple[str, ...] = (),
    sort: str = "",
    cursor: str = "",
    limit: int = 0,
    highlight: bool = False,
    branch: str = "",
    by_work: bool = False,
    explain: bool = False,
) -> SearchResult:
    """Find records.

    query      as typed, at most 500 characters and 32 words; empty for everything
    filters    facet -> values; values within a facet are alternatives, facets restrict together
    facets     facets to count, ten values each and the chosen ones
    sort       relevance (also when empty), year, year_asc, title
    cursor     Found.next of the page before; empty for the first
    limit      1 to 100; 0 for 10
    highlight  say which words were found
    branch     the reader's, "INSTITUTION/BRANCH": first among the holdings of every hit
    by_work    one hit a work, its best edition that matches; total and facets count records all the same
    explain    say why each hit ranks where it does
    raises     Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS, SORT_UNKNOWN,
                            LIMIT_OUT_OF_BOUNDS, CURSOR_FOREIGN
               Unavailable  DATABASE_UNAVAILABLE
               TooLate      DEADLINE_PASSED
    """
    asked, match = validation.parse_query(query)
    kept = validation.allowed_filters(filters or {})
    order = validation.allowed_sort(sort)
    wanted = validation.allowed_limit(limit)
    question = query_digest(query, kept, f"{order} by work" if by_work else order)
    came_from = decode_cursor(cursor, question) if cursor else None
    offset = came_from.offset if came_from else 0
    context.check_deadline()
    widen = partial(expand, database)
    request = Request(
        match=widen(asked, match),
        filters=kept,
        facets=validation.allowed_facets(facets),
        sort=order,
        offset=offset,
        limit=min(wanted, REACH - offset),
        by_work=by_work,
        language=LANGUAGES.get(context.language, ""),
    )
    degraded = False
    try:
        answer = run_query(index, asked, request, mode=came_from.mode if came_from else None, widen=widen)
    except Unavailable as trouble:
        if trouble.reason not in ENGINE_DOWN:
            raise
        others = [each.form for each in heading_variants(database, asked)]
        looked_up = search_tables(database, request, context=context, text=query, others=others)
        answer, degraded = Answer(looked_up, asked, request.match), True
    numbers = answer.hits.numbers
    reached = offset + len(numbers)
    more = bool(numbers) and reached < REACH and (answer.hits.more if by_work else reached < answer.hits.total)
    lost = not degraded and came_from is None and (answer.mode == "relaxed" or not answer.hits.total)
    names = load_names(database) if lost or not set(NAMED).isdisjoint(request.facets) else {}
    spelt = answer.query if answer.mode == "corrected" else answer.offered
    reasons: Mapping[int, list[Reason]] = {}
    if explain and not degraded:
        reasons = explain_hits(database, index, context=context, answer=answer, sort=order)
    return SearchResult(
        total=answer.hits.total,
        hits=_load_hits(database, answer, reasons, highlight=highlight, branch=branch),
        next=str(Cursor(reached, question, answer.hits.generation, answer.mode)) if more else "",
        changed=came_from is not None and came_from.generation != answer.hits.generation,
        facets=[label_facet(name, values, kept.get(name, ()), names) for name, values in answer.hits.facets.items()],
        understood=str(asked),
        did_you_mean=str(spelt) if spelt else "",
        corrected=answer.mode == "corrected",
        relaxed=answer.mode == "relaxed",
        degraded=degraded,
        help=explain_zero_results(index, asked, request, names) if lost and asked.parts else None,
        read_as_words=asked.read_as_words,
    )


def _load_hits(
    database: Database, answer: Answer, reasons: Mapping[int, list[Reason]], *, highlight: bool, branch: str
) -> list[Hit]:
    """The hits in the index's order; one that has been deleted since is left out."""
    found, hits = [], answer.hits
    shown = queries.briefs(database, hits.numbers)
    works = queries.work_ids(database, hits.works) if hits.works else {}
    marks = marks_for(_with_variants(database, answer.query)) if highlight else {}
    for place, (number, score) in enumerate(zip(hits.numbers, hits.scores, strict=True)):
        row = shown.get(number)
        if row is None:
            continue
        marked = highlights(marks, orjson.loads(row.brief)) if marks else {}
        holdings = branch_first(row.holdings, branch) if branch else row.holdings
        of = works.get(hits.works[place], "") if hits.works else ""
        editions = hits.editions[place] if hits.works else 0
        found.append(Hit(row.id, score, row.brief, holdings, marked, of, editions, reasons.get(number, ())))
    return found


def _with_variants(database: Database, query: Query) -> Query:
    """The query with all that it may have found something by."""
    others = tuple(each.query for each in heading_variants(database, query))
    return replace(query, parts=(AnyOf(others), *query.parts)) if others else query
