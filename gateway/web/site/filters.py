"""Filters of a search: next to the hits, as chips, and on a page with all values of one facet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.queries import OneOf, WholeNumber
from gateway.api.queries import FACETS
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web.addresses import (
    PageQuery,
    Params,
    address,
    first_value,
    for_links,
    has_all_words,
    read_page,
    search_parameters,
)
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import browsing_pb2, catalog_pb2, facets_pb2

router = APIRouter()

# In the usual order of filtering: availability, branch, material, language, subject. Dewey numbers are omitted, because
# classes have the same values.
SHOWN_FACETS = tuple(facet for facet in FACETS if facet != "ddc")
MOST_VALUES_BESIDE_HITS = 10
VALUES_A_PAGE = 50
FURTHEST_OFFSET = 1_000
ORDERS = ("count", "value")


class ValuesQuery(PageQuery):
    order: Annotated[str, OneOf(ORDERS)] = ORDERS[0]
    offset: Annotated[int, WholeNumber(0, FURTHEST_OFFSET)] = 0


@router.get("/search/filters")
async def filters(request: Request) -> Response:
    """Return only the filters, for a page that already shows the hits."""
    params = read_page(request, PageQuery)
    question = catalog_pb2.SearchRequest(
        query=first_value(params, "q"), filters=filters_of(params), facets=SHOWN_FACETS, limit=1
    )
    reply = await call(request, catalog(request).Search, question)
    facets = facet_data(reply.facets, for_links(params, has_hits=has_all_words(reply)), wording(language(request)))
    return page(request, "filters.html", filters=facets, total=reply.total, drawer_open=False)


@router.get("/search/facets/{facet}")
async def values(request: Request) -> Response:
    """Show the values of one facet in pages."""
    facet = request.path_params["facet"]
    if facet not in SHOWN_FACETS:
        raise NotFound("FACET_NOT_FOUND", facet=facet[:80])
    params = read_page(request, ValuesQuery)
    offset, order = int(first_value(params, "offset", "0")), first_value(params, "order", ORDERS[0])
    reply = await call(
        request,
        catalog(request).CountFacet,
        browsing_pb2.CountFacetRequest(
            query=first_value(params, "q"),
            filters=filters_of(params),
            facet=facet,
            sort=order,
            offset=offset,
            limit=VALUES_A_PAGE,
        ),
    )
    links = for_links(params, has_hits=bool(reply.values))

    def at(start: int, by: str) -> str:
        pairs = [*search_parameters(links), ("order", by), *([("offset", str(start))] if start else [])]
        return f"/search/facets/{facet}?{urlencode(pairs)}"

    words, after = wording(language(request)), offset + VALUES_A_PAGE
    return page(
        request,
        "facet.html",
        query=first_value(params, "q"),
        facet=facet,
        values=[_value(facet, value, links, words) for value in reply.values],
        total=reply.total,
        back=address(links, opened=True),
        orders=[(name, at(0, name), name == order) for name in ORDERS],
        previous=at(max(0, offset - VALUES_A_PAGE), order) if offset else None,
        next=at(after, order) if reply.more and after <= FURTHEST_OFFSET else None,
    )


def filters_of(params: Params) -> list[facets_pb2.Filter]:
    """Return the filters in the parameters of a URL."""
    return [facets_pb2.Filter(facet=name, values=params[name]) for name in FACETS if name in params]


def facet_data(facets: Iterable[catalog_pb2.Facet], params: Params, words: Wording) -> list[dict[str, Any]]:
    """Return the facets for templates, in the order of SHOWN_FACETS, without facets that have no values."""
    by_name = {facet.name: facet for facet in facets}
    return [
        {
            "name": name,
            "values": _in_order(name, [_value(name, value, params, words) for value in by_name[name].values]),
            "on": bool(params.get(name)),
            "more": address(params, path=f"/search/facets/{name}")
            if len(by_name[name].values) >= MOST_VALUES_BESIDE_HITS
            else None,
        }
        for name in SHOWN_FACETS
        if name in by_name and by_name[name].values
    ]


def _in_order(facet: str, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort classes by number, with their level, and years in descending order. Keep the order of other values."""
    if facet == "year":
        return sorted(values, key=lambda entry: str(entry["value"]), reverse=True)
    if facet != "class":
        return values
    classes = sorted(values, key=lambda entry: str(entry["value"]))
    return [{**entry, "level": _depth(entry["value"])} for entry in classes]


def _depth(value: str) -> int:
    return min(len(value), 3) if value != "none" else 1


def value_label(facet: str, value: facets_pb2.FacetValue, words: Wording) -> str:
    """Return the label of a facet's value. The label of a class begins with its notation."""
    label = local_text(value.label, words.language)
    if facet in ("class", "ddc") and value.value != "none":
        return f"{notation(value.value)} {label}".strip()
    return label or words.code(facet, value.value)


def notation(value: str) -> str:
    """Return a class in its usual notation with at least three digits. `2X` does not change."""
    return value.ljust(3, "0") if value.isdigit() else value


def chips(params: Params, facets: list[dict[str, Any]], words: Wording) -> list[tuple[str, str, str]]:
    """Return the filters in use: (facet, label of the value, URL of the search without this filter)."""
    names = {(entry["name"], value["value"]): value["name"] for entry in facets for value in entry["values"]}
    return [
        (
            facet,
            names.get((facet, value)) or words.code(facet, value),
            address({**params, facet: [other for other in params[facet] if other != value]}),
        )
        for facet in FACETS
        for value in params.get(facet, ())
    ]


def _value(facet: str, value: facets_pb2.FacetValue, params: Params, words: Wording) -> dict[str, Any]:
    chosen = params.get(facet, [])
    on = value.value in chosen
    changed = [other for other in chosen if other != value.value] if on else [*chosen, value.value]
    return {
        "value": value.value,
        "name": value_label(facet, value, words),
        "count": value.count,
        "level": 1,
        "on": on,
        "address": address({**params, facet: changed}, opened=True),
    }
