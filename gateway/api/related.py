"""GET /records/{id}/similar and /records/{id}/neighbours: similar records, and neighbours on the shelf."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import RecordId
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import browsing_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["records"], route_class=ApiRoute)

MOST_RECORDS = 20


@router.get(
    "/records/{record_id}/similar",
    **documented("Similar records", "catalog.ListSimilar", errors=(404,), revalidates=True),
)
async def list_similar(
    request: Request, record_id: RecordId, query: Annotated[models.SimilarQuery, Query()], catalog: Catalog
) -> models.SimilarRecords:
    """List similar records, each with the reason. `limit` is 6 by default and at most 20: more are hardly similar."""
    reply = await call(request, catalog.ListSimilar, to_message(wire.ListSimilarRequest, query, record_id=record_id))
    return to_model(models.SimilarRecords, reply)


@router.get(
    "/records/{record_id}/neighbours",
    **documented("Neighbours on the shelf", "catalog.ListNeighbours", errors=(404,), revalidates=True),
)
async def list_neighbours(
    request: Request, record_id: RecordId, query: Annotated[models.NeighboursQuery, Query()], catalog: Catalog
) -> models.Neighbours:
    """List neighbours by call number, on the shelf of the branch `near`, or of the record's first item.

    `limit` is the number of records on each side, 5 by default and at most 20: a further part begins at another record.
    """
    message = to_message(wire.ListNeighboursRequest, query, record_id=record_id)
    reply = await call(request, catalog.ListNeighbours, message)
    return to_model(models.Neighbours, reply)
