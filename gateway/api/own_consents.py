"""Routes to read and answer consents of the caller, and of the children whose guardian the caller is."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import requests_pb2 as wire

router = APIRouter(tags=["own consents"], route_class=ApiRoute)
_ERRORS = (*ERRORS, 404)


@router.get("/account/consents", **documented("The caller's consents", model=models.OwnConsents, errors=_ERRORS))
async def list_own_consents(request: Request, query: NoParameters, members: Members) -> Response:
    """List consents and withdrawals of the caller and of the children whose guardian the caller is."""
    return await _consents(request, members)


@router.post(
    "/account/consents",
    **documented(
        "Give or withdraw a consent",
        model=models.OwnConsents,
        errors=(*_ERRORS, 409),
        method="/rangkiang.members.v1.Members/AnswerOwnConsent",
        status=201,
    ),
)
async def answer_own_consent(request: Request, body: models.OwnConsentBody, members: Members) -> Response:
    """Give or withdraw a consent. Earlier answers stay in the ledger. The guardian gives a child's consent."""
    await call(request, members.AnswerOwnConsent, to_message(wire.AnswerOwnConsentRequest, body))
    return await _consents(request, members, status=201)


async def _consents(request: Request, members: Members, *, status: int = 200) -> Response:
    reply = await call(request, members.ListOwnConsents, wire.ListOwnConsentsRequest())
    return private(to_model(models.OwnConsents, reply), status=status)
