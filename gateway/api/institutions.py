"""GET /institutions and /branches: the libraries that share this catalogue, and where their items are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import serializers
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, text
from gateway.api.schemas import JSON, ResponseModel, Text
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter(tags=["institutions"], route_class=ApiRoute)

# They change a few times a year, so a delay of a minute is acceptable.
CACHE_CONTROL = "public, max-age=60"


class BranchesQuery(QueryModel):
    institution: str = text("Code of one institution; by default all of them.", longest=32, example="PKS")


class Institution(ResponseModel):
    """A library that shares this catalogue."""

    code: str
    """Short and unique; filters name it."""
    name: Text
    """Its name."""
    kind: str
    """Kind of library: public, school, academic, special, …"""
    npp: str
    """Indonesia's national library number (NPP)."""
    isil: str
    """ISO 15511 identifier."""
    zone: str
    """Time zone, by its name in tz."""


class Institutions(ResponseModel):
    total: int
    """Institutions in all."""
    hits: list[Institution]
    """The institutions, by code."""


class Branch(Institution):
    """A place where items are."""

    institution: str
    """Code of the institution it belongs to."""
    confirmed: bool
    """False when only an import has named the branch and it has no description yet."""


class Branches(ResponseModel):
    total: int
    """Branches in all."""
    hits: list[Branch]
    """The branches, by institution and code."""


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
    response_model=Institutions,
    **documented(operation="list_institutions", summary="Institutions", example={"total": 1, "hits": [_EXAMPLE]}),
)
async def institutions(request: Request, query: Annotated[QueryModel, Query()], catalog: Catalog) -> Response:
    """The libraries that share this catalogue."""
    reply = await call(request, catalog.ListInstitutions, wire.ListInstitutionsRequest())
    hits = [Institution(**_members(institution)) for institution in reply.institutions]
    return respond(request, Institutions(total=len(hits), hits=hits).to_json(), JSON, cache=CACHE_CONTROL)


@router.get(
    "/branches",
    response_model=Branches,
    **documented(
        operation="list_branches",
        summary="Branches",
        example={"total": 1, "hits": [{**_EXAMPLE, "code": "PST", "institution": "PKS", "confirmed": True}]},
        errors=(400, 404, 429, 503, 504),
    ),
)
async def branches(request: Request, query: Annotated[BranchesQuery, Query()], catalog: Catalog) -> Response:
    """The places where items are."""
    reply = await call(request, catalog.ListBranches, wire.ListBranchesRequest(institution=query.institution))
    hits = [
        Branch(**_members(branch), institution=branch.institution, confirmed=branch.confirmed)
        for branch in reply.branches
    ]
    return respond(request, Branches(total=len(hits), hits=hits).to_json(), JSON, cache=CACHE_CONTROL)


def _members(message: wire.Institution | wire.Branch) -> dict[str, Any]:
    """Return the members that an institution and a branch share."""
    return {
        "code": message.code,
        "name": serializers.text(message.name),
        "kind": message.kind,
        "npp": message.npp,
        "isil": message.isil,
        "zone": message.zone,
    }
