"""Route to make a sandbox: an institution with sample data for developers, deleted at night."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Catalog, Members, call
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.members.v1 import staff_pb2

router = APIRouter(tags=["sandbox"], route_class=ApiRoute)


class Sandbox(ResponseModel):
    """A new sandbox, and the client that works in it."""

    institution: str = Field(description="Code of its institution.", examples=["SANDBOX-7A20C4"])
    branch: str = Field(description="Its branch.", examples=["SANDBOX-7A20C4/PST"])
    client_id: str = Field(description="Id of its client.", examples=["0192f3a4-5b6c-7d8e-9f01-23456789abcd"])
    client_secret: str = Field(
        description="Secret of that client; only this response has it.", examples=["zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"]
    )
    members: list[str] = Field(description="Card numbers of its members.", examples=[["1000000019", "1000000027"]])
    items: list[str] = Field(description="Barcodes of its items.", examples=[["COBA0001", "COBA0002"]])
    ends_at: str = Field(
        description="When it is deleted, UTC.",
        examples=["2026-12-02T20:00:00Z"],
        json_schema_extra={"format": "date-time"},
    )


@router.post("/sandbox", **documented("Make a sandbox", "catalog.AddSandbox", errors=(404, 409), status=201))
async def make_sandbox(request: Request, query: NoParameters, catalog: Catalog, members: Members) -> Sandbox:
    """Make an institution with a branch, items, members and a client of the role manager, limited to itself.

    It is deleted at night, with everything that was added to it. Its records are in no public list or search. It sends
    no messages. Where the setting SANDBOX is off: 404 `SANDBOX_OFF`.
    """
    added = await call(request, catalog.AddSandbox, catalog_pb2.AddSandboxRequest())
    institution = added.institution
    message = staff_pb2.AddSandboxClientRequest(institution_id=institution.id)
    client = await call(request, members.AddSandboxClient, message)
    return Sandbox(
        institution=institution.code,
        branch=f"{institution.code}/{institution.branches[0].code}",
        client_id=client.client_id,
        client_secret=client.client_secret,
        members=list(client.members),
        items=list(added.barcodes),
        ends_at=added.ends_at.ToJsonString(),
    )
