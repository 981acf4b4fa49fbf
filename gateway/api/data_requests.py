"""Routes to record, list and answer data requests of members, and to copy a member's stored data."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.models import example_of, to_message, to_model
from gateway.api.member_copy import as_file, copy_of, own_copy
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import MEMBER_ID_EXAMPLE, MemberId, one_of
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import requests_pb2 as wire

router = APIRouter(tags=["data requests"], route_class=ApiRoute)
REQUEST_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f08-23456789abcd"
RequestId = Annotated[str, Path(description="A data request's identifier (UUID).", examples=[REQUEST_ID_EXAMPLE])]


_COPY = {"made_at": "2026-11-26T03:12:00Z", "member": {"id": MEMBER_ID_EXAMPLE, "name": "Siti Rahma"},
         "data_requests": [example_of(models.DataRequest)], "loans": []}  # fmt: skip


@router.get(
    "/account/data-requests", **documented("The caller's data requests", "members.ListOwnDataRequests", errors=(404,))
)
async def list_own_data_requests(request: Request, query: NoParameters, members: Members) -> models.DataRequests:
    """List the caller's requests with their answers, the open ones first."""
    reply = await call(request, members.ListOwnDataRequests, wire.ListOwnDataRequestsRequest())
    return to_model(models.DataRequests, reply, total_is_capped=False)


@router.post(
    "/account/data-requests",
    **documented("Ask about the caller's own data", "members.AddOwnDataRequest", errors=(404, 409), status=201),
)
async def add_own_data_request(request: Request, body: models.OwnRequestBody, members: Members) -> models.NewRequest:
    """Ask for access, correction or erasure. The library must answer within 72 hours."""
    reply = await call(request, members.AddOwnDataRequest, to_message(wire.AddOwnDataRequestRequest, body))
    return to_model(models.NewRequest, reply)


@router.get(
    "/account/data-requests/{request_id}",
    **documented("A data request of the caller", "members.ListOwnDataRequests", errors=(404,)),
)
async def get_own_data_request(
    request: Request, request_id: RequestId, query: NoParameters, members: Members
) -> models.DataRequest:
    """Return one of the caller's requests with its answer."""
    reply = await call(request, members.ListOwnDataRequests, wire.ListOwnDataRequestsRequest())
    return to_model(
        models.DataRequest, one_of(reply.requests, request_id, NotFound("DATA_REQUEST_NOT_FOUND", id=request_id[:64]))
    )


@router.get(
    "/account/data",
    response_model=dict[str, Any],
    **documented("Copy of the caller's data", "members.ExportOwnMember", errors=(404,), example=_COPY),
)
async def get_own_data(request: Request, query: NoParameters) -> Response:
    """Return the caller's data in the members service, and the open loans.

    The copy does not contain notices, devices or conversations.
    """
    return as_file(await own_copy(request))


@router.get("/data-requests", **documented("Data requests", "members.ListDataRequests", errors=(404,)))
async def list_data_requests(
    request: Request, query: Annotated[models.DataRequestsQuery, Query()], members: Members
) -> models.DataRequests:
    """List the open requests of the institution, the first due first; or all requests of one member."""
    reply = await call(request, members.ListDataRequests, to_message(wire.ListDataRequestsRequest, query))
    return to_model(models.DataRequests, reply)


@router.get("/data-requests/{request_id}", **documented("A data request", "members.GetDataRequest", errors=(404,)))
async def get_data_request(
    request: Request, request_id: RequestId, query: NoParameters, members: Members
) -> models.DataRequest:
    """Return a request with its answer. The audit log records each request."""
    reply = await call(request, members.GetDataRequest, wire.GetDataRequestRequest(id=request_id))
    return to_model(models.DataRequest, reply.request)


@router.post(
    "/members/{member_id}/data-requests",
    **documented("Record a data request", "members.AddDataRequest", errors=(404, 409), status=201),
)
async def add_data_request(
    request: Request, member_id: MemberId, body: models.RequestBody, members: Members
) -> models.NewRequest:
    """Record a request of a member. The 72 hours begin now, so record the request when it is received."""
    message = to_message(wire.AddDataRequestRequest, body, id=member_id)
    return to_model(models.NewRequest, await call(request, members.AddDataRequest, message))


@router.post(
    "/data-requests/{request_id}/answers",
    **documented("Answer a data request", "members.AnswerDataRequest", errors=(404, 409)),
)
async def answer_data_request(
    request: Request, request_id: RequestId, body: models.AnswerBody, members: Members
) -> models.Answered:
    """Answer a request with done or refused, and a text for the member.

    The erasure of a member also answers the member's open requests.
    """
    message = to_message(wire.AnswerDataRequestRequest, body, id=request_id)
    reply = await call(request, members.AnswerDataRequest, message)
    return to_model(models.Answered, reply)


@router.get(
    "/members/{member_id}/data",
    response_model=dict[str, Any],
    **documented("Copy of a member's data", "members.ExportMember", errors=(404,), example=_COPY),
)
async def get_member_data(request: Request, member_id: MemberId, query: NoParameters) -> Response:
    """Return the member's data in the members service, and the loan history.

    The copy does not contain notices, devices or conversations.
    """
    return as_file(await copy_of(request, member_id))
