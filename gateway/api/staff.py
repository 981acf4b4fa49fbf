"""Routes of /staff and /clients: staff of the institution; programs of other systems, and what they request."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_message, to_model
from chassis.output import csv_line
from chassis.queries import QueryModel, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT
from gateway.api.writes import Version, versioned
from gateway.clients import Members, call, members
from gateway.responses import csv_head, download
from rangkiang.members.v1 import models
from rangkiang.members.v1 import staff_pb2 as wire

router = APIRouter(tags=["staff"], route_class=ApiRoute)

_USAGE_COLUMNS: Final = ("client", "client_id", "day", "protocol", "requests", "records", "refusals")
AccountId = Annotated[str, Path(description="Identifier (UUID).", max_length=64)]


class UsageQuery(QueryModel):
    month: str = text("Month in Western Indonesian Time, ISO 8601.", longest=10, example="2026-12", required=True)
    client: str = text("Only this client (UUID).", longest=64)


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
async def get_client(
    request: Request, response: Response, client_id: AccountId, query: NoParameters, members: Members
) -> models.ApiClient:
    """Return a program, also a revoked one. The ETag is the version of its plan."""
    client = (await call(request, members.GetClient, wire.GetClientRequest(id=client_id))).client
    return versioned(response, to_model(models.ApiClient, client), client.version)


@router.post("/clients", **documented("Add a client", "members.AddClient", errors=(404, 409), status=201))
async def add_client(request: Request, body: models.NewClient, members: Members) -> AddedClient:
    """Add a program, and return its secret. No other response has the secret."""
    reply = await call(request, members.AddClient, to_message(wire.AddClientRequest, body))
    return to_model(AddedClient, reply.client, client_secret=reply.secret)


@router.patch(
    "/clients/{client_id}", **documented("Change the plan of a client", "members.ChangeClient", errors=(404, 409))
)
async def change_client(
    request: Request,
    response: Response,
    client_id: AccountId,
    body: models.ChangedClientBody,
    members: Members,
    version: Version,
) -> models.ApiClient:
    """Change the limits that are in the body; null is the default of the role. They count within a few seconds."""
    message = to_message(wire.ChangeClientRequest, body, id=client_id, version=version)
    client = (await call(request, members.ChangeClient, message)).client
    return versioned(response, to_model(models.ApiClient, client), client.version)


@router.delete(
    "/clients/{client_id}", **documented("Revoke a client", "members.RevokeClient", errors=(404,), status=204)
)
async def revoke_client(request: Request, client_id: AccountId, members: Members) -> None:
    """Revoke a client. All services refuse its access tokens within 20 seconds. A repeat changes nothing."""
    await call(request, members.RevokeClient, wire.RevokeClientRequest(id=client_id))


@router.get("/reports/usage", **documented("Requests of clients in a month", "members.ReportUsage"))
async def report_usage(request: Request, query: Annotated[UsageQuery, Query()], members: Members) -> models.UsageReport:
    """List the daily counts of the institution's clients by protocol. A client of a partner sees its own."""
    return to_model(models.UsageReport, await call(request, members.ReportUsage, _usage_message(query)))


@router.get(
    "/reports/usage.csv",
    response_class=Response,
    **documented("Requests of clients in a month as CSV", "members.ReportUsage", content=CSV_CONTENT),
)
async def report_usage_as_csv(request: Request, query: Annotated[UsageQuery, Query()]) -> Response:
    """List the daily counts of the institution's clients by protocol, for spreadsheets."""
    return await usage_as_csv(request, _usage_message(query))


async def usage_as_csv(request: Request, message: wire.ReportUsageRequest) -> Response:
    reply = await call(request, members(request).ReportUsage, message)
    rows = (csv_line([getattr(count, name) for name in _USAGE_COLUMNS]) for count in reply.counts)
    return download(csv_head(_USAGE_COLUMNS) + "".join(rows), f"usage-{message.month}.csv")


def _usage_message(query: UsageQuery) -> wire.ReportUsageRequest:
    return wire.ReportUsageRequest(month=query.month, client_id=query.client)
