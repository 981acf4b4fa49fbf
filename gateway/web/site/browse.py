"""/browse: ordered lists of authors, subjects, series, titles and call numbers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.errors import NotFound
from chassis.queries import OneOf, QueryModel, text
from gateway.api.queries import read_query
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web.hits import brief_record
from gateway.web.rendering import page
from rangkiang.catalog.v1 import browsing_pb2

router = APIRouter()

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HUNDREDS = tuple(f"{digit}00" for digit in range(10))
KINDS = ("author", "title", "subject", "series", "call_number")
# Kinds whose headings are values of the facet with the same name. A title or a call number is one record.
FACETED = ("author", "subject", "series")
BEFORE, AFTER = 4, 20


class BrowseQuery(QueryModel):
    term: str = text("Heading at which to open the list.")
    cursor: str = text("Cursor of another page.", longest=500)
    kind: Annotated[str, OneOf(KINDS)] = ""


@router.get("/browse")
async def which(request: Request) -> Response:
    """Show the kinds of lists. With `kind`, redirect to that list."""
    query = read_query(BrowseQuery, request)
    if query.kind:
        return RedirectResponse(list_address(query.kind, term=query.term), status_code=303)
    return page(request, "browse.html", kind="", kinds=KINDS, term="", letters=[], headings=[], before="", after="")


@router.get("/browse/{kind}")
async def headings(request: Request) -> Response:
    kind = request.path_params["kind"]
    if kind not in KINDS:
        raise NotFound("LIST_NOT_FOUND", kind=kind[:80])
    query = read_query(BrowseQuery, request)
    term, cursor = query.term, query.cursor
    message = browsing_pb2.BrowseRequest(kind=kind, term=term, cursor=cursor, before=BEFORE if term else 0, after=AFTER)
    reply = await call(request, catalog(request).Browse, message)
    lang = language(request)
    return page(
        request,
        "browse.html",
        kind=kind,
        kinds=KINDS,
        term=term,
        letters=[
            (place, list_address(kind, term=place), term.upper() == place)
            for place in (HUNDREDS if kind == "call_number" else LETTERS)
        ],
        headings=[
            _heading(kind, heading, lang, here=bool(term) and not cursor and place == reply.place)
            for place, heading in enumerate(reply.headings)
        ],
        before=list_address(kind, cursor=reply.previous) if reply.previous else "",
        after=list_address(kind, cursor=reply.next) if reply.next else "",
    )


def list_address(kind: str, **parameters: str) -> str:
    """Return the URL of a position in a list."""
    rest = {name: value for name, value in parameters.items() if value}
    return f"/browse/{kind}?{urlencode(rest)}" if rest else f"/browse/{kind}"


def _heading(kind: str, entry: browsing_pb2.Heading, lang: str, *, here: bool) -> dict[str, Any]:
    one_record = brief_record(entry.record, lang) if entry.HasField("record") else None
    if one_record:
        address = f"/records/{one_record['id']}"
    elif kind in FACETED:
        address = f"/search?{urlencode({kind: entry.text})}"
    else:
        address = f"/search?{urlencode({'q': quote_phrase(entry.text)})}"
    return {
        "text": entry.text,
        "count": entry.count,
        "address": address if entry.count or one_record else "",
        "see": [(term, list_address(kind, term=term)) for term in entry.see],
        "see_also": [(term, list_address(kind, term=term)) for term in entry.see_also],
        "beside": _beside(kind, one_record) if one_record else "",
        "here": here,
    }


def _beside(kind: str, record: dict[str, Any]) -> str:
    """Return the text next to the heading of one record: the author (for a call number, the title) and the year."""
    name = record["title"] if kind == "call_number" else (record["authors"] or [""])[0]
    return ", ".join(str(part) for part in (name, record["year"]) if part)


def quote_phrase(text: str) -> str:
    """Return a heading as a quoted phrase for a search."""
    return f'"{text.replace(chr(34), " ").strip()}"'
