"""/records/{id}: the page of a record, with its data, items, shelf neighbours, similar records and downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway import query_log
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.formats import FORMATS
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.partners.coins import title_of
from gateway.sessions import session_of
from gateway.web import preferences
from gateway.web.covers.images import find_picture, isbns, names
from gateway.web.hits import ABSENT, brief_record, hit, holdings, local_text, shelf
from gateway.web.library import with_pages
from gateway.web.rendering import in_script, page
from gateway.web.site.citing import citations
from gateway.web.site.record_rows import is_right_to_left, online_links, rows, titles_beside, web_addresses
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2, forms_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

NEIGHBOURS_A_SIDE, SIMILAR, BY_AUTHOR = 3, 6, 6
# More similar records are read than shown, because those that the list of the author's records has are omitted.
SIMILAR_READ = SIMILAR + BY_AUTHOR
# Availability answers, the best for a reader first.
ANSWERS = ("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available")
# A title with more characters, or with a longer word, is shown in a smaller font.
LONG_TITLE, LONG_WORD = 60, 14
LONGEST_DESCRIPTION = 300
# Number of branches that are shown at first; readers can expand the others.
MOST_BRANCHES = 8
# Number of items on a page, because some serials have very many. The page shows how many more there are.
MOST_ITEMS = 200

Reply = TypeVar("Reply")


@router.get("/records/{record_id}")
async def record(request: Request) -> Response:
    record_id = check_record_id(request.path_params["record_id"])
    query_log.log_opened_hit(request)
    stub, words, mine = catalog(request), wording(language(request)), preferences.branch(request)
    permalink = absolute_url(request, f"/records/{record_id}")
    list_neighbours = browsing_pb2.ListNeighboursRequest(record_id=record_id, branch=mine, limit=NEIGHBOURS_A_SIDE)
    list_similar = browsing_pb2.ListSimilarRequest(record_id=record_id, limit=SIMILAR_READ)
    get_form = forms_pb2.GetFormRequest(id=record_id, form="jsonld", address=permalink)
    reply, libraries, items, neighbours, similar, linked_data = await asyncio.gather(
        call(request, stub.GetRecord, wire.GetRecordRequest(id=record_id, branch=mine)),
        call(request, stub.ListInstitutions, wire.ListInstitutionsRequest()),
        call(request, stub.ListItems, wire.ListItemsRequest(record_id=record_id, branch=mine)),
        optional(call(request, stub.ListNeighbours, list_neighbours)),
        optional(call(request, stub.ListSimilar, list_similar)),
        optional(call(request, stub.GetForm, get_form)),
    )
    display: dict[str, Any] = {**ABSENT, **orjson.loads(reply.display)}
    branch_holdings = await with_pages(request, holdings(reply.holdings, words.language), words.language)
    by_author = await _by_author(request, display, record_id, mine, words.language)
    listed = {entry["id"] for entry in by_author}
    session = session_of(request)
    own, scopes = (session.account.institution, session.account.scopes) if session else ("", frozenset())
    others = [entry for entry in (similar.similar if similar else ()) if entry.record.id not in listed][:SIMILAR]
    similar_records = [brief_record(entry.record, words.language) for entry in others]
    return page(
        request,
        "record.html",
        id=reply.id,
        version=reply.version,
        record=display,
        rtl=is_right_to_left(display["title"]),
        is_long=is_long(display),
        parallel=titles_beside(display, words),
        rows=rows(display, words),
        online=online_links(display, words),
        shelf=shelf(display["ddc"] or ""),
        by=[(name, f"/search?{urlencode({'author': name})}") for name in names(display)],
        by_author=by_author,
        best=best_answer(branch_holdings),
        about=about(display, branch_holdings, words),
        branch_holdings=_with_items(branch_holdings, items, own if "items.edit" in scopes else ""),
        staff_links=staff_links(reply.id, is_own=reply.institution == own) if "catalog.edit" in scopes else (),
        institutions={
            institution.code: local_text(institution.name, words.language) or institution.code
            for institution in libraries.institutions
        },
        most_branches=MOST_BRANCHES,
        items=sum(holding["items"] for holding in branch_holdings),
        available=sum(holding["available"] for holding in branch_holdings),
        mine=mine,
        work=reply.work_id if reply.editions > 1 else "",
        editions=reply.editions,
        neighbours=spines(neighbours, words.language),
        shelf_name=local_text(neighbours.branch_name, words.language) if neighbours else "",
        similar=similar_records,
        reasons=[
            (entry["title"], local_text(shown.reason, words.language))
            for entry, shown in zip(similar_records, others, strict=True)
        ],
        addresses=web_addresses(display),
        citations=citations(display, words.language),
        downloads=downloads(reply.id, words),
        permalink=permalink,
        coins=title_of(display, address=permalink),
        linked_data=in_script(orjson.loads(linked_data.content)) if linked_data else "",
        pictured=find_picture(request.app.state.settings.covers, isbns(display)) is not None,
    )


def is_long(display: dict[str, Any]) -> bool:
    """Return True for a title that needs a smaller font on a phone."""
    words = f"{display['title']} {display['subtitle'] or ''}".replace("-", " ").split()
    return len(" ".join(words)) > LONG_TITLE or max(map(len, words), default=0) > LONG_WORD


def best_answer(branch_holdings: list[dict[str, Any]]) -> str:
    """Return the best availability answer of all branches, for the top of the page; "" without items."""
    answers = {holding["answer"] for holding in branch_holdings}
    return next((answer for answer in ANSWERS if answer in answers), "")


def about(display: dict[str, Any], branch_holdings: list[dict[str, Any]], words: Wording) -> str:
    """Return the description of the record for link previews: availability, responsibility, imprint and summary."""
    best = best_answer(branch_holdings)
    answer = words.code("answer", best) if best else words.say("record.nowhere")
    where = [holding["name"] for holding in branch_holdings if holding["answer"] == best]
    if len(where) > 1:
        answer = f"{answer}: {words.count('home.branches', len(where))}"
    elif where:
        answer = f"{answer}: {where[0]}"
    imprint = ", ".join(str(value) for value in (display["publisher"], display["year"]) if value)
    texts = (answer, display["responsibility"] or "; ".join(names(display)[:3]), imprint, display["summary"] or "")
    return " · ".join(text for text in texts if text)[:LONGEST_DESCRIPTION]


async def _by_author(
    request: Request, display: dict[str, Any], record_id: str, mine: str, lang: str
) -> list[dict[str, Any]]:
    """Return other records by the first author, one per work; empty when the search fails."""
    author = next(filter(None, names(display)), "")
    if not author:
        return []
    search = wire.SearchRequest(
        filters=[facets_pb2.Filter(facet="author", values=[author])], limit=BY_AUTHOR + 1, by_work=True, branch=mine
    )
    reply = await optional(call(request, catalog(request).Search, search))
    results = [result for result in reply.hits if result.id != record_id] if reply else []
    return [{**hit(result, lang), "editions": 0} for result in results[:BY_AUTHOR]]


def downloads(record_id: str, words: Wording) -> list[tuple[str, str, str]]:
    """Return (URL, name, media type) of each download of a record."""
    return [
        (f"/records/{record_id}.{ending}", getattr(form.label, words.language), form.media_type)
        for ending, form in sorted(FORMATS.items(), key=lambda item: item[1].place)
        if form.place
    ]


async def optional(reply: Awaitable[Reply]) -> Reply | None:
    """Return the reply for an optional part of a page, or None when the call fails."""
    try:
        return await reply
    except Error:
        return None


def spines(reply: browsing_pb2.ListNeighboursReply | None, lang: str) -> list[dict[str, Any]]:
    """Return the shelf neighbours for templates, in shelf order; empty when there are fewer than two."""
    if reply is None or len(reply.neighbours) < 2:
        return []
    return [
        {
            **brief_record(neighbour.record, lang),
            "call_number": _on_a_spine(neighbour.call_number),
            "here": neighbour.here,
        }
        for neighbour in reply.neighbours
    ]


def _on_a_spine(call_number: str) -> str:
    """Return a call number with a no-break space before its last part."""
    return "\u00a0".join(call_number.rsplit(" ", 1))


def staff_links(record_id: str, *, is_own: bool) -> list[tuple[str, str]]:
    """Return (path, text key) of the pages for cataloguers; those that edit are for records of their institution."""
    path = f"/catalogue/records/{record_id}"
    edits = [
        (f"{path}/edit", "edits.way"),
        (f"/catalogue/new?record={record_id}", "catalogue.add_items"),
        (f"{path}/versions", "versions.heading"),
    ]
    return [*(edits if is_own else ()), (f"/catalogue/records/new?from={record_id}", "edits.copy")]


def _with_items(branch_holdings: list[dict[str, Any]], reply: wire.ListItemsReply, own: str) -> list[dict[str, Any]]:
    """Return each branch with its items, at most MOST_ITEMS in total.

    own  institution whose items the reader may edit; "" for none
    """
    by_branch: dict[str, list[dict[str, Any]]] = {}
    for item in reply.items[:MOST_ITEMS]:
        by_branch.setdefault(item.branch, []).append(
            {
                "call_number": item.call_number,
                "volume": ", ".join(value for value in (item.enumeration, item.chronology) if value),
                "copy_note": f"c.{item.copy}" if item.copy.isdigit() else item.copy,
                "collection": item.collection,
                "room": item.room,
                "pieces": item.pieces,
                "answer": item.availability,
                "due_on": item.due_on,
                "barcode": item.barcode,
                "address": f"/catalogue/items/{item.id}" if item.institution == own else "",
            }
        )
    return [{**holding, "pieces": by_branch.get(holding["branch"], [])} for holding in branch_holdings]
