"""GET /search, /suggest and a facet's values."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Invalid, NotFound
from gateway.api.parameters import FACETS, MOST_VALUES, NEAR, SORTS, Parameter, one, read, table
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID_EXAMPLE,
    CountedValue,
    Shape,
    documented,
)
from gateway.api.search_response import SearchPage, page_of
from gateway.api.serializers import counted
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["search"])

LONGEST_QUERY = 500
QUERY = Parameter("q", "What to find, as a person types it; empty finds everything.", "surau navis", LONGEST_QUERY)
FILTERS = tuple(
    Parameter(facet, "Keep hits with one of these values of the facet.", repeated=MOST_VALUES) for facet in FACETS
)
SEARCH = table(
    QUERY,
    Parameter("facets", "Facets to count, with commas between.", "language,year", choices=FACETS, listed=True),
    *FILTERS,
    Parameter("sort", "Order of the hits: by relevance, newest or oldest first, or by title.", choices=SORTS),
    Parameter("cursor", "Go on from here: `next` of the page before.", longest=500),
    Parameter("limit", "Hits on a page; 10 unless told.", "10", numbers=(1, 100)),
    Parameter("highlight", "Say which words of the title and summary were found.", flag=True),
    Parameter("by_work", "One hit a work, its best edition; `total` and facets count records all the same.", flag=True),
    Parameter("explain", "Say why each hit ranks where it does.", flag=True),
    NEAR,
)
SUGGEST = table(
    Parameter("q", "What has been typed so far.", "rob", longest=100, required=True),
    Parameter("limit", "Suggestions wanted; 8 unless told.", numbers=(1, 20)),
)
VALUES_A_PAGE, FURTHEST_VALUE = 50, 1_000
VALUES = table(
    QUERY,
    *FILTERS,
    Parameter("sort", "Most frequent first, or by value.", choices=("count", "value")),
    Parameter("cursor", "Go on from here: `next` of the page before.", longest=20),
    Parameter("limit", "Values on a page; 50 unless told.", "50", numbers=(1, 100)),
)
FACET = {
    "name": "facet",
    "in": "path",
    "required": True,
    "description": "Which facet.",
    "schema": {"type": "string", "enum": list(FACETS)},
    "example": "subject",
}


class Suggestion(Shape):
    text: str
    kind: str


class Suggestions(Shape):
    total: int
    hits: list[Suggestion]


class FacetValues(Shape):
    """total: records that match. A facet's own filter does not narrow its counts."""

    total: int
    hits: list[CountedValue]
    next: str | None = None


def request_for(given: dict[str, list[str]]) -> wire.SearchRequest:
    """The wire's question for checked parameters."""
    if len(given) == 1 and "q" in given:
        return wire.SearchRequest(query=given["q"][0])
    facets = ",".join(given.get("facets", ()))
    return wire.SearchRequest(
        query=one(given, "q"),
        filters=[wire.Filter(facet=name, values=values) for name, values in given.items() if name in FACETS],
        facets=facets.split(",") if facets else (),
        sort=one(given, "sort"),
        cursor=one(given, "cursor"),
        limit=int(one(given, "limit", "0")),
        highlight=one(given, "highlight") == "true",
        by_work=one(given, "by_work") == "true",
        explain=one(given, "explain") == "true",
        branch=one(given, "near"),
    )


@router.get(
    "/search",
    **documented(
        operation="search",
        summary="Find records",
        model=SearchPage,
        example={
            "total": 1,
            "hits": [
                {"id": RECORD_ID_EXAMPLE, "score": 12.5, "record": BRIEF_EXAMPLE, "holdings": [HOLDING_EXAMPLE]},
            ],
            "changed": False,
            "facets": {"language": [{"value": "ind", "count": 1, "selected": False}]},
            "understood": "surau navis",
        },
        parameters=SEARCH,
    ),
)
async def search(request: Request) -> Response:
    """Words, “phrases”, `-without`, `OR`, and `author:` `title:` `subject:` `isbn:` `year:` `language:` `class:` to
    narrow. The last word matches as a prefix.
    """
    given = read(request, SEARCH)
    reply = await ask(request, catalog(request).Search, request_for(given))
    return answer(request, page_of(reply, with_facets="facets" in given), JSON)


@router.get(
    "/suggest",
    **documented(
        operation="suggest",
        summary="Complete what is being typed",
        model=Suggestions,
        example={"total": 1, "hits": [{"text": "Robohnya Surau Kami", "kind": "title"}]},
        parameters=SUGGEST,
    ),
)
async def suggest(request: Request) -> Response:
    """Titles, authors and subjects that begin so."""
    given = read(request, SUGGEST)
    message = wire.SuggestRequest(prefix=one(given, "q"), limit=int(one(given, "limit", "0")))
    reply = await ask(request, catalog(request).Suggest, message)
    hits = [{"text": each.text, "kind": each.kind} for each in reply.suggestions]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON)


@router.get(
    "/search/facets/{facet}",
    **documented(
        operation="count_facet",
        summary="All values of one facet",
        model=FacetValues,
        example={"total": 240, "hits": [{"value": "Fiksi Indonesia", "count": 31, "selected": False}], "next": "50"},
        parameters=VALUES,
        refusals=(400, 404, 429, 503, 504),
        path=(FACET,),
    ),
)
async def facet_values(request: Request) -> Response:
    """What `/search` counts ten of, page by page."""
    facet = request.path_params["facet"]
    if facet not in FACETS:
        raise NotFound("FACET_NOT_FOUND", facet=facet[:80])
    given = read(request, VALUES)
    offset, limit = _offset(one(given, "cursor", "0")), int(one(given, "limit", str(VALUES_A_PAGE)))
    message = browsing_pb2.CountFacetRequest(
        query=one(given, "q"),
        filters=[
            browsing_pb2.FacetFilter(facet=name, values=values) for name, values in given.items() if name in FACETS
        ],
        facet=facet,
        sort=one(given, "sort"),
        offset=offset,
        limit=limit,
    )
    reply = await ask(request, catalog(request).CountFacet, message)
    page: dict[str, Any] = {"total": reply.total, "hits": [counted(each) for each in reply.values]}
    reached = offset + len(reply.values)
    if reply.more and reached <= FURTHEST_VALUE:
        page["next"] = str(reached)
    return answer(request, orjson.dumps(page), JSON)


def _offset(cursor: str) -> int:
    if cursor.isascii() and cursor.isdigit() and int(cursor) <= FURTHEST_VALUE:
        return int(cursor)
    raise Invalid("CURSOR_FOREIGN")
