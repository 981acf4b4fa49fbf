"""/daia: whether the items of records can be used, as DAIA 1.0 in JSON, for discovery systems such as VuFind."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Gone, Invalid, NotFound
from chassis.queries import QueryModel, text
from gateway.api.queries import read_query
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.problems import NotAcceptable
from gateway.responses import respond
from gateway.web.library import site_of
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

MEDIA_TYPE: Final = "application/json"
MOST_IDS: Final = 100
CALLS_AT_ONCE: Final = 8
_LOAN, _READING, _ONLINE = "loan", "presentation", "openaccess"
# Availability of an item -> the services that are available, and those that are not.
_SERVICES: Final = {
    "can_be_borrowed": ((_LOAN, _READING), ()),
    "online": ((_ONLINE,), ()),
    "read_here_only": ((_READING,), (_LOAN,)),
    "ask_the_library": ((), (_LOAN, _READING)),
    "out_until": ((), (_LOAN, _READING)),
    "not_available": ((), (_LOAN, _READING)),
}


class DaiaQuery(QueryModel):
    id: str = text("Ids of records, as UUID or urn:uuid, with or without a prefix; `|` between them.", longest=6_000)
    format: str = text("`json`, the only format of DAIA 1.0.", longest=10)


@router.get("/daia")
async def daia(request: Request) -> Response:
    """Return the items of the records that exist; others are left out of `document`, as DAIA asks."""
    query = read_query(DaiaQuery, request)
    if query.format not in ("", "json"):
        raise NotAcceptable("FORMAT_UNKNOWN", format=query.format, known=["json"])
    requested = list(dict.fromkeys(part for part in query.id.split("|") if part))
    if len(requested) > MOST_IDS:
        raise Invalid("IDS_TOO_MANY", most=MOST_IDS, ids=len(requested))
    at_once = asyncio.Semaphore(CALLS_AT_ONCE)
    documents = await asyncio.gather(*(_document(request, at_once, identifier) for identifier in requested))
    body = {
        "document": [document for document in documents if document is not None],
        "institution": {"content": site_of(request, language(request)).name, "href": absolute_url(request, "/")},
        "timestamp": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}",
    }
    return respond(request, orjson.dumps(body), MEDIA_TYPE, cache="no-store", vary="Accept-Language, Accept-Encoding")


async def _document(request: Request, at_once: asyncio.Semaphore, identifier: str) -> dict[str, Any] | None:
    """Return the document of a record; None when there is no such record."""
    try:
        record_id = check_record_id(identifier.rpartition(":")[2].lower())
        async with at_once:
            reply = await call(request, catalog(request).ListItems, wire.ListItemsRequest(record_id=record_id))
    except (NotFound, Gone):
        return None
    page = absolute_url(request, f"/records/{record_id}")
    items = [_item(item, page) for item in reply.items]
    return {"id": f"urn:uuid:{record_id}", "requested": identifier, "href": page, "item": items}


def _item(item: wire.Item, page: str) -> dict[str, Any]:
    available, unavailable = _SERVICES[item.availability]
    members: dict[str, Any] = {
        "id": f"urn:uuid:{item.id}",
        "href": page,
        "department": {"id": item.branch, "content": item.branch_name.id or item.branch},
        "available": [{"service": service} for service in available],
        # Without an address, VuFind shows no item that has no available service and no date.
        "unavailable": [
            {"service": service, "href": page} | ({"expected": item.due_on} if item.due_on else {})
            for service in unavailable
        ],
    }
    if item.call_number:
        members["label"] = item.call_number
    if item.room:
        members["storage"] = {"content": item.room}
    if item.enumeration or item.chronology:
        members["chronology"] = {"about": " ".join(part for part in (item.enumeration, item.chronology) if part)}
    return members
