"""GET /institutions and /branches: the libraries that share this catalogue, and their branches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_message
from gateway.api.institution_models import (
    BRANCH_EXAMPLE,
    INSTITUTION_EXAMPLE,
    Branch,
    Branches,
    Institution,
    Institutions,
    branch_of,
    institution_of,
)
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import JSON
from gateway.api.writes import version_tag
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["institutions"], route_class=ApiRoute)

# Institutions and branches change a few times a year, so a delay of one minute is acceptable.
CACHE_CONTROL = "public, max-age=60"
InstitutionCode = Annotated[
    str, Path(description="Code of an institution.", min_length=1, max_length=32, examples=["PKS"])
]
BranchCode = Annotated[
    str, Path(description="Code of a branch of that institution.", min_length=1, max_length=64, examples=["PST"])
]


@router.get(
    "/institutions",
    response_model=Institutions,
    **documented("Institutions", revalidates=True, example={"total": 1, "hits": [INSTITUTION_EXAMPLE]}),
)
async def list_institutions(request: Request, query: NoParameters, catalog: Catalog) -> Response:
    """List the institutions that share this catalogue."""
    reply = await call(request, catalog.ListInstitutions, wire.ListInstitutionsRequest())
    hits = [institution_of(institution) for institution in reply.institutions]
    return respond(request, Institutions(total=len(hits), hits=hits).to_json(), JSON, cache=CACHE_CONTROL)


@router.get(
    "/institutions/{institution}",
    response_model=Institution,
    **documented("An institution", example=INSTITUTION_EXAMPLE, errors=(400, 404, 429, 503, 504)),
)
async def get_institution(
    request: Request, institution: InstitutionCode, query: NoParameters, catalog: Catalog
) -> Response:
    """Return the description of an institution. The ETag is its version."""
    reply = await call(request, catalog.ListInstitutions, wire.ListInstitutionsRequest(code=institution))
    return public(institution_of(reply.institutions[0]), version=reply.institutions[0].version)


@router.get(
    "/branches",
    response_model=Branches,
    **documented(
        "Branches", revalidates=True, example={"total": 1, "hits": [BRANCH_EXAMPLE]}, errors=(400, 404, 429, 503, 504)
    ),
)
async def list_branches(
    request: Request, query: Annotated[models.BranchesQuery, Query()], catalog: Catalog
) -> Response:
    """List the branches of all institutions, or of one."""
    reply = await call(request, catalog.ListBranches, to_message(wire.ListBranchesRequest, query))
    hits = [branch_of(branch) for branch in reply.branches]
    return respond(request, Branches(total=len(hits), hits=hits).to_json(), JSON, cache=CACHE_CONTROL)


@router.get(
    "/branches/{institution}/{code}",
    response_model=Branch,
    **documented("A branch", example=BRANCH_EXAMPLE, errors=(400, 404, 429, 503, 504)),
)
async def get_branch(
    request: Request, institution: InstitutionCode, code: BranchCode, query: NoParameters, catalog: Catalog
) -> Response:
    """Return the description of a branch. The ETag is its version."""
    message = wire.ListBranchesRequest(institution=institution, code=code)
    reply = await call(request, catalog.ListBranches, message)
    return public(branch_of(reply.branches[0]), version=reply.branches[0].version)


def public(model: ResponseModel, *, version: int, status: int = 200) -> Response:
    """Respond with an object whose ETag is its version, which a client sends back as If-Match."""
    headers = {"Cache-Control": "no-cache", "ETag": version_tag(version)}
    return Response(model.to_json(), status_code=status, media_type=JSON, headers=headers)
