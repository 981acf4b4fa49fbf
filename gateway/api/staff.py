"""Routes of /staff and /clients: staff of the institution, and programs of other systems that call the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import CONTROL, QueryModel
from gateway.api.schemas import JSON
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Members, call
from rangkiang.members.v1 import staff_pb2 as wire

router = APIRouter(tags=["staff"], route_class=ApiRoute)

SERVICE = "/rangkiang.members.v1.Members"
AccountId = Annotated[str, Path(description="Identifier (UUID).", max_length=64)]
Roles = Annotated[
    list[Annotated[str, Field(max_length=32)]],
    Field(description="desk, cataloguer, manager or administrator.", max_length=10, examples=[["desk"]]),
]


class NewStaff(BaseModel):
    """A new member of staff."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(description="User name, in lower case.", max_length=32, examples=["budi"])
    name: str = Field(
        description="Name of the person.", max_length=120, pattern=rf"^[^{CONTROL}]*$", examples=["Budi Santoso"]
    )
    roles: Roles


class RolesChange(BaseModel):
    """The roles that replace the current ones. An empty list closes the account."""

    model_config = ConfigDict(extra="forbid")

    roles: Roles


class NewClient(BaseModel):
    """A program of another system."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="Lower-case letters, digits, dots, underscores, hyphens.", max_length=64, examples=["opac-unand"]
    )
    role: str = Field(description="Role of the program.", max_length=32, examples=["desk"])


class StaffMember(ResponseModel):
    """A member of staff."""

    id: str
    """Identifier (UUID)."""
    user: str
    """User name."""
    name: str
    """Name of the person."""
    roles: list[str]
    """Roles; empty when the account is closed."""
    has_password: bool
    """False until the person uses the one-time link."""
    has_second_factor: bool
    """True when an authenticator is set up."""
    last_sign_in: str | None = None
    """Time of the last sign-in, UTC."""
    version: int
    """Version of the roles, for If-Match."""


class AddedStaff(StaffMember):
    """The member of staff who was added."""

    link: str
    """Path of the page for the first password. Valid once, for 24 hours; only this response has it."""


class MadeLink(ResponseModel):
    """A new one-time link."""

    link: str
    """Path of the page for a new password. Valid once, for 24 hours; only this response has it."""


class StaffList(ResponseModel):
    total: int
    """Number of people."""
    hits: list[StaffMember]
    """The staff of the caller's institution, by name."""


class Client(ResponseModel):
    """A program of another system."""

    id: str
    """Identifier (UUID): the `client_id`."""
    name: str
    """Name of the program."""
    role: str
    """Role of the program."""
    added_at: str
    """Time at which the program was added, UTC."""
    last_used_at: str | None = None
    """Time of the last access token, UTC; updated at most once a minute."""
    revoked_at: str | None = None
    """Time of the revocation, UTC; absent while the client is valid."""


class AddedClient(Client):
    """The program that was added."""

    client_secret: str
    """Secret of the program; only this response has it."""


class ClientList(ResponseModel):
    total: int
    """Number of clients."""
    hits: list[Client]
    """The clients of the caller's institution by name, including revoked ones."""


_STAFF = {
    "id": "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
    "user": "budi",
    "name": "Budi Santoso",
    "roles": ["desk"],
    "has_password": True,
    "has_second_factor": False,
    "version": 1,
}
_CLIENT = {
    "id": "0192f3a4-5b6c-7d8e-9f01-23456789abce",
    "name": "opac-unand",
    "role": "desk",
    "added_at": "2026-11-26T08:00:00Z",
}
_READ_ERRORS = (400, 401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)


@router.get(
    "/staff",
    response_model=StaffList,
    **documented(operation="list_staff", summary="Staff", example={"total": 1, "hits": [_STAFF]}, errors=_READ_ERRORS),
)
async def list_staff(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """List the staff of the caller's institution."""
    reply = await call(request, members.ListStaff, wire.ListStaffRequest())
    hits = [StaffMember(**plain(person)) for person in reply.staff]
    return _json(StaffList(total=len(hits), hits=hits))


@router.post(
    "/staff",
    response_model=AddedStaff,
    status_code=201,
    **documented(
        operation="add_staff",
        summary="Add a member of staff",
        example={**_STAFF, "has_password": False, "link": "/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"},
        status=201,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/AddStaff",
    ),
)
async def add_staff(request: Request, body: NewStaff, members: Members) -> Response:
    """Add a member of staff, and return a one-time link for the first password.

    Callers can only give roles whose scopes they have themselves.
    """
    message = wire.AddStaffRequest(user=body.user, name=body.name, roles=body.roles)
    reply = await call(request, members.AddStaff, message)
    added = AddedStaff(**plain(reply.member), link=f"/sign-in/link/{reply.link}")
    return _json(added, status=201)


@router.put(
    "/staff/{account_id}/roles",
    response_model=StaffMember,
    **documented(
        operation="set_roles",
        summary="Replace the roles of a member of staff",
        example=_STAFF,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/SetRoles",
    ),
)
async def set_roles(
    request: Request, account_id: AccountId, body: RolesChange, members: Members, version: Version
) -> Response:
    """Replace the roles of a member of staff, and end their sessions. An empty list closes the account."""
    message = wire.SetRolesRequest(id=account_id, roles=body.roles, version=version)
    reply = await call(request, members.SetRoles, message)
    response = _json(StaffMember(**plain(reply.member)))
    response.headers["ETag"] = version_tag(reply.member.version)
    return response


@router.post(
    "/staff/{account_id}/links",
    response_model=MadeLink,
    status_code=201,
    **documented(
        operation="make_link",
        summary="Make a one-time link for a member of staff",
        example={"link": "/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"},
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


@router.get(
    "/clients",
    response_model=ClientList,
    **documented(
        operation="list_clients", summary="Clients", example={"total": 1, "hits": [_CLIENT]}, errors=_READ_ERRORS
    ),
)
async def list_clients(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """List the programs that call the API for the caller's institution."""
    reply = await call(request, members.ListClients, wire.ListClientsRequest())
    hits = [Client(**plain(client)) for client in reply.clients]
    return _json(ClientList(total=len(hits), hits=hits))


@router.post(
    "/clients",
    response_model=AddedClient,
    status_code=201,
    **documented(
        operation="add_client",
        summary="Add a client",
        example={**_CLIENT, "client_secret": "zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/AddClient",
        status=201,
    ),
)
async def add_client(request: Request, body: NewClient, members: Members) -> Response:
    """Add a program, and return its secret. No other response has the secret."""
    reply = await call(request, members.AddClient, wire.AddClientRequest(name=body.name, role=body.role))
    return _json(AddedClient(**plain(reply.client), client_secret=reply.secret), status=201)


@router.delete(
    "/clients/{client_id}",
    response_model=Client,
    **documented(
        operation="revoke_client",
        summary="Revoke a client",
        example=_CLIENT,
        errors=(400, 401, 403, 404, 429, 503, 504),
    ),
)
async def revoke_client(request: Request, client_id: AccountId, members: Members) -> Response:
    """Revoke a client. All services refuse its access tokens within 20 seconds. A repeat changes nothing."""
    reply = await call(request, members.RevokeClient, wire.RevokeClientRequest(id=client_id))
    return _json(Client(**plain(reply.client)))


def _json(model: ResponseModel, *, status: int = 200) -> Response:
    return Response(model.to_json(), status_code=status, media_type=JSON)
