"""/daia: whether the items of records can be used, as DAIA 1.0 in JSON, for discovery systems such as VuFind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Error, Gone, Invalid, NotFound
from chassis.queries import QueryModel, text
from gateway import problems
from gateway.api.queries import read_query
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.web.library import site_of
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

PATH: Final = "/daia"
MOST_IDS: Final = 100
CALLS_AT_ONCE: Final = 8
_LOAN, _READING, _ONLINE = "loan", "presentation", "remote"
# Availability of an item -> the services that are available, and those that are not.
_SERVICES: Final = {
    "can_be_borrowed": ((_LOAN, _READING), ()),
    # Not openaccess: that means use without sign-in, which a record does not say.
    "online": ((_ONLINE, _READING), ()),
    "read_here_only": ((_READING,), (_LOAN,)),
    "ask_the_library": ((), (_LOAN, _READING)),
    "out_until": ((), (_LOAN, _READING)),
    "not_available": ((), (_LOAN, _READING)),
}
_HEADERS: Final = {"Access-Control-Allow-Origin": "*", "X-DAIA-Version": "1.0.0"}
_CALLBACK: Final = re.compile(r"[A-Za-z0-9_]{1,100}")
# HTTP status -> error code of DAIA.
_CODES: Final = {
    401: "invalid_grant", 403: "insufficient_scope", 405: "invalid_request", 422: "invalid_request",
    501: "not_implemented", 503: "service_unavailable", 504: "gateway_timeout",
}  # fmt: skip


class DaiaQuery(QueryModel):
    id: str = text("Ids of records, as UUID or urn:uuid, with or without a prefix; `|` between them.", longest=6_000)
    format: str = text("`json`, the only format of DAIA 1.0.", longest=10)
    callback: str = text("Name of a function: the response is JSONP.", longest=100)


class _NotImplemented(Error):
    http_status = 501


@router.api_route(PATH, methods=["GET", "OPTIONS"])
async def daia(request: Request) -> Response:
    """Return the items of the records that exist; others are left out of `document`, as DAIA asks."""
    if request.method == "OPTIONS":
        headers = {"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS", "Access-Control-Allow-Headers": "Accept"}
        return Response(status_code=204, headers=_HEADERS | headers)
    query = read_query(DaiaQuery, request)
    for name in ("patron", "patron-type", "access_token"):
        if name in request.query_params:
            raise _NotImplemented("DAIA_NOT_FOR_PATRONS", parameter=name)
    if query.format not in ("", "json"):
        raise Invalid("FORMAT_UNKNOWN", format=query.format, known=["json"])
    if query.callback and not _CALLBACK.fullmatch(query.callback):
        raise Invalid("PARAMETER_NOT_TEXT", parameter="callback")
    requested = list(dict.fromkeys(part for part in query.id.split("|") if part))
    if not requested:
        raise Invalid("PARAMETER_MISSING", parameter="id")
    at_once = asyncio.Semaphore(CALLS_AT_ONCE)
    # A document is listed once, whatever identifiers it was requested by.
    by_id = {_record_id(identifier): identifier for identifier in reversed(requested[:MOST_IDS])}
    documents = await asyncio.gather(
        *(_document(request, at_once, record_id, by_id[record_id]) for record_id in reversed(by_id))
    )
    body = {
        "document": [document for document in documents if document is not None],
        "institution": {"content": site_of(request, language(request)).name, "href": absolute_url(request, "/")},
        "timestamp": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}",
    }
    headers = {}
    if requested[MOST_IDS:]:
        rest = {**request.query_params, "id": "|".join(requested[MOST_IDS:])}
        headers["Link"] = f'<{absolute_url(request, PATH)}?{urlencode(rest)}>; rel="next"'
    return _response(request, body, headers=headers)


def refuse(request: Request, error: Error) -> Response:
    """Return the error response of DAIA 1.0; with status 200 when the caller wants no other."""
    status = 422 if error.http_status == 400 else error.http_status
    body = {
        "error": _CODES.get(status, error.reason.lower()),
        "code": status,
        "error_description": error.sentence.in_language(language(request)),
        "error_uri": absolute_url(request, f"{problems.PAGES}/{error.reason}"),
    }
    if "suppress_response_codes" in request.query_params:
        status = 200
    return _response(request, body, headers=problems.headers(error, language(request)), status=status)


def _response(request: Request, body: Any, *, headers: Mapping[str, str], status: int = 200) -> Response:
    content, callback = orjson.dumps(body), request.query_params.get("callback", "")
    media_type = "application/json"
    if _CALLBACK.fullmatch(callback):
        content, media_type = callback.encode() + b"(" + content + b");", "application/javascript; charset=utf-8"
    usual = {"Cache-Control": "no-store", "Content-Language": language(request), "Vary": "Accept-Language"}
    return Response(content, status, headers={**usual, **_HEADERS, **headers}, media_type=media_type)


def _record_id(identifier: str) -> str:
    return identifier.rpartition(":")[2].lower()


async def _document(
    request: Request, at_once: asyncio.Semaphore, record_id: str, identifier: str
) -> dict[str, Any] | None:
    """Return the document of a record; None when there is no such record."""
    try:
        check_record_id(record_id)
        async with at_once:
            reply = await call(request, catalog(request).ListItems, wire.ListItemsRequest(record_id=record_id))
    except (NotFound, Gone):
        return None
    items = [_item(request, item, absolute_url(request, f"/records/{record_id}")) for item in reply.items]
    return {
        "id": f"urn:uuid:{record_id}",
        "requested": identifier,
        "href": absolute_url(request, f"/records/{record_id}"),
        "about": reply.record_title,
        "item": items,
    }


def _item(request: Request, item: wire.Item, page: str) -> dict[str, Any]:
    available, unavailable = _SERVICES[item.availability]
    # A lent item comes back some time, also when its due date is not known.
    expected = {"expected": item.due_on or "unknown"} if item.availability == "out_until" else {}
    branch = absolute_url(request, f"/branches/{quote(item.branch)}")
    members: dict[str, Any] = {
        "id": f"urn:uuid:{item.id}",
        "href": page,
        "department": {
            "id": branch,
            "href": branch,
            "content": getattr(item.branch_name, language(request)) or item.branch,
        },
        "available": [
            # `remote` says that it is used at once, at the page's links.
            {"service": service, "href": page, "delay": "PT0S"} if service == _ONLINE else {"service": service}
            for service in available
        ],
        # Without an address, VuFind shows no item that has no available service and no date.
        "unavailable": [{"service": service, "href": page, **expected} for service in unavailable],
    }
    if item.call_number:
        members["label"] = item.call_number
    if item.room:
        members["storage"] = {"content": item.room}
    if item.enumeration or item.chronology:
        members["chronology"] = {"about": " ".join(part for part in (item.enumeration, item.chronology) if part)}
    return members
