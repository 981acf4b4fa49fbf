"""/search — hits, filters, sorting, the next page; and the two fragments that htmx asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.parameters import FACETS, SORTS, one, read
from gateway.api.search import SEARCH, SUGGEST
from gateway.deps import ask, catalog, language
from gateway.web.rendering import page
from gateway.web.wording import Wording, wording
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

# In the order a reader narrows: can I have it, where, what kind, in which language, about what.
SHOWN_FACETS = (
    "availability", "institution", "branch", "collection", "material", "audience", "language", "ddc", "subject",
    "author", "year",
)  # fmt: skip
HITS_A_PAGE = 10
_KEPT = ("q", *FACETS, "sort")

# Keys that a brief or full record may leave out; templates name every one of them.
ABSENT: dict[str, Any] = dict.fromkeys(
    (
        "subtitle", "responsibility", "authors", "publisher", "place", "year", "edition", "language", "material",
        "isbn", "ddc", "series", "summary", "notes", "audience",
    )
)  # fmt: skip

Given = dict[str, list[str]]


@router.get("/search")
async def results(request: Request) -> Response:
    given = read(request, SEARCH, strict=False)
    speaks = language(request)
    # Filters in use need their names, so they come with the hits; else they follow, and the hits do not wait.
    with_filters = any(facet in given for facet in FACETS) or request.query_params.get("filters") == "open"
    reply = await ask(request, catalog(request).Search, _question(given, facets=with_filters))
    words = wording(speaks)
    filters = [_filter(facet, given, words) for facet in _ordered(reply.facets)] if with_filters else None
    return page(
        request,
        "results.html",
        query=one(given, "q"),
        total=reply.total,
        hits=[hit(each, speaks) for each in reply.hits],
        first_page="cursor" not in given,
        first=address(given),
        next=address(given, cursor=reply.next, open=with_filters) if reply.next else None,
        changed=reply.changed,
        did_you_mean=reply.did_you_mean,
        meant=address({**given, "q": [reply.did_you_mean]}),
        sorts=[
            (name, address({**given, "sort": [name]}, open=with_filters), name == (one(given, "sort") or SORTS[0]))
            for name in SORTS
        ],
        filters=filters,
        drawer_open=request.query_params.get("filters") == "open",
        chips=_chips(given, filters or [], words),
        without_filters=address({name: given[name] for name in ("q", "sort") if name in given}),
        filters_address=address(given, open=True),
        filters_fragment="/search/filters" + address(given).removeprefix("/search"),
    )


@router.get("/search/filters")
async def filters(request: Request) -> Response:
    """The filters alone, for a page that already shows the hits."""
    given = read(request, SEARCH, strict=False)
    reply = await ask(request, catalog(request).Search, _question(given, facets=True, limit=1))
    words = wording(language(request))
    found = [_filter(facet, given, words) for facet in _ordered(reply.facets)]
    return page(request, "filters.html", filters=found, drawer_open=False)


@router.get("/suggest")
async def suggest(request: Request) -> Response:
    """Options for the search box's list."""
    prefix = one(read(request, SUGGEST, strict=False), "q")
    reply = await ask(request, catalog(request).Suggest, wire.SuggestRequest(prefix=prefix))
    return page(request, "suggestions.html", suggestions=[each.text for each in reply.suggestions])


def address(given: Given, *, cursor: str = "", open: bool = False) -> str:  # noqa: A002 - as the URL has it
    """This search's URL, from its first page unless a cursor is given."""
    pairs = [(name, value) for name in _KEPT for value in given.get(name, ()) if value]
    if cursor:
        pairs.append(("cursor", cursor))
    if open and not any(facet in given for facet in FACETS):
        pairs.append(("filters", "open"))
    return f"/search?{urlencode(pairs)}" if pairs else "/search"


def hit(found: wire.Hit, speaks: str) -> dict[str, Any]:
    """A hit as templates show it: the brief record, its pieces marked, and where it is."""
    brief = orjson.loads(found.brief)
    marked = {each.field: list(each.pieces) for each in found.highlights}
    return {
        **ABSENT,
        **brief,
        "id": found.id,
        "title_pieces": marked.get("title") or [brief["title"]],
        "summary_pieces": marked.get("summary") or ([brief["summary"]] if brief.get("summary") else []),
        "shelf": shelf(brief.get("ddc", "")),
        "holdings": holdings(found.holdings, speaks),
    }


def holdings(stored: bytes, speaks: str) -> list[dict[str, Any]]:
    """Where a record is, branch by branch, with the branch's name in the reader's language."""
    found: list[dict[str, Any]] = orjson.loads(stored or b"[]")
    for entry in found:
        name = entry.get("branch_name") or {}
        entry["name"] = name.get(speaks) or name.get("id") or name.get("en") or entry["branch"]
    return found


def shelf(ddc: str) -> str:
    """Hundreds digit of a class, which gives a book its colour; "x" for none."""
    return ddc[0] if ddc[:1].isascii() and ddc[:1].isdigit() else "x"


def said(text: Any, speaks: str) -> str:
    """A LocalText in one language, else in the other."""
    return str((text.en or text.id) if speaks == "en" else (text.id or text.en))


def called(facet: str, value: wire.FacetValue, words: Wording) -> str:
    """A facet's value as people say it; a class keeps its number in front."""
    label = said(value.label, words.language)
    if facet == "ddc":
        return f"{value.value} {label}".strip()
    return label or words.code(facet, value.value)


def _question(given: Given, *, facets: bool, limit: int = HITS_A_PAGE) -> wire.SearchRequest:
    return wire.SearchRequest(
        query=one(given, "q"),
        filters=[wire.Filter(facet=name, values=given[name]) for name in FACETS if name in given],
        facets=SHOWN_FACETS if facets else (),
        sort=one(given, "sort"),
        cursor=one(given, "cursor") if limit == HITS_A_PAGE else "",
        limit=limit,
        highlight=bool(one(given, "q")),
    )


def _ordered(facets: Iterable[wire.Facet]) -> list[wire.Facet]:
    by_name = {facet.name: facet for facet in facets}
    return [by_name[name] for name in SHOWN_FACETS if name in by_name and by_name[name].values]


def _filter(facet: wire.Facet, given: Given, words: Wording) -> dict[str, Any]:
    chosen = given.get(facet.name, [])
    values = []
    for value in facet.values:
        on = value.value in chosen
        kept = [each for each in chosen if each != value.value] if on else [*chosen, value.value]
        changed = {**given, facet.name: kept}
        values.append(
            {
                "value": value.value,
                "name": called(facet.name, value, words),
                "count": value.count,
                "on": on,
                "address": address(changed, open=True),
            }
        )
    return {"name": facet.name, "values": values, "on": bool(chosen)}


def _chips(given: Given, filters: list[dict[str, Any]], words: Wording) -> list[tuple[str, str, str]]:
    """Filters in use: (facet, value for people, address without it)."""
    names = {(each["name"], value["value"]): value["name"] for each in filters for value in each["values"]}
    return [
        (
            facet,
            names.get((facet, value)) or words.code(facet, value),
            address({**given, facet: [each for each in given[facet] if each != value]}),
        )
        for facet in FACETS
        for value in given.get(facet, ())
    ]
