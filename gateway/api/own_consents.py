"""Routes to read and answer consents of the caller, and of the children whose guardian the caller is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import MEMBER_ID_EXAMPLE, Body
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Members, call
from rangkiang.members.v1 import requests_pb2 as wire

router = APIRouter(tags=["own consents"], route_class=ApiRoute)
_ERRORS = (*ERRORS, 404)


class OwnConsentBody(Body):
    """An answer to the text of a consent."""

    member_id: str = Field("", description="Id of a child whose guardian the caller is; empty for the caller.",
                           max_length=64, examples=[""])  # fmt: skip
    purpose: str = Field(description="loan_history or news.", max_length=64, examples=["loan_history"])
    text_version: str = Field(description="Version of the text that was read.", max_length=64, examples=["2026-11"])
    given: StrictBool = Field(description="True for a consent, false for its withdrawal.", examples=[True])


class PersonConsents(ResponseModel):
    """The answers of one person."""

    member_id: str
    """Identifier (UUID) of the person."""
    name: str
    """Name of the person."""
    is_child: bool
    """True for a person under 18, who may withdraw a consent; only the guardian may give one."""
    consents: list[dict[str, Any]]
    """purpose, text_version, given, how, by_guardian and at; the oldest first. The last one of a purpose applies."""


class OwnConsents(ResponseModel):
    """The caller, then the children whose guardian the caller is."""

    total: int
    """Number of people."""
    hits: list[PersonConsents]
    """The people, each with their answers."""


_ANSWER = {"purpose": "loan_history", "text_version": "2026-11", "given": True, "how": "web", "by_guardian": False,
           "at": "2026-11-26T03:12:00Z"}  # fmt: skip
_PERSON = {"member_id": MEMBER_ID_EXAMPLE, "name": "Siti Rahma", "is_child": False, "consents": [_ANSWER]}
_EXAMPLE = {"total": 1, "hits": [_PERSON]}


@router.get(
    "/account/consents",
    response_model=OwnConsents,
    **documented(operation="list_own_consents", summary="The caller's consents", example=_EXAMPLE, errors=_ERRORS),
)
async def list_own(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """List consents and withdrawals of the caller and of the children whose guardian the caller is."""
    return await _consents(request, members)


@router.post(
    "/account/consents",
    response_model=OwnConsents,
    status_code=201,
    **documented(
        operation="answer_own_consent",
        summary="Give or withdraw a consent",
        example=_EXAMPLE,
        errors=(*_ERRORS, 409),
        method="/rangkiang.members.v1.Members/AnswerOwnConsent",
        status=201,
    ),
)
async def answer(request: Request, body: OwnConsentBody, members: Members) -> Response:
    """Give or withdraw a consent. Earlier answers stay in the ledger. The guardian gives a child's consent."""
    await call(request, members.AnswerOwnConsent, wire.AnswerOwnConsentRequest(**body.model_dump()))
    return await _consents(request, members, status=201)


async def _consents(request: Request, members: Members, *, status: int = 200) -> Response:
    reply = await call(request, members.ListOwnConsents, wire.ListOwnConsentsRequest())
    hits = [PersonConsents(**plain(one)) for one in reply.people]
    return private(OwnConsents(total=len(hits), hits=hits), status=status)
