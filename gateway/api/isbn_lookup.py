"""Routes with which cataloguers look for the records of an ISBN, and copy a record."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.record_edits import MARC, MARC_IN_JSON
from gateway.api.schemas import RecordId
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import isbn_matches_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["cataloguing"], route_class=ApiRoute)


@router.get("/catalogue/lookup", **documented("Records of an ISBN", "catalog.LookUpIsbn"))
async def look_up_isbn(
    request: Request, query: Annotated[models.IsbnQuery, Query()], catalog: Catalog
) -> models.IsbnMatches:
    """Find the records of an ISBN: in the institution, at others of this catalogue, and in outside sources.

    Outside sources are asked at the same time, for three seconds. A copy is `POST /records` with `marc` of a match.
    """
    message = to_message(wire.LookUpIsbnRequest, query)
    return to_model(models.IsbnMatches, await call(request, catalog.LookUpIsbn, message))


@router.get(
    "/records/{record_id}/copy",
    response_class=Response,
    **documented("A copy of a record", "catalog.GetRecordCopy", errors=(404, 410), content={MARC_IN_JSON: MARC}),
)
async def get_record_copy(request: Request, record_id: RecordId, query: NoParameters, catalog: Catalog) -> Response:
    """Return what a copy of a record has, for `POST /records`: without control number, local fields and holdings."""
    reply = await call(request, catalog.GetRecordCopy, wire.GetRecordCopyRequest(id=record_id))
    return Response(reply.marc, media_type=MARC_IN_JSON)
