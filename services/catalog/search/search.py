"""One search: parse and check the request, search the index, load the brief records of the hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import orjson

from chassis.context import READER, Context
from chassis.cursors import cursor_invalid, read_cursor, write_cursor
from chassis.database.db import Database
from chassis.errors import Invalid, Unavailable
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.index.port import REACH, Index, Request
from services.catalog.record.codes import READER_LANGUAGES
from services.catalog.record.holdings import sort_holdings
from services.catalog.search import validation
from services.catalog.search.boolean.matching import build_match
from services.catalog.search.boolean.tree import Tree
from services.catalog.search.class_matches import with_classes
from services.catalog.search.class_recall import class_finder
from services.catalog.search.execution import Answer, Mode, run_query
from services.catalog.search.expansion import expand, has_forms, heading_variants
from services.catalog.search.explain import Reason, explain_hits
from services.catalog.search.facets import NAMED, Facet, label_facet, load_names
from services.catalog.search.fallback import ENGINE_DOWN, search_tables
from services.catalog.search.highlight import highlights, marks_for
from services.catalog.search.missing_words import MissingWords, find_missing_words
from services.catalog.search.query.tree import AnyOf, Query
from services.catalog.search.recent import recent
from services.catalog.search.series_order import in_series_order
from services.catalog.search.zero_results import ZeroResultHelp, explain_zero_results

_CURSOR_OF = "search"
_MODES: tuple[Mode, ...] = ("", "corrected", "relaxed")


class Hit(NamedTuple):
    """One hit. id: as text; brief, holdings: UTF-8 JSON; highlights: field of the brief -> pieces.

    work_id, editions  by work: the work of this edition, and how many of its records match
    reasons            with `explain`: the reasons of its rank, heaviest first
    lacks              words of the query that this record does not have, in a result with hits with a part of the words
    because            why it is a hit although it lacks them: related words, or its class
    record             with `whole`: the record, in place of brief and holdings
    """

    id: str
    score: float
    brief: bytes
    holdings: bytes
    highlights: Mapping[str, list[str]]
    work_id: str = ""
    editions: int = 0
    reasons: Sequence[Reason] = ()
    lacks: Sequence[str] = ()
    because: LocalText | None = None
    record: queries.PackedRecord | None = None


class SearchResult(NamedTuple):
    """One page of hits.

    next          cursor of the next page; "" on the last page, and where paging ends
    offset        hits before these
    previous      cursor of the page before; "" on the first page, and where the page before is the first
    changed       the index has changed since the page before, so hits may repeat or be missing
    understood    the query as it was parsed
    did_you_mean  a correction of the query with more hits
    corrected     the typed query has no hits: these are the hits of did_you_mean
    relaxed       no record has all the words, so the hits have a part of them
    complete      number of hits with all the words, if hits with a part of them follow; else 0
    degraded      the search engine does not answer, so the hits come from the tables
    help          only when nothing matches the query as typed
    read_as_words  a part of the query could not be parsed, and was searched as plain words
    """

    total: int
    hits: list[Hit]
    next: str
    changed: bool
    facets: list[Facet]
    understood: str
    offset: int = 0
    previous: str = ""
    did_you_mean: str = ""
    corrected: bool = False
    relaxed: bool = False
    complete: int = 0
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
    strict: bool = False,
    tree: Tree | None = None,
    offset: int = 0,
    whole: bool = False,
) -> SearchResult:
    """Find records.

    query      as typed, at most 500 characters and 32 words; empty for everything
    filters    facet -> values; values within a facet are alternatives, facets restrict together
    facets     facets to count, ten values each and the chosen ones
    sort       relevance (also when empty), year, year_asc, title
    cursor     SearchResult.next of the page before; empty for the first
    limit      1 to 100; 0 for 10
    highlight  mark the matching words
    branch     the reader's branch, "INSTITUTION/BRANCH": comes after those of filters in the holdings of every hit
    by_work    one hit for each work, its best matching edition; total and facets still count records
    explain    give the reasons of each hit's rank
    strict     only records with all the words as typed: no correction, no hits with a part of the words
    tree       in place of a query; strict, without highlights and reasons, and never answered from the tables
    offset     hits to skip, in place of a cursor; only of a tree
    whole      hits have their records, and neither brief records nor what is made from these
    raises     Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS, SORT_UNKNOWN,
                            LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID, PAGING_TOO_DEEP, QUERY_AND_TREE, OFFSET_NEEDS_TREE,
                            and of a tree those of boolean.matching.build_match
               Unavailable  DATABASE_UNAVAILABLE; of a tree also SEARCH_UNAVAILABLE, INDEX_BUILDING
               TooLate      DEADLINE_PASSED
    """
    if tree is not None:
        if query:
            raise Invalid("QUERY_AND_TREE")
        query, strict, highlight, explain = repr(tree), True, False, False
        parsed_query, match = Query(), build_match(tree, partial(_find_numbers, database))
    else:
        parsed_query, match = validation.parse_query(query)
    allowed_filters = validation.allowed_filters(filters or {})
    order = validation.allowed_sort(sort)
    size = validation.allowed_limit(limit)
    digest = query_digest(query, allowed_filters, f"{order} by work" if by_work else order)
    previous_page = decode_cursor(cursor, digest) if cursor else None
    offset = previous_page.offset if previous_page else validation.allowed_position(offset, has_tree=tree is not None)
    context.check_deadline()
    widen = partial(expand, database)
    finder = class_finder(database)
    request = Request(
        match=match if tree is not None else widen(parsed_query, with_classes(match, finder.find_whole(parsed_query))),
        filters=allowed_filters,
        facets=validation.allowed_facets(facets),
        sort=order,
        offset=offset,
        limit=min(size, REACH - offset),
        by_work=by_work,
        language=READER_LANGUAGES.get(context.language, ""),
    )
    degraded = False
    try:
        answer = run_query(
            index,
            parsed_query,
            request,
            mode=previous_page.mode if previous_page else None,
            strict=strict,
            widen=widen,
            finder=finder,
            has_variants=has_forms(database),
        )
    except Unavailable as problem:
        if problem.reason not in ENGINE_DOWN or tree is not None:
            raise
        other_forms = [variant.form for variant in heading_variants(database, parsed_query)]
        table_hits = search_tables(database, request, context=context, text=query, others=other_forms)
        answer, degraded = Answer(table_hits, parsed_query, request.match), True
    record_numbers = answer.hits.numbers
    end = offset + len(record_numbers)
    has_more = bool(record_numbers) and end < REACH and (answer.hits.more if by_work else end < answer.hits.total)
    relaxed = answer.partial is not None and not answer.complete
    needs_help = not degraded and previous_page is None and (relaxed or not answer.hits.total)
    names = load_names(database) if needs_help or not set(NAMED).isdisjoint(request.facets) else {}
    zero_result_help = None
    if needs_help and parsed_query.parts:
        zero_result_help = recent(
            "help",
            index,
            answer.hits,
            parsed_query,
            request,
            lambda: explain_zero_results(index, parsed_query, request, names, finder),
        )
    suggestion = answer.query if answer.mode == "corrected" else answer.suggestion
    reasons: Mapping[int, list[Reason]] = {}
    if explain and not degraded:
        reasons = explain_hits(database, index, context=context, answer=answer, sort=order, finder=finder)
    missing: Mapping[int, MissingWords] = {}
    if answer.partial is not None:
        missing = find_missing_words(index, answer.partial, record_numbers, finder)
    return SearchResult(
        total=answer.hits.total,
        hits=_load_records(database, answer)
        if whole
        else _load_hits(
            database, answer, reasons, missing, highlight=highlight, branch=branch, filters=allowed_filters
        ),
        next=str(Cursor(end, digest, answer.hits.generation, answer.mode)) if has_more else "",
        offset=offset,
        previous=str(Cursor(offset - size, digest, answer.hits.generation, answer.mode)) if offset > size else "",
        changed=previous_page is not None and previous_page.generation != answer.hits.generation,
        facets=[
            label_facet(name, values, allowed_filters.get(name, ()), names)
            for name, values in answer.hits.facets.items()
        ],
        understood=str(parsed_query),
        did_you_mean=str(suggestion) if suggestion else "",
        corrected=answer.mode == "corrected",
        relaxed=relaxed,
        complete=answer.complete,
        degraded=degraded,
        help=zero_result_help,
        read_as_words=parsed_query.read_as_words,
    )


def _find_numbers(database: Database, ids: Sequence[str]) -> dict[str, int]:
    with database.reading(READER) as session:
        return queries.record_numbers(session, ids)


def _load_records(database: Database, answer: Answer) -> list[Hit]:
    """Load the hits as _load_hits does, but their whole records, and in the order that their positions have."""
    records = queries.packed_records(database, answer.hits.numbers)
    hits = zip(answer.hits.numbers, answer.hits.scores, strict=True)
    return [
        Hit(record.id, score, b"", b"", {}, record=record) for number, score in hits if (record := records.get(number))
    ]


def _load_hits(
    database: Database,
    answer: Answer,
    reasons: Mapping[int, list[Reason]],
    missing: Mapping[int, MissingWords],
    *,
    highlight: bool,
    branch: str,
    filters: Mapping[str, tuple[str, ...]],
) -> list[Hit]:
    """Load the hits in the index's order, without records that have been deleted since they were indexed."""
    loaded_hits = []
    briefs = queries.briefs(database, answer.hits.numbers)
    hits = in_series_order(answer.hits, {number: row.brief for number, row in briefs.items()})
    works = queries.work_ids(database, hits.works) if hits.works else {}
    marks = marks_for(_with_variants(database, answer.query)) if highlight else {}
    for position, (number, score) in enumerate(zip(hits.numbers, hits.scores, strict=True)):
        row = briefs.get(number)
        if row is None:
            continue
        marked_fields = highlights(marks, orjson.loads(row.brief)) if marks else {}
        holdings = sort_holdings(row.holdings, branch, filters) if branch or filters else row.holdings
        work_id = works.get(hits.works[position], "") if hits.works else ""
        editions = hits.editions[position] if hits.works else 0
        lacks, because = missing.get(number, MissingWords())
        loaded_hits.append(
            Hit(
                row.id,
                score,
                row.brief,
                holdings,
                marked_fields,
                work_id,
                editions,
                reasons.get(number, ()),
                lacks,
                because,
            )
        )
    return loaded_hits


