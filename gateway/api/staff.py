"""Routes of /staff and /clients: staff of the institution, and programs of other systems that call the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import JSON
from gateway.api.writes import Version, version_tag
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import staff_pb2 as wire

router = APIRouter(tags=["staff"], route_class=ApiRoute)

SERVICE = "/rangkiang.members.v1.Members"
AccountId = Annotated[str, Path(description="Identifier (UUID).", max_length=64)]


class AddedStaff(models.StaffMember):
    """The member of staff who was added."""

    link: str = Field(
        description="Path of the page for the first password. Valid once, for 24 hours; only this response has it.",
        examples=["/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"],
    )


class MadeLink(ResponseModel):
    """A new one-time link."""

    link: str = Field(
        description="Path of the page for a new password. Valid once, for 24 hours; only this response has it.",
        examples=["/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"],
    )


class AddedClient(models.Client):
    """The program that was added."""

    client_secret: str = Field(
        description="Secret of the program; only this response has it.", examples=["zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"]
    )


_READ_ERRORS = (400, 401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)


@router.get("/staff", **documented("Staff", model=models.StaffList, errors=_READ_ERRORS))
async def list_staff(request: Request, query: NoParameters, members: Members) -> Response:
    """List the staff of the caller's institution."""
    reply = await call(request, members.ListStaff, wire.ListStaffRequest())
    return _json(to_model(models.StaffList, reply))


@router.post(
    "/staff",
    **documented(
        "Add a member of staff", model=AddedStaff, status=201, errors=_WRITE_ERRORS, method=f"{SERVICE}/AddStaff"
    ),
)
async def add_staff(request: Request, body: models.NewStaff, members: Members) -> Response:
    """Add a member of staff, and return a one-time link for the first password.

    Callers can only give roles whose scopes they have themselves.
    """
    message = to_message(wire.AddStaffRequest, body)
    reply = await call(request, members.AddStaff, message)
    added = to_model(AddedStaff, reply.member, link=f"/sign-in/link/{reply.link}")
    return _json(added, status=201)


@router.put(
    "/staff/{account_id}/roles",
    **documented(
        "Replace the roles of a member of staff",
        model=models.StaffMember,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/SetRoles",
    ),
)
async def set_roles(
    request: Request, account_id: AccountId, body: models.RolesChange, members: Members, version: Version
) -> Response:
    """Replace the roles of a member of staff, and end their sessions. An empty list closes the account."""
    message = to_message(wire.SetRolesRequest, body, id=account_id, version=version)
    reply = await call(request, members.SetRoles, message)
    response = _json(to_model(models.StaffMember, reply.member))
    response.headers["ETag"] = version_tag(reply.member.version)
    return response


@router.post(
    "/staff/{account_id}/links",
    **documented(
        "Make a one-time link for a member of staff",
        model=MadeLink,
        status=201,
        errors=(400, 401, 403, 404, 409, 422, 429, 503, 504),
        method=f"{SERVICE}/MakeLink",
    ),
)
async def make_link(request: Request, account_id: AccountId, members: Members) -> Response:
    """Make a link to replace a forgotten password or a lost second factor.

    Earlier links become invalid. The current password stays valid until the link is used.
    """
    reply = await call(request, members.MakeLink, wire.MakeLinkRequest(id=account_id))
    return _json(MadeLink(link=f"/sign-in/link/{reply.link}"), status=201)


@router.get("/clients", **documented("Clients", model=models.ClientList, errors=_READ_ERRORS))
async def list_clients(request: Request, query: NoParameters, members: Members) -> Response:
    """List the programs that call the API for the caller's institution."""
    reply = await call(request, members.ListClients, wire.ListClientsRequest())
    return _json(to_model(models.ClientList, reply))


@router.post(
    "/clients",
    **documented("Add a client", model=AddedClient, errors=_WRITE_ERRORS, method=f"{SERVICE}/AddClient", status=201),
)
async def add_client(request: Request, body: models.NewClient, members: Members) -> Response:
    """Add a program, and return its secret. No other response has the secret."""
    reply = await call(request, members.AddClient, to_message(wire.AddClientRequest, body))
    return _json(to_model(AddedClient, reply.client, client_secret=reply.secret), status=201)


@router.delete(
    "/clients/{client_id}",
    **documented("Revoke a client", model=models.Client, errors=(400, 401, 403, 404, 429, 503, 504)),
)
async def revoke_client(request: Request, client_id: AccountId, members: Members) -> Response:
    """Revoke a client. All services refuse its access tokens within 20 seconds. A repeat changes nothing."""
    reply = await call(request, members.RevokeClient, wire.RevokeClientRequest(id=client_id))
    return _json(to_model(models.Client, reply.client))


def _json(model: ResponseModel, *, status: int = 200) -> Response:
    return Response(model.to_json(), status_code=status, media_type=JSON)
