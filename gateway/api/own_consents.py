"""Routes to read and answer consents of the caller, and of the children whose guardian the caller is."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import requests_pb2 as wire

router = APIRouter(tags=["own consents"], route_class=ApiRoute)


@router.get("/account/consents", **documented("The caller's consents", "members.ListOwnConsents", errors=(404,)))
async def list_own_consents(request: Request, query: NoParameters, members: Members) -> models.OwnConsents:
    """List consents and withdrawals of the caller and of the children whose guardian the caller is."""
    return await _consents(request, members)


@router.post(
    "/account/consents",
    **documented("Give or withdraw a consent", "members.AnswerOwnConsent", errors=(404, 409), status=201),
)
async def answer_own_consent(request: Request, body: models.OwnConsentBody, members: Members) -> models.OwnConsents:
    """Give or withdraw a consent. Earlier answers stay in the ledger. The guardian gives a child's consent."""
    await call(request, members.AnswerOwnConsent, to_message(wire.AnswerOwnConsentRequest, body))
    return await _consents(request, members)


async def _consents(request: Request, members: Members) -> models.OwnConsents:
    reply = await call(request, members.ListOwnConsents, wire.ListOwnConsentsRequest())
    return to_model(models.OwnConsents, reply)
