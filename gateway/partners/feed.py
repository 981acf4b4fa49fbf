"""/search.atom and /search.rss: any search as Atom (RFC 4287) or RSS 2.0, with the counts of OpenSearch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from html import escape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from xml.etree.ElementTree import Element

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.ids import moment_of
from gateway.api.queries import SearchQuery, read_query
from gateway.api.search import search_request
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.partners.xml import put, serialize
from gateway.plans import count_records
from gateway.responses import respond
from gateway.web.library import site_of
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2

router = APIRouter()

ATOM, RSS = "application/atom+xml", "application/rss+xml"
HITS = 30
# A feed's URL omits these parameters, because they belong to the page of results, not to the search.
PAGE_PARAMETERS = ("cursor", "limit", "highlight", "facets", "explain", "lang")
_ATOM_NAMESPACE, _OPENSEARCH = "http://www.w3.org/2005/Atom", "http://a9.com/-/spec/opensearch/1.1/"
_ATOM_NAMESPACES = {
    "xmlns": _ATOM_NAMESPACE,
    "xmlns:opensearch": _OPENSEARCH,
    "xmlns:at": "http://purl.org/atompub/tombstones/1.0",
}
_RSS_NAMESPACES = {
    "xmlns:atom": _ATOM_NAMESPACE,
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:opensearch": _OPENSEARCH,
}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED = {"id": ("Pencarian", "Semua koleksi"), "en": ("Search", "All of the collection")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in a feed. at: when it was created."""

    id: str
    page: str
    title: str
    authors: Sequence[str]
    summary: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of a search as a feed.

    address, page     of the feed without a cursor, and of its search for people
    own, next         of this page of the feed, and of the next one; "" for none
    description       of OpenSearch
    deleted           id and time of the records that were deleted last
    """

    language: str
    title: str
    library: str
    address: str
    page: str
    own: str
    next: str
    description: str
    total: int
    per_page: int
    query: str
    entries: Sequence[Entry]
    deleted: Sequence[tuple[str, datetime]]

    @property
    def updated(self) -> datetime:
        return max([*(entry.at for entry in self.entries), *(at for _, at in self.deleted)], default=_LONG_AGO)


@router.get("/search.atom")
async def atom(request: Request) -> Response:
    """Return the first hits of a search as a feed; parameters as of /search. An entry's id is the record's id.

    The feed of the whole collection also lists the records that were deleted last (RFC 6721).
    """
    return _respond(request, _atom(await _load(request, "/search.atom")), ATOM)


@router.get("/search.rss")
async def rss(request: Request) -> Response:
    """Return the same as RSS 2.0, which has no deletions."""
    return _respond(request, _rss(await _load(request, "/search.rss")), RSS)


def _respond(request: Request, element: Element, media_type: str) -> Response:
    return respond(request, serialize(element), media_type, vary="Accept-Language, Accept-Encoding")


async def _load(request: Request, path: str) -> Feed:
    query = read_query(SearchQuery, request)
    question = search_request(query)
    question.limit = question.limit or HITS
    del question.facets[:]
    question.highlight = question.explain = False
    question.strict = True  # a feed announces new records; partial matches would add too many entries
    reply = await call(request, catalog(request).Search, question)
    count_records(request, len(reply.hits))
    values_by_name = query.as_parameters()
    parameters = [
        (name, value) for name in values_by_name if name not in PAGE_PARAMETERS for value in values_by_name[name]
    ]
    deleted: list[forms_pb2.Listed] = []
    if not parameters and not question.cursor:
        message = forms_pb2.ListRecordsRequest(deleted=True, limit=HITS)
        deleted = list((await call(request, catalog(request).ListRecords, message)).records)
    page_language = language(request)
    search_label, all_label = _NAMED[page_language]

    def address(path: str, cursor: str = "") -> str:
        pairs = [*parameters, *([("cursor", cursor)] if cursor else [])]
        return absolute_url(request, f"{path}?{urlencode(pairs)}" if pairs else path)

    return Feed(
        language=page_language,
        title=f"{search_label}: {question.query}" if question.query else all_label,
        library=site_of(request, page_language).name,
        address=address(path),
        page=address("/search"),
        own=address(path, question.cursor),
        next=address(path, reply.next) if reply.next else "",
        description=absolute_url(request, "/opensearch.xml"),
        total=reply.total,
        per_page=question.limit,
        query=question.query,
        entries=[_entry(request, hit) for hit in reply.hits],
        deleted=[(record.id, record.deleted_at.ToDatetime(UTC)) for record in deleted],
    )


def _entry(request: Request, hit: wire.Hit) -> Entry:
    brief: dict[str, Any] = orjson.loads(hit.brief)
    title = ": ".join(part for part in (brief["title"], brief.get("subtitle", "")) if part)
    published = ", ".join(str(brief[key]) for key in ("publisher", "year") if brief.get(key))
    return Entry(
        id=f"urn:uuid:{hit.id}",
        page=absolute_url(request, f"/records/{hit.id}"),
        title=title,
        authors=brief.get("authors", ()),
        summary=" — ".join(part for part in (published, brief.get("summary", "")) if part) or title,
        at=moment_of(UUID(hit.id)),
    )


def _atom(feed: Feed) -> Element:
    element = Element("feed", {**_ATOM_NAMESPACES, "xml:lang": feed.language})
    put(element, "id", feed.address)
    put(element, "title", feed.title)
    put(element, "updated", _rfc_3339(feed.updated))
    put(put(element, "author"), "name", feed.library)
    put(element, "link", rel="self", type=ATOM, href=feed.own)
    put(element, "link", rel="alternate", type="text/html", href=feed.page)
    put(element, "link", rel="search", type="application/opensearchdescription+xml", href=feed.description)
    if feed.next:
        put(element, "link", rel="next", type=ATOM, href=feed.next)
    _put_counts(element, feed)
    # Elements of other namespaces come before the entries (RFC 4287 §4.1.1).
    for record_id, at in feed.deleted:
        put(element, "at:deleted-entry", ref=f"urn:uuid:{record_id}", when=_rfc_3339(at))
    for entry in feed.entries:
        child = put(element, "entry")
        put(child, "id", entry.id)
        put(child, "title", entry.title)
        for author in entry.authors:
            put(put(child, "author"), "name", author)
        put(child, "published", _rfc_3339(entry.at))
        put(child, "updated", _rfc_3339(entry.at))
        put(child, "link", rel="alternate", type="text/html", href=entry.page)
        put(child, "summary", entry.summary)
    return element


def _rss(feed: Feed) -> Element:
    root = Element("rss", {"version": "2.0", **_RSS_NAMESPACES})
    channel = put(root, "channel")
    put(channel, "title", f"{feed.title} — {feed.library}")
    put(channel, "link", feed.page)
    put(channel, "description", feed.title)
    put(channel, "language", feed.language)
    put(channel, "lastBuildDate", format_datetime(feed.updated))
    put(channel, "atom:link", rel="self", type=RSS, href=feed.own)
    if feed.next:
        put(channel, "atom:link", rel="next", type=RSS, href=feed.next)
    _put_counts(channel, feed)
    for entry in feed.entries:
        item = put(channel, "item")
        put(item, "title", entry.title)
        put(item, "link", entry.page)
        put(item, "guid", entry.id, isPermaLink="false")
        for author in entry.authors:
            put(item, "dc:creator", author)  # an author of RSS is an e-mail address
        put(item, "pubDate", format_datetime(entry.at))
        put(item, "description", escape(entry.summary, quote=False))  # readers show it as HTML
    return root


def _put_counts(element: Element, feed: Feed) -> None:
    put(element, "opensearch:totalResults", str(feed.total))
    put(element, "opensearch:itemsPerPage", str(feed.per_page))
    put(element, "opensearch:Query", role="request", searchTerms=feed.query or "*")


def _rfc_3339(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
