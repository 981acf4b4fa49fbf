"""/search.atom: any search as an Atom feed (RFC 4287) with the counts of OpenSearch."""

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
from gateway.partners.xml import put, serialize
from gateway.responses import respond
from gateway.web.library import site_of
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2

router = APIRouter()

MEDIA_TYPE = "application/atom+xml"
HITS = 30
# A feed's URL omits these parameters, because they belong to the page of results, not to the search.
PAGE_PARAMETERS = ("cursor", "limit", "highlight", "facets", "explain", "lang")
NAMESPACES = {
    "xmlns": "http://www.w3.org/2005/Atom",
    "xmlns:opensearch": "http://a9.com/-/spec/opensearch/1.1/",
    "xmlns:at": "http://purl.org/atompub/tombstones/1.0",
}
LONG_AGO = "1970-01-01T00:00:00Z"
_NAMED = {"id": ("Pencarian", "Semua koleksi"), "en": ("Search", "All of the collection")}


@router.get("/search.atom")
async def feed(request: Request) -> Response:
    """Return the first hits of a search as a feed; parameters as of /search. An entry's id is the record's id.

    The feed of the whole collection also lists the records that were deleted last (RFC 6721).
    """
    query = read_query(SearchQuery, request)
    question = search_request(query)
    question.limit = question.limit or HITS
    del question.facets[:]
    question.highlight = question.explain = False
    question.strict = True  # a feed announces new records; partial matches would add too many entries
    reply = await call(request, catalog(request).Search, question)
    values_by_name = query.as_parameters()
    parameters = [
        (name, value) for name in values_by_name if name not in PAGE_PARAMETERS for value in values_by_name[name]
    ]
    deleted: list[forms_pb2.Listed] = []
    if not parameters and not question.cursor:
        message = forms_pb2.ListRecordsRequest(deleted=True, limit=HITS)
        deleted = list((await call(request, catalog(request).ListRecords, message)).records)
    element = _feed(request, parameters, question, reply, deleted)
    return respond(request, serialize(element), MEDIA_TYPE, vary="Accept-Language, Accept-Encoding")


def _feed(
    request: Request,
    parameters: list[tuple[str, str]],
    question: wire.SearchRequest,
    reply: wire.SearchReply,
    deleted: list[forms_pb2.Listed],
) -> Element:
    page_language = language(request)
    search_label, all_label = _NAMED[page_language]
    element = Element("feed", {**NAMESPACES, "xml:lang": page_language})
    search, feed_address = _address(request, "/search", parameters), _address(request, "/search.atom", parameters)
    dates = [_moment(hit.id) for hit in reply.hits]
    deletions = [f"{record.deleted_at.ToDatetime():%Y-%m-%dT%H:%M:%SZ}" for record in deleted]
    put(element, "id", feed_address)
    put(element, "title", f"{search_label}: {question.query}" if question.query else all_label)
    put(element, "updated", max([*dates, *deletions], default=LONG_AGO))
    put(put(element, "author"), "name", site_of(request, page_language).name)
    this_page = _address(request, "/search.atom", [*parameters, *_page(question)])
    put(element, "link", rel="self", type=MEDIA_TYPE, href=this_page)
    put(element, "link", rel="alternate", type="text/html", href=search)
    put(
        element,
        "link",
        rel="search",
        type="application/opensearchdescription+xml",
        href=absolute_url(request, "/opensearch.xml"),
    )
    if reply.next:
        following = _address(request, "/search.atom", [*parameters, ("cursor", reply.next)])
        put(element, "link", rel="next", type=MEDIA_TYPE, href=following)
    put(element, "opensearch:totalResults", str(reply.total))
    put(element, "opensearch:itemsPerPage", str(question.limit))
    put(element, "opensearch:Query", role="request", searchTerms=question.query or "*")
    # Elements of other namespaces come before the entries (RFC 4287 §4.1.1).
    for record, date in zip(deleted, deletions, strict=True):
        put(element, "at:deleted-entry", ref=f"urn:uuid:{record.id}", when=date)
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
    """Return when a record was created, from its id (UUIDv7): RFC 3339, UTC, whole seconds."""
    milliseconds = int(record_id[:8] + record_id[9:13], 16)  # RFC 9562 §5.7
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _page(question: wire.SearchRequest) -> list[tuple[str, str]]:
    return [("cursor", question.cursor)] if question.cursor else []


def _address(request: Request, path: str, pairs: list[tuple[str, str]]) -> str:
    return absolute_url(request, f"{path}?{urlencode(pairs)}" if pairs else path)
