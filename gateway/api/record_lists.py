"""Versions of a record and offers of imports as CSV (RFC 4180), with a line for each field that differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.output import csv_line
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.record_edits import OwnRecordId
from gateway.api.schemas import CSV_CONTENT
from gateway.clients import call, catalog
from gateway.responses import csv_head, download
from rangkiang.catalog.v1 import cataloguing_pb2 as wire

router = APIRouter(tags=["cataloguing"], route_class=ApiRoute)

# Most rows of one call, and most lines of one file.
_PAGE, _MOST = 100, 50_000
_VERSION_COLUMNS: Final = ("version", "made_at", "actor", "act", "tag", "before", "after")
_OFFER_COLUMNS: Final = ("id", "record", "title", "offered_at", "tag", "before", "after")


@router.get(
    "/records/{record_id}/versions.csv",
    response_class=Response,
    **documented("Versions of a record as CSV", "catalog.ListRecordVersions", content=CSV_CONTENT, errors=(404,)),
)
async def list_record_versions_as_csv(request: Request, record_id: OwnRecordId, query: NoParameters) -> Response:
    """List the versions of a record in one file, the newest first, with a line for each field that differs."""
    return await versions_as_csv(request, record_id)


@router.get(
    "/record-offers.csv",
    response_class=Response,
    **documented("Offers of imports as CSV", "catalog.ListOffers", content=CSV_CONTENT),
)
async def list_record_offers_as_csv(request: Request, query: NoParameters) -> Response:
    """List the offers of imports in one file, the oldest first, with a line for each field that would change."""
    return await offers_as_csv(request)


async def versions_as_csv(request: Request, record_id: str) -> Response:
    def rows(reply: wire.ListRecordVersionsReply) -> Iterable[tuple[Any, ...]]:
        for version in reply.versions:
            begin = (version.version, version.made_at.ToJsonString(), version.actor, version.act)
            for difference in version.differences or [wire.FieldDifference()]:
                yield *begin, difference.tag, difference.before, difference.after

    message = wire.ListRecordVersionsRequest(id=record_id, limit=_PAGE)
    return await _file(request, catalog(request).ListRecordVersions, message, _VERSION_COLUMNS, rows, "versions.csv")


async def offers_as_csv(request: Request) -> Response:
    def rows(reply: wire.ListOffersReply) -> Iterable[tuple[Any, ...]]:
        for offer in reply.offers:
            begin = (offer.id, offer.record_id, offer.title, offer.offered_at.ToJsonString())
            for difference in (offered.difference for offered in offer.differences):
                yield *begin, difference.tag, difference.before, difference.after

    message = wire.ListOffersRequest(limit=_PAGE)
    return await _file(request, catalog(request).ListOffers, message, _OFFER_COLUMNS, rows, "offers.csv")


async def _file(
    request: Request,
    method: Callable[..., Awaitable[Any]],
    message: Any,
    columns: Iterable[str],
    rows: Callable[[Any], Iterable[tuple[Any, ...]]],
    name: str,
) -> Response:
    """Respond with all pages of a list in one file."""
    lines = [csv_head(columns)]
    while True:
        reply = await call(request, method, message)
        lines += map(csv_line, rows(reply))
        if not reply.cursor or len(lines) > _MOST:
            return download("".join(lines), name)
        message.cursor = reply.cursor
