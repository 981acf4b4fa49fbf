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
from gateway.api.writes import Version, versioned
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import staff_pb2 as wire

router = APIRouter(tags=["staff"], route_class=ApiRoute)

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


class AddedClient(models.ApiClient):
    """The program that was added."""

    client_secret: str = Field(
        description="Secret of the program; only this response has it.", examples=["zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"]
    )


@router.get("/staff", **documented("Staff", "members.ListStaff"))
async def list_staff(request: Request, query: NoParameters, members: Members) -> models.StaffList:
    """List the staff of the caller's institution."""
    reply = await call(request, members.ListStaff, wire.ListStaffRequest())
    return to_model(models.StaffList, reply)


@router.get("/staff/{account_id}", **documented("A member of staff", "members.GetStaff", errors=(404,)))
async def get_staff(
    request: Request, response: Response, account_id: AccountId, query: NoParameters, members: Members
) -> models.StaffMember:
    """Return a member of staff; without roles the account is closed. The ETag is the version of the roles."""
    member = (await call(request, members.GetStaff, wire.GetStaffRequest(id=account_id))).member
    return versioned(response, to_model(models.StaffMember, member), member.version)


@router.post("/staff", **documented("Add a member of staff", "members.AddStaff", errors=(404, 409), status=201))
async def add_staff(request: Request, body: models.NewStaff, members: Members) -> AddedStaff:
    """Add a member of staff, and return a one-time link for the first password.

    Callers can only give roles whose scopes they have themselves.
    """
    message = to_message(wire.AddStaffRequest, body)
    reply = await call(request, members.AddStaff, message)
    return to_model(AddedStaff, reply.member, link=f"/sign-in/link/{reply.link}")


@router.put(
    "/staff/{account_id}/roles",
    **documented("Replace the roles of a member of staff", "members.SetRoles", errors=(404, 409)),
)
async def set_roles(
    request: Request,
    response: Response,
    account_id: AccountId,
    body: models.RolesChange,
    members: Members,
    version: Version,
) -> models.StaffMember:
    """Replace the roles of a member of staff, and end their sessions. An empty list closes the account."""
    message = to_message(wire.SetRolesRequest, body, id=account_id, version=version)
    reply = await call(request, members.SetRoles, message)
    return versioned(response, to_model(models.StaffMember, reply.member), reply.member.version)


@router.post(
    "/staff/{account_id}/links",
    **documented("Make a one-time link for a member of staff", "members.MakeLink", errors=(404, 409), status=201),
)
async def make_link(request: Request, account_id: AccountId, members: Members) -> MadeLink:
    """Make a link to replace a forgotten password or a lost second factor.

    Earlier links become invalid. The current password stays valid until the link is used.
    """
    reply = await call(request, members.MakeLink, wire.MakeLinkRequest(id=account_id))
    return MadeLink(link=f"/sign-in/link/{reply.link}")


@router.get("/clients", **documented("Clients", "members.ListClients"))
async def list_clients(request: Request, query: NoParameters, members: Members) -> models.ClientList:
    """List the programs that call the API for the caller's institution."""
    reply = await call(request, members.ListClients, wire.ListClientsRequest())
    return to_model(models.ClientList, reply)


@router.get("/clients/{client_id}", **documented("A client", "members.GetClient", errors=(404,)))
async def get_client(request: Request, client_id: AccountId, query: NoParameters, members: Members) -> models.ApiClient:
    """Return a program, also a revoked one."""
    reply = await call(request, members.GetClient, wire.GetClientRequest(id=client_id))
    return to_model(models.ApiClient, reply.client)


@router.post("/clients", **documented("Add a client", "members.AddClient", errors=(404, 409), status=201))
async def add_client(request: Request, body: models.NewClient, members: Members) -> AddedClient:
    """Add a program, and return its secret. No other response has the secret."""
    reply = await call(request, members.AddClient, to_message(wire.AddClientRequest, body))
    return to_model(AddedClient, reply.client, client_secret=reply.secret)


@router.delete(
    "/clients/{client_id}", **documented("Revoke a client", "members.RevokeClient", errors=(404,), status=204)
)
async def revoke_client(request: Request, client_id: AccountId, members: Members) -> None:
    """Revoke a client. All services refuse its access tokens within 20 seconds. A repeat changes nothing."""
    await call(request, members.RevokeClient, wire.RevokeClientRequest(id=client_id))
