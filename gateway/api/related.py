"""GET /records/{id}/similar and /records/{id}/neighbours: similar records, and neighbours on the shelf."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NearQuery, QueryModel, WholeNumber, number
from gateway.api.schemas import JSON, LISTED_EXAMPLE, ListedRecord, RecordId
from gateway.api.serializers import listed_record, text
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import browsing_pb2 as wire
from rangkiang.common.v1.models import Text

router = APIRouter(tags=["records"], route_class=ApiRoute)

MOST_RECORDS = 20


class SimilarQuery(QueryModel):
    limit: Annotated[int, WholeNumber(1, MOST_RECORDS)] = number(6, "Largest number of records.")


class NeighboursQuery(NearQuery):
    limit: Annotated[int, WholeNumber(1, MOST_RECORDS)] = number(5, "Largest number of records on each side.")


class Similar(ListedRecord):
    reason: Text
    """Reason for the similarity."""


class SimilarRecords(ResponseModel):
    total: int
    """Number of records in `hits`."""
    hits: list[Similar]
    """The records, the most similar first."""


class Neighbour(ListedRecord):
    call_number: str
    """The call number on the shelf."""
    here: bool
    """True for the record of the request."""


class Neighbours(ResponseModel):
    total: int
    """Number of records in `hits`."""
    hits: list[Neighbour]
    """The records in shelf order, including the record of the request."""
    institution: str
    """Code of the institution of the shelf."""
    branch: str
    """Code of the branch of the shelf."""
    branch_name: Text
    """Name of that branch."""


@router.get(
    "/records/{record_id}/similar",
    response_model=SimilarRecords,
    **documented(
        operation="list_similar",
        summary="Similar records",
        revalidates=True,
        example={
            "total": 1,
            "hits": [{**LISTED_EXAMPLE, "reason": {"id": "Subjek yang sama: Surau", "en": "Same subject: Surau"}}],
        },
        errors=(400, 404, 429, 503, 504),
    ),
)
async def similar(
    request: Request, record_id: RecordId, query: Annotated[SimilarQuery, Query()], catalog: Catalog
) -> Response:
    """List similar records, each with the reason."""
    message = wire.ListSimilarRequest(record_id=record_id, limit=query.limit)
    reply = await call(request, catalog.ListSimilar, message)
    hits = [Similar(**listed_record(entry.record), reason=text(entry.reason)) for entry in reply.similar]
    return respond(request, SimilarRecords(total=len(hits), hits=hits).to_json(), JSON)


@router.get(
    "/records/{record_id}/neighbours",
    response_model=Neighbours,
    **documented(
        operation="list_neighbours",
        summary="Neighbours on the shelf",
        revalidates=True,
        example={
            "total": 1,
            "hits": [{**LISTED_EXAMPLE, "call_number": "899.221 NAV r", "here": True}],
            "institution": "PKS",
            "branch": "PST",
            "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
        },
        errors=(400, 404, 429, 503, 504),
    ),
)
async def neighbours(
    request: Request, record_id: RecordId, query: Annotated[NeighboursQuery, Query()], catalog: Catalog
) -> Response:
    """List neighbours by call number, on the shelf of the branch `near`, or of the record's first item."""
    message = wire.ListNeighboursRequest(record_id=record_id, branch=query.near, limit=query.limit)
    reply = await call(request, catalog.ListNeighbours, message)
    hits = [
        Neighbour(**listed_record(entry.record), call_number=entry.call_number, here=entry.here)
        for entry in reply.neighbours
    ]
    shelf = Neighbours(
        total=len(hits),
        hits=hits,
        institution=reply.institution,
        branch=reply.branch,
        branch_name=text(reply.branch_name),
    )
    return respond(request, shelf.to_json(), JSON)
