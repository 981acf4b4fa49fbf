"""/search — the results page: hits, filters, sorting, grouping, help without hits; /suggest for the search box."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.redaction import redact
from gateway import query_log
from gateway.api.queries import FACETS, SORTS, SuggestQuery, read_query
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.partners.coins import title_of
from gateway.web import preferences
from gateway.web.addresses import (
    YES,
    PageQuery,
    Params,
    address,
    first_value,
    for_links,
    has_all_words,
    read_page,
    search_parameters,
    toggle,
)
from gateway.web.filters import SHOWN_FACETS, chips, facet_data, filters_of
from gateway.web.hits import hit, local_text, shelves
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

HITS_A_PAGE = 10


@router.get("/search")
async def results(request: Request) -> Response:
    params = read_page(request, PageQuery)
    words = wording(language(request))
    # Chips of filters in use need their labels, so facets are counted with the hits; else a second request loads them.
    opened = request.query_params.get("filters") == "open"
    with_filters = opened or any(facet in params for facet in FACETS)
    reply = await call(request, catalog(request).Search, _question(request, params, facets=with_filters))
    is_found = has_all_words(reply)
    links = for_links(params, has_hits=is_found)
    filters = facet_data(reply.facets, links, words) if with_filters else None
    hits = [
        {**entry, "coins": title_of(entry, address=absolute_url(request, f"/records/{entry['id']}"))}
        for entry in (hit(result, words.language) for result in reply.hits)
    ]
    first = "cursor" not in params
    # While the query log is on, the link of a hit has its rank, and nothing else about the search.
    if first and query_log.log_search(request, query=first_value(params, "q"), reply=reply):
        hits = [{**entry, "rank": rank} for rank, entry in enumerate(hits, 1)]
    return page(
        request,
        "results.html",
        query=first_value(params, "q"),
        total=reply.total,
        has_all_words=is_found,
        hits=hits,
        complete_hits=[entry for entry in hits if not entry["is_partial"]],
        partial_hits=[entry for entry in hits if entry["is_partial"]],
        complete=reply.complete,
        shelves=shelves(hits),
        first_page=first,
        first=address(links),
        # A cursor belongs to the words of its search.
        next=address(params, cursor=reply.next, opened=with_filters) if reply.next and links is params else None,
        changed=reply.changed,
        degraded=reply.degraded,
        read_as_words=reply.read_as_words,
        understood=reply.understood,
        did_you_mean=reply.did_you_mean,
        meant=address({**links, "q": [redact(reply.did_you_mean)]}),
        corrected=reply.corrected,
        relaxed=reply.relaxed,
        help=_help(reply.help, links, words) if reply.HasField("help") else None,
        sorts=[
            (
                name,
                address({**links, "sort": [name]}, opened=with_filters),
                name == (first_value(params, "sort") or SORTS[0]),
            )
            for name in SORTS
        ],
        switches=[
            (name, address(toggle(links, name), opened=with_filters), params.get(name) == list(YES))
            for name in ("by_work", "explain")
        ],
        explained=first_value(params, "explain") == "true",
        filters=filters,
        drawer_open=opened,
        chips=chips(links, filters or [], words),
        without_filters=address({name: values for name, values in links.items() if name not in FACETS}),
        filters_address=address(links, opened=True),
        filters_fragment=address(links, path="/search/filters"),
        feed=address(links, path="/search.atom"),
        saved=address(links),
        searched=bool(search_parameters(params)),
    )


@router.get("/suggest")
async def suggest(request: Request) -> Response:
    """Return the options of the search box's list."""
    prefix = read_query(SuggestQuery, request, strict=False).q
    reply = await call(request, catalog(request).Suggest, wire.SuggestRequest(prefix=prefix))
    return page(request, "suggestions.html", suggestions=reply.suggestions)


def _question(request: Request, params: Params, *, facets: bool) -> wire.SearchRequest:
    return wire.SearchRequest(
        query=first_value(params, "q"),
        filters=filters_of(params),
        facets=SHOWN_FACETS if facets else (),
        sort=first_value(params, "sort"),
        cursor=first_value(params, "cursor"),
        limit=HITS_A_PAGE,
        highlight=bool(first_value(params, "q")),
        by_work=first_value(params, "by_work") == "true",
        explain=first_value(params, "explain") == "true",
        branch=preferences.branch(request),
    )


def _help(help_reply: browsing_pb2.Help, params: Params, words: Wording) -> dict[str, Any]:
    """Return searches that would find something, each with its URL and number of hits."""
    without = {name: values for name, values in params.items() if name not in FACETS}
    return {
        "failed": list(help_reply.failed),
        "without": [
            (alternative.query, address({**params, "q": [redact(alternative.query)]}), alternative.total)
            for alternative in help_reply.without
        ],
        "without_filters": (address(without), help_reply.without_filters) if help_reply.without_filters else None,
        "elsewhere": [
            (
                local_text(alternative.label, words.language) or alternative.value,
                address(
                    {
                        **{name: values for name, values in params.items() if name != "branch"},
                        "institution": [alternative.value],
                    }
                ),
                alternative.count,
            )
            for alternative in help_reply.elsewhere
        ],
        "classes": [
            (
                f"{class_.notation} {name}"
                if (name := local_text(class_.caption, words.language))
                else f"{words.say('facet.class')} {class_.notation}",
                f"/golongan/{class_.value}",
                class_.count,
            )
            for class_ in help_reply.classes
        ],
    }