def _with_variants(database: Database, query: Query) -> Query:
    """Add the query's variants, so that highlights mark their words too."""
    variants = tuple(variant.query for variant in heading_variants(database, query))
    return replace(query, parts=(AnyOf(variants), *query.parts)) if variants else query


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the hits of a query.

    offset      hits to skip
    digest      of the query; see query_digest
    generation  index state of the page before
    mode        how the first page was answered; later pages are answered the same way
    """

    offset: int
    digest: str
    generation: str
    mode: Mode = ""

    def __str__(self) -> str:
        return write_cursor(_CURSOR_OF, self.offset, self.digest, self.generation, self.mode)


def query_digest(text: str, filters: Mapping[str, tuple[str, ...]], sort: str) -> str:
    """Return a text that identifies a query; facets, limit and highlights may differ from page to page."""
    content = repr((text, sorted((name, sorted(values)) for name, values in filters.items()), sort))
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def decode_cursor(text: str, digest: str) -> Cursor:
    """Decode a cursor that belongs to this query.

    raises  Invalid  CURSOR_INVALID, PAGING_TOO_DEEP
    """
    cursor = Cursor(*read_cursor(text, _CURSOR_OF, int, str, str, str))
    if cursor.digest != digest or cursor.offset < 1 or cursor.mode not in _MODES:
        raise cursor_invalid()
    if cursor.offset >= REACH:
        raise Invalid("PAGING_TOO_DEEP", most=REACH)
    return cursor
