"""/opensearch.xml describes the search for browsers (OpenSearch 1.1); /suggestions.json completes typed text."""

from __future__ import annotations

from urllib.parse import urlencode
from xml.etree.ElementTree import Element

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.queries import SuggestQuery, read_query
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import LANGUAGES
from gateway.partners.xml import put, serialize
from gateway.responses import respond
from gateway.web.library import site_of
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

NAMESPACE = "http://a9.com/-/spec/opensearch/1.1/"
MEDIA_TYPE = "application/opensearchdescription+xml"
SUGGESTIONS = "application/x-suggestions+json"
# OpenSearch 1.1 §4.1.
LONGEST_SHORT_NAME, LONGEST_LONG_NAME = 16, 48
KEEP = "public, max-age=86400"


@router.get("/opensearch.xml")
async def description(request: Request) -> Response:
    element = Element("OpenSearchDescription", {"xmlns": NAMESPACE})
    site = site_of(request, LANGUAGES[0])
    put(element, "ShortName", site.short_name if len(site.short_name) <= LONGEST_SHORT_NAME else "Katalog")
    put(element, "Description", "Cari di katalog perpustakaan — Search the libraries' catalogue")
    put(element, "LongName", site.name[:LONGEST_LONG_NAME])
    for media, template, rel in (
        ("text/html", "/search?q={searchTerms}", ""),
        ("application/atom+xml", "/search.atom?q={searchTerms}", ""),
        (SUGGESTIONS, "/suggestions.json?q={searchTerms}", "suggestions"),
    ):
        put(element, "Url", type=media, template=absolute_url(request, template), rel=rel)
    put(element, "Url", type=MEDIA_TYPE, template=absolute_url(request, "/opensearch.xml"), rel="self")
    put(element, "Query", role="example", searchTerms="surau")
    for language in ("id", "en"):
        put(element, "Language", language)
    put(element, "InputEncoding", "UTF-8")
    put(element, "OutputEncoding", "UTF-8")
    return respond(request, serialize(element), MEDIA_TYPE, cache=KEEP, vary="Accept-Encoding")


@router.get("/suggestions.json")
async def suggestions(request: Request) -> Response:
    """Return `[typed, [completions], [kinds], [URLs]]` (OpenSearch Suggestions 1.1)."""
    query = read_query(SuggestQuery, request)
    typed = query.q
    message = wire.SuggestRequest(prefix=typed, limit=query.limit)
    suggestions_found = (await call(request, catalog(request).Suggest, message)).suggestions
    body = [
        typed,
        [suggestion.text for suggestion in suggestions_found],
        [suggestion.kind for suggestion in suggestions_found],
        [
            absolute_url(
                request,
                f"/records/{suggestion.id}" if suggestion.id else f"/search?{urlencode({'q': suggestion.text})}",
            )
            for suggestion in suggestions_found
        ],
    ]
    return respond(request, orjson.dumps(body), SUGGESTIONS, vary="Accept-Encoding")
