"""GET /search and /suggest. Brief records pass through as the JSON they are stored as."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.parameters import FACETS, MOST_VALUES, SORTS, Parameter, one, read, table
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID_EXAMPLE,
    Brief,
    Holding,
    Shape,
    Text,
    documented,
)
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["search"])

LONGEST_QUERY = 500
SEARCH = table(
    Parameter("q", "What to find, as a person types it; empty finds everything.", "surau navis", LONGEST_QUERY),
    Parameter("facets", "Facets to count, with commas between.", "language,year", choices=FACETS, listed=True),
    *(Parameter(facet, "Keep hits with one of these values of the facet.", repeated=MOST_VALUES) for facet in FACETS),
    Parameter("sort", "Order of the hits: by relevance, newest or oldest first, or by title.", choices=SORTS),
    Parameter("cursor", "Go on from here: `next` of the page before.", longest=500),
    Parameter("limit", "Hits on a page; 10 unless told.", "10", numbers=(1, 100)),
    Parameter("highlight", "Say which words of the title and summary were found.", choices=("true", "false")),
)
SUGGEST = table(
    Parameter("q", "What has been typed so far.", "rob", longest=100, required=True),
    Parameter("limit", "Suggestions wanted; 8 unless told.", numbers=(1, 20)),
)


class Hit(Shape):
    id: str
    score: float
    record: Brief
    holdings: list[Holding]
    highlights: dict[str, list[str]] | None = None


class FacetValue(Shape):
    value: str
    count: int
    label: Text | None = None
    selected: bool


class SearchPage(Shape):
    """`next` is absent at the end; `changed` says that the catalogue changed since the cursor was given."""

    total: int
    hits: list[Hit]
    next: str | None = None
    changed: bool
    facets: dict[str, list[FacetValue]] | None = None
    understood: str
    did_you_mean: str | None = None


class Suggestion(Shape):
    text: str
    kind: str


class Suggestions(Shape):
    total: int
    hits: list[Suggestion]


def request_for(given: dict[str, list[str]]) -> wire.SearchRequest:
    """The wire's question for checked parameters."""
    facets = one(given, "facets")
    return wire.SearchRequest(
        query=one(given, "q"),
        filters=[wire.Filter(facet=name, values=values) for name, values in given.items() if name in FACETS],
        facets=facets.split(",") if facets else (),
        sort=one(given, "sort"),
        cursor=one(given, "cursor"),
        limit=int(one(given, "limit", "0")),
        highlight=one(given, "highlight") == "true",
    )


@router.get(
    "/search",
    **documented(
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
    """Words, “phrases”, `-without`, and `author:` `title:` `subject:` `isbn:` `year:` `language:` to narrow.

    The last word matches as a prefix.
    """
    given = read(request, SEARCH)
    reply = await ask(request, catalog(request).Search, request_for(given))
    return answer(request, _page(reply, with_facets="facets" in given), JSON)


@router.get(
    "/suggest",
    **documented(
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


def _page(reply: wire.SearchReply, *, with_facets: bool) -> bytes:
    page: dict[str, Any] = {"total": reply.total, "hits": [_hit(hit) for hit in reply.hits]}
    if reply.next:
        page["next"] = reply.next
    page["changed"] = reply.changed
    if with_facets:
        page["facets"] = {facet.name: [_facet_value(value) for value in facet.values] for facet in reply.facets}
    page["understood"] = reply.understood
    if reply.did_you_mean:
        page["did_you_mean"] = reply.did_you_mean
    return orjson.dumps(page)


def _hit(hit: wire.Hit) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": hit.id,
        "score": hit.score,
        "record": orjson.Fragment(hit.brief),
        "holdings": orjson.Fragment(hit.holdings or b"[]"),
    }
    if hit.highlights:
        shown["highlights"] = {each.field: list(each.pieces) for each in hit.highlights}
    return shown


def _facet_value(value: wire.FacetValue) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": value.value, "count": value.count, "selected": value.selected}
    if value.HasField("label"):
        shown["label"] = {"id": value.label.id, "en": value.label.en}
    return shown
