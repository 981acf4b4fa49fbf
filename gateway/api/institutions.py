"""GET /institutions and /branches: who shares this catalogue, and where its books stand."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.parameters import Parameter, one, read, table
from gateway.api.schemas import JSON, Shape, Text, documented
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["institutions"])

INSTITUTIONS = table()
BRANCHES = table(Parameter("institution", "Code of one institution; all of them unless given.", "PKS", 32))
# They change a few times a year; a minute's delay harms nobody.
KEEP = "public, max-age=60"


class Institution(Shape):
    code: str
    name: Text
    kind: str
    npp: str
    isil: str
    zone: str


class Institutions(Shape):
    total: int
    hits: list[Institution]


class Branch(Institution):
    """`confirmed` is false when only an import has named the branch: nobody has described it yet."""

    institution: str
    confirmed: bool


class Branches(Shape):
    total: int
    hits: list[Branch]


_EXAMPLE = {
    "code": "PKS",
    "name": {"id": "Perpustakaan Kota Solok", "en": "Solok City Library"},
    "kind": "public",
    "npp": "1372012D0000001",
    "isil": "",
    "zone": "Asia/Jakarta",
}


@router.get(
    "/institutions",
    **documented(
        operation="list_institutions",
        summary="Institutions",
        model=Institutions,
        example={"total": 1, "hits": [_EXAMPLE]},
        parameters=INSTITUTIONS,
    ),
)
async def institutions(request: Request) -> Response:
    """The libraries that share this catalogue."""
    read(request, INSTITUTIONS)
    reply = await ask(request, catalog(request).ListInstitutions, wire.ListInstitutionsRequest())
    hits = [_named(each) for each in reply.institutions]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON, cache=KEEP)


@router.get(
    "/branches",
    **documented(
        operation="list_branches",
        summary="Branches",
        model=Branches,
        example={
            "total": 1,
            "hits": [{**_EXAMPLE, "code": "PST", "institution": "PKS", "confirmed": True}],
        },
        parameters=BRANCHES,
        refusals=(400, 404, 429, 503, 504),
    ),
)
async def branches(request: Request) -> Response:
    """The places where items stand."""
    given = read(request, BRANCHES)
    message = wire.ListBranchesRequest(institution=one(given, "institution"))
    reply = await ask(request, catalog(request).ListBranches, message)
    hits = [{**_named(each), "institution": each.institution, "confirmed": each.confirmed} for each in reply.branches]
    return answer(request, orjson.dumps({"total": len(hits), "hits": hits}), JSON, cache=KEEP)


def _named(place: wire.Institution | wire.Branch) -> dict[str, Any]:
    return {
        "code": place.code,
        "name": {"id": place.name.id, "en": place.name.en},
        "kind": place.kind,
        "npp": place.npp,
        "isil": place.isil,
        "zone": place.zone,
    }
