"""GET and POST /search, GET /suggest and /search/facets/{facet}."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.cursors import cursor_invalid, read_cursor, write_cursor
from chassis.errors import Invalid, NotFound
from chassis.models import OpenSet, ResponseModel, to_message, to_model
from chassis.queries import OneOf, WholeNumber, number, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import FACETS, Filters, SearchQuery, SuggestQuery, read_query
from gateway.api.schemas import JSON, RECORD_ID_EXAMPLE
from gateway.api.search_response import search_page_json
from gateway.clients import Catalog, call, catalog
from gateway.plans import count_records
from gateway.responses import respond
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2, models
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["search"], route_class=ApiRoute)

FURTHEST_VALUE = 1_000
VALUE_SORTS = ("count", "value")
MOST_LEVELS = 50  # of a tree


class FacetValuesQuery(Filters):
    sort: Annotated[str, OneOf(VALUE_SORTS)] = Field("count", description="Order: by count, or by value.")
    cursor: str = text("The `next` value of the previous page.", longest=500)
    limit: Annotated[int, WholeNumber(1, 100)] = number(20, "Values on a page.")


def check_facet(facet: str) -> str:
    """Return `facet` when it names a facet.

    raises  NotFound  FACET_NOT_FOUND
    """
    if facet not in FACETS:
        raise NotFound("FACET_NOT_FOUND", facet=facet[:80])
    return facet


FacetName = Annotated[
    str,
    Path(description="Name of the facet.", examples=["subject"]),
    AfterValidator(check_facet),
    WithJsonSchema({"type": "string", "enum": list(FACETS)}),
]


class Suggestion(ResponseModel):
    text: str
    """The text to search for."""
    kind: Annotated[str, OpenSet(("title", "variant", "isbn", "author", "subject", "series"), is_sent=False)]
    """Kind of text; a variant is another title of a record, possibly in another script."""
    id: str | None = None
    """Id of the record, for a title, a variant or an ISBN."""
    url: str | None = None
    """Path of the record's page."""
    title: str | None = None
    """Title of the record, when `text` is not the title."""


class Suggestions(ResponseModel):
    total: int
    """Number of suggestions in `hits`."""
    next: str | None = None
    """Null: the list has one page."""
    hits: list[Suggestion]
    """The suggestions, the most likely first."""


class FacetValues(models.FacetValues):
    """A page of a facet's values. A filter by the same facet does not reduce the counts."""

    next: str | None = Field(None, description="Cursor of the next page; absent on the last page.", examples=["50"])


def search_request(query: SearchQuery) -> wire.SearchRequest:
    """Return the message for a query. Absent parameters stay unset, because the catalogue has their defaults."""
    message = wire.SearchRequest(query=query.q)
    names = query.model_fields_set
    if names == {"q"}:
        return message
    for facet, values in query.filters():
        message.filters.add(facet=facet, values=values)
    message.facets.extend(query.facets)
    if "sort" in names:
        message.sort = query.sort
    if "limit" in names:
        message.limit = query.limit
    message.cursor = query.cursor
    message.highlight, message.by_work, message.explain = query.highlight, query.by_work, query.explain
    message.branch = query.near
    return message


@router.get(
    "/search", response_model=models.SearchPage, **documented("Find records", "catalog.Search", revalidates=True)
)
async def search(request: Request, query: Annotated[SearchQuery, Query()], catalog: Catalog) -> Response:
    """Find records by words, “phrases”, excluded words (`-word`), `OR`, and the fields `author:` `title:` `subject:`
    `isbn:` `year:` `language:` `class:`. The last word also matches as a prefix.

    `limit` is 10 by default, as on the pages of the catalogue, because each hit has its holdings, and a page facets.
    """
    reply = await call(request, catalog.Search, search_request(query))
    count_records(request, len(reply.hits))
    with_additions = query.highlight or query.by_work or query.explain
    page = search_page_json(reply, with_additions=with_additions)
    return respond(request, page, JSON)


