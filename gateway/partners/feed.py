"""/search.atom — any search as an Atom feed (RFC 4287) with OpenSearch's counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.queries import SearchQuery, read_query
from gateway.api.search import search_request
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.partners.xml import put, written
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

MEDIA_TYPE = "application/atom+xml"
HITS = 30
# What a feed's address keeps of a search's: the question itself, not how a page shows it.
NOT_KEPT = ("cursor", "limit", "highlight", "facets", "explain", "lang")
NAMESPACES = {
    "xmlns": "http://www.w3.org/2005/Atom",
    "xmlns:opensearch": "http://a9.com/-/spec/opensearch/1.1/",
}
LONG_AGO = "1970-01-01T00:00:00Z"
_NAMED = {"id": ("Pencarian", "Semua koleksi"), "en": ("Search", "All of the collection")}


@router.get("/search.atom")
async def feed(request: Request) -> Response:
    """The first hits; a reader of feeds meets each record once, by its id. Takes what /search takes."""
    query = read_query(SearchQuery, request, strict=False)
    question = search_request(query)
    question.limit = question.limit or HITS
    del question.facets[:]
    question.highlight = question.explain = False
    reply = await call(request, catalog(request).Search, question)
    kept = [(name, value) for name, values in query.as_parameters().items() if name not in NOT_KEPT for value in values]
    made = _feed(request, kept, question, reply)
    return respond(request, written(made), MEDIA_TYPE, vary="Accept-Language, Accept-Encoding")


def _feed(
    request: Request, kept: list[tuple[str, str]], question: wire.SearchRequest, reply: wire.SearchReply
) -> Element:
    spoken = language(request)
    named, everything = _NAMED[spoken]
    element = Element("feed", {**NAMESPACES, "xml:lang": spoken})
    search, own = _address(request, "/search", kept), _address(request, "/search.atom", kept)
    dates = [_moment(hit.id) for hit in reply.hits]
    put(element, "id", own)
    put(element, "title", f"{named}: {question.query}" if question.query else everything)
    put(element, "updated", max(dates, default=LONG_AGO))
    put(put(element, "author"), "name", "Rangkiang")
    put(element, "link", rel="self", type=MEDIA_TYPE, href=_address(request, "/search.atom", [*kept, *_page(question)]))
    put(element, "link", rel="alternate", type="text/html", href=search)
    put(
        element,
        "link",
        rel="search",
        type="application/opensearchdescription+xml",
        href=absolute_url(request, "/opensearch.xml"),
    )
    if reply.next:
        following = _address(request, "/search.atom", [*kept, ("cursor", reply.next)])
        put(element, "link", rel="next", type=MEDIA_TYPE, href=following)
    put(element, "opensearch:totalResults", str(reply.total))
    put(element, "opensearch:itemsPerPage", str(question.limit))
    put(element, "opensearch:Query", role="request", searchTerms=question.query or "*")
    for hit, date in zip(reply.hits, dates, strict=True):
        _put_entry(element, request, hit, date)
    return element


def _put_entry(parent: Element, request: Request, hit: wire.Hit, date: str) -> None:
    brief: dict[str, Any] = orjson.loads(hit.brief)
    entry = put(parent, "entry")
    put(entry, "id", f"urn:uuid:{hit.id}")
    title = ": ".join(part for part in (brief["title"], brief.get("subtitle", "")) if part)
    put(entry, "title", title)
    for author in brief.get("authors", ()):
        put(put(entry, "author"), "name", author)
    put(entry, "published", date)
    put(entry, "updated", date)
    put(entry, "link", rel="alternate", type="text/html", href=absolute_url(request, f"/records/{hit.id}"))
    published = ", ".join(str(brief[key]) for key in ("publisher", "year") if brief.get(key))
    put(entry, "summary", " — ".join(part for part in (published, brief.get("summary", "")) if part) or title)


def _moment(record_id: str) -> str:
    """When a record came into the catalogue: its id says so. RFC 3339, in UTC, whole seconds."""
    milliseconds = int(record_id[:8] + record_id[9:13], 16)  # RFC 9562 §5.7
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(question: wire.SearchRequest) -> list[tuple[str, str]]:
    return [("cursor", question.cursor)] if question.cursor else []


def _address(request: Request, path: str, pairs: list[tuple[str, str]]) -> str:
    return absolute_url(request, f"{path}?{urlencode(pairs)}" if pairs else path)
