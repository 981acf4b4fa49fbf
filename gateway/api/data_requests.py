"""Routes to record, list and answer data requests of members, and to copy a member's stored data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_copy import as_file, copy_of, own_copy
from gateway.api.member_models import MEMBER_ID_EXAMPLE, Body, MemberId
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, text
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Members, call
from rangkiang.members.v1 import requests_pb2 as wire

router = APIRouter(tags=["data requests"], route_class=ApiRoute)
_SERVICE = "/rangkiang.members.v1.Members"
REQUEST_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f08-23456789abcd"
RequestId = Annotated[str, Path(description="A data request's identifier (UUID).", examples=[REQUEST_ID_EXAMPLE])]
_TEXT = Field("", description="What the member asks for; stored sealed.", max_length=8_000, repr=False,
              examples=["My address has changed."])  # fmt: skip
_KIND = Field(description="access, correction or erasure.", max_length=40, examples=["access"])


class OwnRequestBody(Body):
    """A request of the caller about their own data."""

    kind: str = _KIND
    text: str = _TEXT


class RequestBody(OwnRequestBody):
    """A request that a member made at the desk or on paper."""

    how: str = Field("desk", description="desk or form.", max_length=40, examples=["desk"])
    by_guardian: StrictBool = Field(False, description="True when the guardian asked.", examples=[False])


class AnswerBody(Body):
    """The answer to a request."""

    outcome: str = Field(description="done or refused.", max_length=40, examples=["done"])
    answer: str = Field("", description="Text for the member; stored sealed. Required with refused.", max_length=8_000,
                        repr=False, examples=["The address is changed."])  # fmt: skip


class RequestsQuery(QueryModel):
    member: str = text(
        "Id of a member whose requests are listed; by default all open requests of the institution.", longest=64
    )


class NewRequest(ResponseModel):
    """The recorded request."""

    id: str
    """Identifier (UUID)."""
    due_at: str
    """72 hours after the request was received, UTC."""


class DataRequest(ResponseModel):
    """A request of a member about their own data."""

    id: str
    """Identifier (UUID)."""
    member_id: str
    """Identifier (UUID) of the member."""
    kind: Literal["access", "correction", "erasure"]
    """access, correction or erasure."""
    how: str
    """web, desk or form."""
    by_guardian: bool
    """True when the guardian made the request."""
    text: str
    """Text of the request."""
    received_at: str
    """Time at which the request was received, UTC."""
    due_at: str
    """Time by which the request must be answered: 72 hours later, UTC."""
    answered_at: str | None = None
    """Time of the answer, UTC; absent while the request is open."""
    outcome: str
    """done or refused; empty while the request is open."""
    answer: str
    """Text of the answer, for the member."""


class DataRequests(ResponseModel):
    """A list of data requests."""

    total: int
    """Number of requests in this list."""
    has_more: bool
    """True when there are more requests than this list has."""
    hits: list[DataRequest]
    """The requests."""


class Answered(ResponseModel):
    """The answered request."""

    id: str
    """Identifier (UUID)."""


_EXAMPLE = {
    "id": REQUEST_ID_EXAMPLE,
    "member_id": MEMBER_ID_EXAMPLE,
    "kind": "correction",
    "how": "web",
    "by_guardian": False,
    "text": "My address has changed.",
    "received_at": "2026-11-26T03:12:00Z",
    "due_at": "2026-11-29T03:12:00Z",
    "outcome": "",
    "answer": "",
}
_LIST = {"total": 1, "has_more": False, "hits": [_EXAMPLE]}
_NEW = {"id": REQUEST_ID_EXAMPLE, "due_at": "2026-11-29T03:12:00Z"}
_COPY = {"made_at": "2026-11-26T03:12:00Z", "member": {"id": MEMBER_ID_EXAMPLE, "name": "Siti Rahma"},
         "data_requests": [_EXAMPLE], "loans": []}  # fmt: skip


@router.get(
    "/account/data-requests",
    response_model=DataRequests,
    **documented(
        operation="list_own_data_requests", summary="The caller's data requests", example=_LIST, errors=(*ERRORS, 404)
    ),
)
async def list_own(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """List the caller's requests with their answers, the open ones first."""
    reply = await call(request, members.ListOwnDataRequests, wire.ListOwnDataRequestsRequest())
    return _listed(reply.requests)


