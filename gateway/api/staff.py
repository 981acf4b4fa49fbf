"""/staff and /clients: who works for the institution, and which programs call the API for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import CONTROL
from gateway.api.schemas import JSON, ResponseModel
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
    """A person of staff."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(description="User name, in lower case.", max_length=32, examples=["budi"])
    name: str = Field(
        description="Name of the person.", max_length=120, pattern=rf"^[^{CONTROL}]*$", examples=["Budi Santoso"]
    )
    roles: Roles


class RolesChange(BaseModel):
    """The roles that replace the present ones; none closes the account."""

    model_config = ConfigDict(extra="forbid")

    roles: Roles


class NewClient(BaseModel):
    """A program of another system."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        description="Lower-case letters, digits, dots, underscores, hyphens.", max_length=64, examples=["opac-unand"]
    )
    role: str = Field(description="Its role.", max_length=32, examples=["desk"])


class StaffMember(ResponseModel):
    """A person of staff."""

    id: str
    """Identifier (UUID)."""
    user: str
    """User name."""
    name: str
    """Name of the person."""
    roles: list[str]
    """Roles; none: the account is closed."""
    has_password: bool
    """False until the one-time link was used."""
    has_second_factor: bool
    """True when an authenticator is set up."""
    last_sign_in: str | None = None
    """When the person last signed in (UTC)."""
    version: int
    """Version of the roles, for If-Match."""


class AddedStaff(StaffMember):
    """A person of staff who was added."""

    link: str
    """Path of the page for the first password; it works once, within 24 hours, and is shown nowhere else."""


class MadeLink(ResponseModel):
    """A new one-time link."""

    link: str
    """Path of the page for a new password; it works once, within 24 hours, and is shown nowhere else."""


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
    """Its name."""
    role: str
    """Its role."""
    added_at: str
    """When it was added (UTC)."""
    last_used_at: str | None = None
    """When it last got an access token (UTC, written at most once a minute)."""
    revoked_at: str | None = None
    """When it was revoked (UTC)."""


class AddedClient(Client):
    """A program that was added."""

    client_secret: str
    """Its secret, which is shown nowhere else."""


class ClientList(ResponseModel):
    total: int
    """Number of clients."""
    hits: list[Client]
    """The clients of the caller's institution, by name, revoked ones too."""


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
_READ_ERRORS = (401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)


@router.get(
    "/staff",
    response_model=StaffList,
    **documented(operation="list_staff", summary="Staff", example={"total": 1, "hits": [_STAFF]}, errors=_READ_ERRORS),
)
async def list_staff(request: Request, members: Members) -> Response:
    """The staff of the caller's institution."""
    reply = await call(request, members.ListStaff, wire.ListStaffRequest())
    hits = [StaffMember(**plain(person)) for person in reply.staff]
    return _json(StaffList(total=len(hits), hits=hits))


@router.post(
    "/staff",
    response_model=AddedStaff,
    status_code=201,
    **documented(
        operation="add_staff",
        summary="Add a person of staff",
        example={**_STAFF, "has_password": False, "link": "/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"},
        status=201,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/AddStaff",
    ),
)
async def add_staff(request: Request, body: NewStaff, members: Members) -> Response:
    """The response has a one-time link for the first password. Nobody gives a role whose scopes they lack."""
    message = wire.AddStaffRequest(user=body.user, name=body.name, roles=body.roles)
    reply = await call(request, members.AddStaff, message)
    added = AddedStaff(**plain(reply.member), link=f"/sign-in/link/{reply.link}")
    return _json(added, status=201)


@router.put(
    "/staff/{account_id}/roles",
    response_model=StaffMember,
    **documented(
        operation="set_roles",
        summary="Replace the roles of a person of staff",
        example=_STAFF,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/SetRoles",
    ),
)
async def set_roles(
    request: Request, account_id: AccountId, body: RolesChange, members: Members, version: Version
) -> Response:
    """The person's sessions end. Without roles the account is closed."""
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
        summary="Make a one-time link for a person of staff",
        example={"link": "/sign-in/link/zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"},
        status=201,
        errors=(400, 401, 403, 404, 409, 422, 429, 503, 504),
        method=f"{SERVICE}/MakeLink",
    ),
)
async def make_link(request: Request, account_id: AccountId, members: Members) -> Response:
    """For a forgotten password or a lost second factor. Earlier links are void; the password stays valid until then."""
    reply = await call(request, members.MakeLink, wire.MakeLinkRequest(id=account_id))
    return _json(MadeLink(link=f"/sign-in/link/{reply.link}"), status=201)


@router.get(
    "/clients",
    response_model=ClientList,
    **documented(
        operation="list_clients", summary="Clients", example={"total": 1, "hits": [_CLIENT]}, errors=_READ_ERRORS
    ),
)
async def list_clients(request: Request, members: Members) -> Response:
    """Programs that call the API for the caller's institution."""
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
    """The response has the secret, which is shown nowhere else."""
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
    """Its access tokens are refused everywhere within 20 seconds; a second time changes nothing."""
    reply = await call(request, members.RevokeClient, wire.RevokeClientRequest(id=client_id))
    return _json(Client(**plain(reply.client)))


def _json(model: ResponseModel, *, status: int = 200) -> Response:
    return Response(model.to_json(), status_code=status, media_type=JSON)
