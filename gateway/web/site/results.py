"""/search: the results page with hits, filters, sorting, grouping and help; /suggest: options of the search box."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

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
    toggle,
)
from gateway.web.covers.images import with_pictures
from gateway.web.hits import hit, local_text
from gateway.web.library import ContactLine, librarian, nearness_of
from gateway.web.rendering import page
from gateway.web.site.browse import FACETED, list_address
from gateway.web.site.filters import SHOWN_FACETS, chips, facet_data, filters_of
from gateway.web.site.record import optional
from gateway.web.site.result_headings import find_heading, heading_of, other_forms, single_heading, topics
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

HITS_A_PAGE = 10
MOST_REACHED = 10_000  # hits that a reader can reach by pages


@router.get("/search")
async def results(request: Request) -> Response:
    params = read_page(request, PageQuery)
    words = wording(language(request))
    # Chips of filters in use need labels, so facets are counted with the hits. Otherwise a second request counts them.
    opened = request.query_params.get("filters") == "open"
    with_filters = opened or any(facet in params for facet in FACETS)
    heading = single_heading(params)
    search = call(request, catalog(request).Search, _question(request, params, facets=with_filters))
    if heading is None:
        reply, entry = await search, None
    else:
        reply, entry = await asyncio.gather(search, optional(find_heading(request, *heading)))
    if heading is not None and not reply.total and not reply.degraded and "cursor" not in params:
        # No record uses this heading. The list shows the headings around it, and the heading to use instead.
        return RedirectResponse(list_address(heading[0], term=heading[1]), status_code=303)
    is_found = has_all_words(reply)
    links = for_links(params, has_hits=is_found)
    filters = facet_data(reply.facets, links, words) if with_filters else None
    hits = await _hits(request, params, reply, words)
    first = "cursor" not in params
    # When the query log is on, the link of a hit contains its rank, and nothing else about the search.
    if first and query_log.log_search(request, query=first_value(params, "q"), reply=reply):
        hits = [{**entry, "rank": rank} for rank, entry in enumerate(hits, 1)]
    page_number = reply.offset // HITS_A_PAGE + 1
    has_pages_before = reply.offset > 0 and links is params  # a cursor is valid only with the words of its search
    names = {(facet["name"], value["value"]): value["name"] for facet in filters or () for value in facet["values"]}
    filters_in_use = chips(links, filters or [], words)
    switches = [
        (name, address(toggle(links, name), opened=with_filters), params.get(name) == list(YES))
        for name in ("by_work", "explain")
    ]
    return page(
        request,
        "results.html",
        query=first_value(params, "q"),
        heading=heading_of(params, names, words),
        other_forms=other_forms(entry, *heading) if heading and first else None,
        topics=topics(links, filters or []),
        total=reply.total,
        place=_place(reply, words, by_work=params.get("by_work") == list(YES)),
        page_number=page_number,
        pages=-(-min(reply.total, MOST_REACHED) // HITS_A_PAGE) if params.get("by_work") != list(YES) else 0,
        has_all_words=is_found,
        hits=hits,
        complete_hits=[entry for entry in hits if not entry["is_partial"]],
        partial_hits=[entry for entry in hits if entry["is_partial"]],
        complete=reply.complete,
        first=address(links) if page_number > 2 or (not first and not reply.offset) else None,
        previous=address(links, cursor=reply.previous, opened=with_filters) if has_pages_before else None,
        next=address(params, cursor=reply.next, opened=with_filters) if reply.next and links is params else None,
        changed=reply.changed,
        degraded=reply.degraded,
        read_as_words=reply.read_as_words,
        understood=reply.understood,
        did_you_mean=reply.did_you_mean,
        meant=address({**links, "q": [redact(reply.did_you_mean)]}),
        corrected=reply.corrected,
        relaxed=reply.relaxed,
        help=_help(reply.help, links, words, filters_in_use) if reply.HasField("help") else None,
        librarian=None
        if reply.total and not reply.relaxed
        else _librarian(request, params, first_value(links, "q"), words),
        sorts=[
            (
                name,
                address({**links, "sort": [name]}, opened=with_filters),
                name == (first_value(params, "sort") or SORTS[0]),
            )
            for name in SORTS
        ],
        switches_on=[switch for switch in switches if switch[2]],
        switches_off=[switch for switch in switches if not switch[2]],
        explained=first_value(params, "explain") == "true",
        filters=filters,
        drawer_open=opened,
        # A single filter is in the heading.
        chips=[] if heading else filters_in_use,
        without_filters=address({name: values for name, values in links.items() if name not in FACETS}),
        filters_address=address(links, opened=True),
        filters_fragment=address(links, path="/search/filters"),
        feed=address(links, path="/search.atom"),
        rss=address(links, path="/search.rss"),
        saved=address(links),
    )


@router.get("/suggest")
async def suggest(request: Request) -> Response:
    """Return the options of the search box's list, each with its URL."""
    prefix = read_query(SuggestQuery, request).q
    reply = await call(request, catalog(request).Suggest, wire.SuggestRequest(prefix=prefix))
    options = [
        {
            "text": suggestion.text,
            "kind": suggestion.kind,
            "title": suggestion.title,
            "address": f"/records/{suggestion.id}"
            if suggestion.id
            else address({suggestion.kind if suggestion.kind in FACETED else "q": [suggestion.text]}),
        }
        for suggestion in reply.suggestions
    ]
    return page(request, "suggestions.html", options=options)


async def _hits(request: Request, params: Params, reply: wire.SearchReply, words: Wording) -> list[dict[str, Any]]:
    nearness = nearness_of(request, is_filtered="branch" in params or "institution" in params)
    hits = [hit(result, words.language, nearness) for result in reply.hits]
    for entry in hits:
        entry["coins"] = title_of(entry, address=absolute_url(request, f"/records/{entry['id']}"))
    return await with_pictures(request, hits)


def _librarian(request: Request, params: Params, query: str, words: Wording) -> ContactLine | None:
    """Return the contact for a question about a search: of a branch in the filters, else of the reader's branch."""
    text = words.say("help.ask_text", query=query) if query else words.say("help.ask_for_book")
    return librarian(request, [*params.get("branch", ()), preferences.branch(request)], text)


def _place(reply: wire.SearchReply, words: Wording, *, by_work: bool) -> str:
    """Return the range of the hits, "11–20 dari 121 judul", or only their number when there is one page."""
    titles = words.count("search.hits", reply.total)
    if not reply.hits or (not reply.offset and not reply.next):
        return titles
    first, last = words.number(reply.offset + 1), words.number(reply.offset + len(reply.hits))
    # The total counts records, of which a page grouped by work shows fewer.
    return words.say("search.works_place" if by_work else "search.place", first=first, last=last, titles=titles)


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


def _help(
    help_reply: browsing_pb2.Help, params: Params, words: Wording, filters_in_use: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    """Return searches that find records, each with its URL and number of hits.

    filters_in_use  as `chips` returns them
    """
    without = {name: values for name, values in params.items() if name not in FACETS}
    return {
        "failed": list(help_reply.failed),
        "without": [
            (alternative.query, address({**params, "q": [redact(alternative.query)]}), alternative.total)
            for alternative in help_reply.without
        ],
        "without_filters": (
            address(without),
            help_reply.without_filters,
            ", ".join(name for _, name, _ in filters_in_use),
        )
        if help_reply.without_filters
        else None,
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
