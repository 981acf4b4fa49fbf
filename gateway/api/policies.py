"""Routes to read and replace the policies (lending rules) of the caller's institution."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, versioned
from gateway.clients import Circulation, call
from gateway.request_guard import accept_bodies
from rangkiang.circulation.v1 import models
from rangkiang.circulation.v1 import rules_pb2 as wire

router = APIRouter(tags=["lending rules"], route_class=ApiRoute)

LONGEST_BODY_BYTES = 512 * 1024
MOST_ROWS = 500
# Bounds the numbers that are read, also those of the page. The service has a limit for each number.
MOST_NUMBER = 1_000_000_000

SavedVersion = Annotated[
    int, Path(ge=1, le=1_000_000_000_000, description="Version of the lending rules.", examples=[1])
]


class PoliciesBody(models.PoliciesBody):
    """All policies, in the form that GET returns."""

    version: int | None = Field(
        None, description="Ignored: If-Match names the version.", ge=0, le=1_000_000_000_000, examples=[3]
    )
    dry_run: StrictBool = Field(False, description="Validate the rows and save nothing.")


class SavedPolicies(models.Policies):
    """The policies that were saved, or would be."""

    preview: models.PolicyPreview | None = Field(
        default=None, description="With `dry_run`: the effect of the policies on past loans."
    )


@router.get("/policies", **documented("The lending rules", "circulation.GetPolicies"))
async def get_policies(
    request: Request, response: Response, query: NoParameters, circulation: Circulation
) -> models.Policies:
    """Return the policies in force. The most specific row applies to a loan."""
    reply = await call(request, circulation.GetPolicies, wire.GetPoliciesRequest())
    return versioned(response, to_model(models.Policies, reply.policies), reply.policies.version)


@router.get("/policies/versions", **documented("Versions of the lending rules", "circulation.ListPolicyVersions"))
async def list_policy_versions(
    request: Request, query: NoParameters, circulation: Circulation
) -> models.PolicyVersions:
    """List the saved versions, the newest first, each with the account and the time."""
    reply = await call(request, circulation.ListPolicyVersions, wire.ListPolicyVersionsRequest())
    return to_model(models.PolicyVersions, reply)


@router.get(
    "/policies/versions/{version}",
    **documented("A version of the lending rules", "circulation.GetPolicies", errors=(404,)),
)
async def get_policy_version(
    request: Request, version: SavedVersion, query: NoParameters, circulation: Circulation
) -> models.Policies:
    """Return a saved version. To restore it, save its rows with PUT /policies."""
    reply = await call(request, circulation.GetPolicies, wire.GetPoliciesRequest(version=version))
    return to_model(models.Policies, reply.policies)


@router.put("/policies", **documented("Replace the lending rules", "circulation.PutPolicies"))
@accept_bodies(LONGEST_BODY_BYTES)
async def put_policies(
    request: Request, response: Response, body: PoliciesBody, circulation: Circulation, version: Version
) -> SavedPolicies:
    """Replace all policies. A gap between rows, or an invalid value, refuses the whole request."""
    policies = to_message(wire.Policies, body, version=version)
    message = wire.PutPoliciesRequest(policies=policies, is_dry_run=body.dry_run)
    reply = await call(request, circulation.PutPolicies, message)
    preview = to_model(models.PolicyPreview, reply.preview) if reply.HasField("preview") else None
    return versioned(response, to_model(SavedPolicies, reply.policies, preview=preview), reply.policies.version)