@router.post(
    "/account/data-requests",
    response_model=NewRequest,
    status_code=201,
    **documented(
        operation="add_own_data_request",
        summary="Ask about the caller's own data",
        example=_NEW,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/AddOwnDataRequest",
        status=201,
    ),
)
async def add_own(request: Request, body: OwnRequestBody, members: Members) -> Response:
    """Ask for access, correction or erasure. The library must answer within 72 hours."""
    reply = await call(request, members.AddOwnDataRequest, wire.AddOwnDataRequestRequest(**body.model_dump()))
    return private(NewRequest(**plain(reply)), status=201)


@router.get(
    "/account/data",
    response_model=dict[str, Any],
    **documented(operation="get_own_data", summary="Copy of the caller's data", example=_COPY, errors=(*ERRORS, 404)),
)
async def own_data(request: Request, query: Annotated[QueryModel, Query()]) -> Response:
    """Return the caller's data in the members service, and the open loans.

    The copy does not contain notices, devices or conversations.
    """
    return as_file(await own_copy(request))


@router.get(
    "/data-requests",
    response_model=DataRequests,
    **documented(operation="list_data_requests", summary="Data requests", example=_LIST, errors=(*ERRORS, 404)),
)
async def list_(request: Request, query: Annotated[RequestsQuery, Query()], members: Members) -> Response:
    """List the open requests of the institution, the first due first; or all requests of one member."""
    reply = await call(request, members.ListDataRequests, wire.ListDataRequestsRequest(id=query.member))
    return _listed(reply.requests, has_more=reply.has_more)


@router.post(
    "/members/{member_id}/data-requests",
    response_model=NewRequest,
    status_code=201,
    **documented(
        operation="add_data_request",
        summary="Record a data request",
        example=_NEW,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/AddDataRequest",
        status=201,
    ),
)
async def add(request: Request, member_id: MemberId, body: RequestBody, members: Members) -> Response:
    """Record a request of a member. The 72 hours begin now, so record the request when it is received."""
    message = wire.AddDataRequestRequest(id=member_id, **body.model_dump())
    return private(NewRequest(**plain(await call(request, members.AddDataRequest, message))), status=201)


@router.post(
    "/data-requests/{request_id}/answer",
    response_model=Answered,
    **documented(
        operation="answer_data_request",
        summary="Answer a data request",
        example={"id": REQUEST_ID_EXAMPLE},
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/AnswerDataRequest",
    ),
)
async def answer(request: Request, request_id: RequestId, body: AnswerBody, members: Members) -> Response:
    """Answer a request with done or refused, and a text for the member.

    The erasure of a member also answers the member's open requests.
    """
    message = wire.AnswerDataRequestRequest(id=request_id, **body.model_dump())
    reply = await call(request, members.AnswerDataRequest, message)
    return private(Answered(id=reply.id))


@router.get(
    "/members/{member_id}/data",
    response_model=dict[str, Any],
    **documented(operation="get_member_data", summary="Copy of a member's data", example=_COPY, errors=(*ERRORS, 404)),
)
async def data(request: Request, member_id: MemberId, query: Annotated[QueryModel, Query()]) -> Response:
    """Return the member's data in the members service, and the loan history.

    The copy does not contain notices, devices or conversations.
    """
    return as_file(await copy_of(request, member_id))


def _listed(requests: Iterable[wire.DataRequest], *, has_more: bool = False) -> Response:
    hits = [DataRequest(**plain(row)) for row in requests]
    return private(DataRequests(total=len(hits), has_more=has_more, hits=hits))
