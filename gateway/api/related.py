"""GET /records/{id}/similar and /records/{id}/neighbours: what is like it, and what stands beside it."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.parameters import NEAR, Parameter, one, read, table
from gateway.api.records import readable
from gateway.api.schemas import (
    BRIEF_EXAMPLE,
    HOLDING_EXAMPLE,
    JSON,
    RECORD_ID,
    RECORD_ID_EXAMPLE,
    Shape,
    Shown,
    Text,
    documented,
)
from gateway.api.serializers import shown, text_of
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import browsing_pb2 as wire

router = APIRouter(tags=["records"])

MOST = 20
SIMILAR = table(Parameter("limit", "Records wanted; 6 unless told.", "6", numbers=(1, MOST)))
NEIGHBOURS = table(Parameter("limit", "Records on each side; 5 unless told.", "5", numbers=(1, MOST)), NEAR)
_SHOWN: dict[str, Any] = {"id": RECORD_ID_EXAMPLE, "record": BRIEF_EXAMPLE, "holdings": [HOLDING_EXAMPLE]}


class Similar(Shown):
    reason: Text


class SimilarRecords(Shape):
    total: int
    hits: list[Similar]


class Neighbour(Shown):
    """here: it is the record asked about."""

    call_number: str
    here: bool


class Neighbours(Shape):
    """In the shelf's order, the record itself among them; whose shelf it is."""

    total: int
    hits: list[Neighbour]
    institution: str
    branch: str
    branch_name: Text


@router.get(
    "/records/{record_id}/similar",
    **documented(
        operation="list_similar",
        summary="Records like this one",
        model=SimilarRecords,
        example={
            "total": 1,
            "hits": [{**_SHOWN, "reason": {"id": "Subjek yang sama: Surau", "en": "Same subject: Surau"}}],
        },
        parameters=SIMILAR,
        refusals=(400, 404, 429, 503, 504),
        path=(RECORD_ID,),
    ),
)
async def similar(request: Request) -> Response:
    """Each with the reason."""
    given = read(request, SIMILAR)
    record_id = readable(request.path_params["record_id"])
    message = wire.ListSimilarRequest(record_id=record_id, limit=int(one(given, "limit", "0")))
    reply = await ask(request, catalog(request).ListSimilar, message)
    hits = [{**shown(each.record), "reason": text_of(each.reason)} for each in reply.similar]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON)


@router.get(
    "/records/{record_id}/neighbours",
    **documented(
        operation="list_neighbours",
        summary="What stands left and right of it",
        model=Neighbours,
        example={
            "total": 1,
            "hits": [{**_SHOWN, "call_number": "899.221 NAV r", "here": True}],
            "institution": "PKS",
            "branch": "PST",
            "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
        },
        parameters=NEIGHBOURS,
        refusals=(400, 404, 429, 503, 504),
        path=(RECORD_ID,),
    ),
)
async def neighbours(request: Request) -> Response:
    """By call number, on the shelf of `near`; else where the record's first item stands."""
    given = read(request, NEIGHBOURS)
    record_id = readable(request.path_params["record_id"])
    message = wire.ListNeighboursRequest(
        record_id=record_id, branch=one(given, "near"), limit=int(one(given, "limit", "0"))
    )
    reply = await ask(request, catalog(request).ListNeighbours, message)
    hits = [{**shown(each.record), "call_number": each.call_number, "here": each.here} for each in reply.neighbours]
    made = {
        "total": len(hits),
        "hits": hits,
        "institution": reply.institution,
        "branch": reply.branch,
        "branch_name": text_of(reply.branch_name),
    }
    return answer(request, orjson.dumps(made), JSON)
