"""GET /institutions and /branches: the libraries that share this catalogue, and their branches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message
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
from gateway.api.writes import Model, versioned
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["institutions"], route_class=ApiRoute)

# Institutions and branches change a few times a year, so a delay of one minute is acceptable.
CACHE_CONTROL = "public, max-age=60"
InstitutionCode = Annotated[
    str, Path(description="Code of an institution.", min_length=1, max_length=32, examples=["PKS"])
]
CodeInInstitution = Annotated[
    str, Path(description="Code of a branch of that institution.", min_length=1, max_length=64, examples=["PST"])
]


@router.get(
    "/institutions",
    **documented(
        "Institutions",
        "catalog.ListInstitutions",
        example={"total": 1, "hits": [INSTITUTION_EXAMPLE]},
        revalidates=True,
    ),
)
async def list_institutions(
    request: Request, response: Response, query: NoParameters, catalog: Catalog
) -> Institutions:
    """List the institutions that share this catalogue."""
    reply = await call(request, catalog.ListInstitutions, wire.ListInstitutionsRequest())
    hits = [institution_of(institution) for institution in reply.institutions]
    response.headers["Cache-Control"] = CACHE_CONTROL
    return Institutions(total=len(hits), hits=hits)


@router.get(
    "/institutions/{institution}",
    **documented("An institution", "catalog.ListInstitutions", errors=(404,), example=INSTITUTION_EXAMPLE),
)
async def get_institution(
    request: Request, response: Response, institution: InstitutionCode, query: NoParameters, catalog: Catalog
) -> Institution:
    """Return the description of an institution. The ETag is its version."""
    reply = await call(request, catalog.ListInstitutions, wire.ListInstitutionsRequest(code=institution))
    return public(response, institution_of(reply.institutions[0]), reply.institutions[0].version)


@router.get(
    "/branches",
    **documented(
        "Branches",
        "catalog.ListBranches",
        errors=(404,),
        example={"total": 1, "hits": [BRANCH_EXAMPLE]},
        revalidates=True,
    ),
)
async def list_branches(
    request: Request, response: Response, query: Annotated[models.BranchesQuery, Query()], catalog: Catalog
) -> Branches:
    """List the branches of all institutions, or of one."""
    reply = await call(request, catalog.ListBranches, to_message(wire.ListBranchesRequest, query))
    hits = [branch_of(branch) for branch in reply.branches]
    response.headers["Cache-Control"] = CACHE_CONTROL
    return Branches(total=len(hits), hits=hits)


@router.get(
    "/branches/{institution}/{code}",
    **documented("A branch", "catalog.ListBranches", errors=(404,), example=BRANCH_EXAMPLE),
)
async def get_branch(
    request: Request,
    response: Response,
    institution: InstitutionCode,
    code: CodeInInstitution,
    query: NoParameters,
    catalog: Catalog,
) -> Branch:
    """Return the description of a branch. The ETag is its version."""
    message = wire.ListBranchesRequest(institution=institution, code=code)
    reply = await call(request, catalog.ListBranches, message)
    return public(response, branch_of(reply.branches[0]), reply.branches[0].version)


def public(response: Response, model: Model, version: int) -> Model:
    """Return the model of an object that caches revalidate; its ETag is its version."""
    response.headers["Cache-Control"] = "no-cache"
    return versioned(response, model, version)
