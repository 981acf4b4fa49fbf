"""/records/{id} — all that is known of a record, where it is, and its MARC to take away."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.records import marc, readable
from gateway.deps import ask, catalog, language
from gateway.web.rendering import page
from gateway.web.results import ABSENT, holdings, said, shelf
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

# Ending of the file a reader takes away -> what it is.
DOWNLOADS = {"mrc": "application/marc", "xml": "application/marcxml+xml", "json": "application/marc-in-json"}
SAFE_SCHEMES = ("https://", "http://", "ftp://")
# Display keys shown as plain facts, in this order.
PLAIN = ("titles_other", "edition", "extent", "series", "contents")


@router.get("/records/{record_id}.{ending}")
async def download(request: Request) -> Response:
    """The record whole, as a file."""
    record_id, ending = request.path_params["record_id"], request.path_params["ending"]
    if ending not in DOWNLOADS:
        record_id = f"{record_id}.{ending}"
    readable(record_id)
    named = {"Content-Disposition": f'attachment; filename="{record_id}.{ending}"'}
    return await marc(request, record_id, DOWNLOADS[ending], named)


@router.get("/records/{record_id}")
async def record(request: Request) -> Response:
    record_id = readable(request.path_params["record_id"])
    stub, speaks = catalog(request), language(request)
    reply, libraries = await asyncio.gather(
        ask(request, stub.GetRecord, wire.GetRecordRequest(id=record_id)),
        ask(request, stub.ListInstitutions, wire.ListInstitutionsRequest()),
    )
    shown: dict[str, Any] = {**ABSENT, **orjson.loads(reply.display)}
    places = holdings(reply.holdings, speaks)
    return page(
        request,
        "record.html",
        query="",
        id=reply.id,
        record=shown,
        shelf=shelf(shown["ddc"] or ""),
        authors=[(name, f"/search?{urlencode({'author': name})}") for name in shown["authors"] or ()],
        subjects=[(name, f"/search?{urlencode({'subject': name})}") for name in shown.get("subjects", ())],
        plain=[(key, _lines(shown[key])) for key in PLAIN if shown.get(key)],
        identifiers=[(kind, values) for kind, values in shown.get("identifiers", {}).items() if values],
        holdings=places,
        institutions={each.code: said(each.name, speaks) or each.code for each in libraries.institutions},
        items=sum(place["items"] for place in places),
        available=sum(place["available"] for place in places),
        links=[link for link in shown.get("links", ()) if link["url"].lower().startswith(SAFE_SCHEMES)],
        downloads=DOWNLOADS,
        source=reply.source,
    )


def _lines(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
