"""/sitemap.xml and its pages, and /robots.txt: which pages there are, and which are not worth a crawler's visit.

A page covers a range of record numbers, so that it stays the same while records come in elsewhere.
"""

from __future__ import annotations

import asyncio
from html import escape

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.responses import respond
from rangkiang.catalog.v1 import forms_pb2 as wire

router = APIRouter()

# The protocol allows 50,000; so many are made in 50 ms.
NUMBERS_A_PAGE = 10_000
MOST_PAGES = 50_000
MEDIA_TYPE = "application/xml"
KEEP = "public, max-age=3600"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# Searches are endless; the records they lead to are in the sitemap.
NOT_FOR_CRAWLERS = ("/search", "/suggest", "/suggestions.json", "/api/", "/my-library", "/unapi")


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in NOT_FOR_CRAWLERS)]
    lines += ["", f"Sitemap: {absolute_url(request, '/sitemap.xml')}", ""]
    return respond(request, "\n".join(lines).encode(), "text/plain; charset=utf-8", cache=KEEP, vary="Accept-Encoding")


@router.get("/sitemap.xml")
async def index(request: Request) -> Response:
    """The pages of the sitemap: one for each range of numbers up to the highest."""
    reply = await call(request, catalog(request).ListRecords, wire.ListRecordsRequest(limit=1))
    pages = min(MOST_PAGES, max(1, -(-reply.highest // NUMBERS_A_PAGE)))
    lines = [
        f"<sitemap><loc>{escape(absolute_url(request, f'/sitemap/{page}.xml'))}</loc></sitemap>"
        for page in range(1, pages + 1)
    ]
    return _document(request, "sitemapindex", lines)


@router.get("/sitemap/{page}.xml")
async def page(request: Request) -> Response:
    """Records of one range, each with when it last changed."""
    asked = request.path_params["page"]
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    if not 0 < number <= MOST_PAGES or asked != str(number):
        raise _no_page(asked)
    first = (number - 1) * NUMBERS_A_PAGE
    message = wire.ListRecordsRequest(after=first, limit=NUMBERS_A_PAGE)
    reply = await call(request, catalog(request).ListRecords, message)
    if number > 1 and reply.highest <= first:
        raise _no_page(asked)
    where = escape(absolute_url(request, "/records/"))
    listed = [record for record in reply.records if record.number <= first + NUMBERS_A_PAGE]
    lines = await asyncio.to_thread(_lines, where, listed)
    return _document(request, "urlset", lines)


def _lines(where: str, listed: list[wire.Listed]) -> list[str]:
    return [
        f"<url><loc>{where}{each.id}</loc><lastmod>{each.updated_at.ToDatetime():%Y-%m-%dT%H:%M:%SZ}</lastmod></url>"
        for each in listed
    ]


def _document(request: Request, name: str, lines: list[str]) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">\n'
    body += "\n".join([*lines, f"</{name}>\n"])
    return respond(request, body.encode(), MEDIA_TYPE, cache=KEEP, vary="Accept-Encoding")


def _no_page(asked: str) -> NotFound:
    return NotFound("PAGE_NOT_FOUND", page=asked[:20])