@router.post("/search", response_model=models.SearchPage, **documented("Find records by a tree", "catalog.Search"))
async def search_tree(request: Request, body: models.TreeSearchBody, catalog: Catalog) -> Response:
    """Find exactly the records that fit a tree of conditions: nothing is corrected or expanded, and the total is exact.
    Any position up to 10,000 can be read with `offset`. `limit` is 10 by default, as in GET.
    """
    _check_levels(body.tree)
    reply = await call(request, catalog.Search, to_message(wire.SearchRequest, body))
    count_records(request, len(reply.hits))
    page = search_page_json(reply, with_additions=body.by_work)
    return Response(page, media_type=JSON)


def _check_levels(tree: models.SearchTree) -> None:
    """Check that the service can read a tree; protobuf reads 100 levels. The catalogue allows fewer.

    raises  Invalid  BODY_TOO_DEEP
    """
    level = [tree]
    for _ in range(MOST_LEVELS):
        level = [operand for node in level for operand in node.operands]
    if level:
        raise Invalid("BODY_TOO_DEEP", most=MOST_LEVELS)


@router.get(
    "/suggest",
    response_model=Suggestions,
    **documented(
        "Completions of the typed text",
        "catalog.Suggest",
        example={
            "total": 2,
            "hits": [
                {
                    "text": "Robohnya Surau Kami",
                    "kind": "title",
                    "id": RECORD_ID_EXAMPLE,
                    "url": f"/records/{RECORD_ID_EXAMPLE}",
                },
                {"text": "Navis, A. A.", "kind": "author"},
            ],
        },
        revalidates=True,
    ),
)
async def suggest(request: Request, query: Annotated[SuggestQuery, Query()], catalog: Catalog) -> Response:
    """Suggest titles, authors, subjects and series that begin with the typed text or contain its words. Subtitles,
    other titles and ISBNs are suggested too. `limit` is 8 by default and at most 20: the list is below a field.
    """
    reply = await call(request, catalog.Suggest, wire.SuggestRequest(prefix=query.q, limit=query.limit))
    hits = [_suggestion(suggestion) for suggestion in reply.suggestions]
    return respond(request, orjson.dumps({"total": len(hits), "hits": hits, "next": None}), JSON)


def _suggestion(suggestion: wire.Suggestion) -> dict[str, str]:
    hit = {"text": suggestion.text, "kind": suggestion.kind}
    if suggestion.id:
        hit |= {"id": suggestion.id, "url": f"/records/{suggestion.id}"}
    if suggestion.title:
        hit["title"] = suggestion.title
    return hit


@router.get(
    "/search/facets/{facet}",
    **documented("All values of one facet", "catalog.CountFacet", errors=(404,), revalidates=True),
)
async def count_facet(
    request: Request, facet: FacetName, query: Annotated[FacetValuesQuery, Query()], catalog: Catalog
) -> FacetValues:
    """List all values of a facet in pages. `/search` returns only the first ten values."""
    offset = _offset(query.cursor)
    message = browsing_pb2.CountFacetRequest(
        query=query.q,
        filters=[facets_pb2.Filter(facet=name, values=values) for name, values in query.filters()],
        facet=facet,
        sort=query.sort,
        offset=offset,
        limit=query.limit,
    )
    reply = await call(request, catalog.CountFacet, message)
    following = offset + len(reply.values)
    more = write_cursor("facets", following) if reply.more and following <= FURTHEST_VALUE else None
    return to_model(FacetValues, reply, next=more)


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    (offset,) = read_cursor(cursor, "facets", int)
    if not 0 <= offset <= FURTHEST_VALUE:
        raise cursor_invalid()
    return int(offset)


async def _search(request: Request) -> Response:
    return await search(request, read_query(SearchQuery, request, strict=True), catalog(request))


async def _suggest(request: Request) -> Response:
    return await suggest(request, read_query(SuggestQuery, request, strict=True), catalog(request))


# Requests take these routes before FastAPI's, which take as long as the search itself to read the parameters (0018).
PLAIN_ROUTES = (Route("/search", _search), Route("/suggest", _suggest))
