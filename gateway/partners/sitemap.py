"""/sitemap.xml and its pages list the pages of records and branches; /robots.txt excludes other pages from crawling.

A sitemap page covers a range of record numbers, so records outside the range do not change it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from html import escape
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.links import absolute_url
from gateway.responses import respond
from rangkiang.catalog.v1 import forms_pb2 as wire

router = APIRouter()

# The protocol allows 50,000 records on a page; a page of 10,000 takes 50 ms.
NUMBERS_A_PAGE = 10_000
MOST_PAGES = 50_000
MOST_KEPT = 8  # rendered pages in memory, of 1.2 MB each
# Rendered pages here and copies of caches together: a deleted record is left out within the hour.
KEPT_SECONDS = 600.0
KEPT_BY_CACHES = 3_000
MEDIA_TYPE = "application/xml"
KEEP = f"public, max-age={KEPT_BY_CACHES}"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# The number of possible searches has no limit, and the sitemap lists the records already.
NOT_FOR_CRAWLERS = (
    "/search",
    "/suggest",
    "/suggestions.json",
    "/api/",
    "/my-library",
    "/sign-in",
    "/l/",
    "/unapi",
    "/sru",
)


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in NOT_FOR_CRAWLERS)]
    lines += ["", f"Sitemap: {absolute_url(request, '/sitemap.xml')}", ""]
    return respond(request, "\n".join(lines).encode(), "text/plain; charset=utf-8", cache=KEEP, vary="Accept-Encoding")


@router.get("/sitemap.xml")
async def index(request: Request) -> Response:
    """Return the sitemap index: the page of branches, and one page per range of record numbers."""
    reply = await call(request, catalog(request).ListRecords, wire.ListRecordsRequest(limit=1))
    pages = min(MOST_PAGES, max(1, -(-reply.highest // NUMBERS_A_PAGE)))
    lines = [
        f"<sitemap><loc>{escape(absolute_url(request, f'/sitemap/{page}.xml'))}</loc></sitemap>"
        for page in ("branches", *range(1, pages + 1))
    ]
    body = _document("sitemapindex", lines)
    return respond(request, body, MEDIA_TYPE, cache=KEEP, vary="Accept-Encoding")


@router.get("/sitemap/branches.xml")
async def branches(request: Request) -> Response:
    """Return the sitemap page of branches: the list of branches, and the page of each branch."""
    directory = await libraries(request).directory()
    paths = [f"/branches/{institution}/{quote(code, safe='')}" for institution, code in directory.branches]
    lines = [f"<url><loc>{escape(absolute_url(request, path))}</loc></url>" for path in ("/branches", *paths)]
    return respond(request, _document("urlset", lines), MEDIA_TYPE, cache=KEEP, vary="Accept-Encoding")


@router.get("/sitemap/{page}.xml")
async def page(request: Request) -> Response:
    """Return the sitemap page of one range of records, each with the time of its last change."""
    segment = request.path_params["page"]
    number = int(segment) if segment.isascii() and segment.isdigit() and len(segment) < 6 else 0
    if not 0 < number <= MOST_PAGES or segment != str(number):
        raise _no_page(segment)
    address = absolute_url(request, request.url.path)
    body = page_cache.get(address)
    if body is None:
        body = await _render(request, number)
        page_cache.put(address, body)
    return respond(request, body, MEDIA_TYPE, cache=KEEP, vary="Accept-Encoding")


async def _render(request: Request, number: int) -> bytes:
    """Render the page of one range.

    raises  NotFound  PAGE_NOT_FOUND
    """
    first = (number - 1) * NUMBERS_A_PAGE
    message = wire.ListRecordsRequest(after=first, limit=NUMBERS_A_PAGE)
    reply = await call(request, catalog(request).ListRecords, message)
    if number > 1 and reply.highest <= first:
        raise _no_page(str(number))
    prefix = escape(absolute_url(request, "/records/"))
    records = [record for record in reply.records if record.number <= first + NUMBERS_A_PAGE]
    return await asyncio.to_thread(lambda: _document("urlset", _lines(prefix, records)))


def _lines(prefix: str, records: list[wire.Listed]) -> list[str]:
    return [
        f"<url><loc>{prefix}{record.id}</loc><lastmod>{record.updated_at.ToDatetime():%Y-%m-%dT%H:%M:%SZ}</lastmod></url>"
        for record in records
    ]


def _document(name: str, lines: list[str]) -> bytes:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">\n'
    return (body + "\n".join([*lines, f"</{name}>\n"])).encode()


class PageCache:
    """Cache of rendered sitemap pages. Rendering a page takes as long as a hundred searches."""

    def __init__(self) -> None:
        self.pages: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, address: str) -> bytes | None:
        """Return the page of an address; None when it is not cached or too old."""
        until, body = self.pages.get(address, (0.0, b""))
        return body if time.monotonic() < until else None

    def put(self, address: str, body: bytes) -> None:
        self.pages[address] = time.monotonic() + KEPT_SECONDS, body
        self.pages.move_to_end(address)
        if len(self.pages) > MOST_KEPT:
            self.pages.popitem(last=False)


page_cache = PageCache()


def _no_page(segment: str) -> NotFound:
    return NotFound("PAGE_NOT_FOUND", page=segment[:20])
