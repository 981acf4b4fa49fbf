"""Preferences of notices by kind and channel, at the desk and by members themselves; and members' own notices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import Body, MemberId
from gateway.api.members import ERRORS, private
from gateway.api.notices import Notice
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NAME = r"^[a-z_]{1,32}$"


class PreferenceAnswerBody(Body):
    """Whether notices of a kind come over a channel."""

    kind: str = Field(description="Kind of notices, or all.", pattern=_NAME, examples=["due_soon"])
    channel: str = Field(description="email, whatsapp, sms, push or all.", pattern=_NAME, examples=["whatsapp"])
    allowed: StrictBool = Field(description="False ends them.", examples=[False])


class PreferencesBody(Body):
    """All answers; those that are not named are forgotten."""

    answers: list[PreferenceAnswerBody] = Field(description="The answers.", max_length=200)


class OptOutBody(Body):
    """What a member wants no more."""

    kind: str = Field("all", description="Kind of notices, or all.", pattern=_NAME, examples=["due_soon"])
    channel: str = Field("all", description="email, whatsapp, sms, push or all.", pattern=_NAME, examples=["all"])


class OwnNoticesQuery(QueryModel):
    limit: Annotated[int, WholeNumber(1, 50)] = number(20, "Notices at most.")


class Answer(ResponseModel):
    """Whether notices of a kind come over a channel."""

    kind: str
    """Kind of notices, or all."""
    channel: str
    """email, whatsapp, sms, push or all."""
    allowed: bool
    """False: they do not come."""


class Preferences(ResponseModel):
    """The answers of a member; without one a kind comes over its usual channels."""

    answers: list[Answer]
    """The answers; the most specific decides."""
    kinds: list[str]
    """Kinds that there are."""
    channels: list[str]
    """Channels that there are."""


class OptedOut(ResponseModel):
    """What ended."""

    kind: str
    """Kind of notices, or all."""
    channel: str
    """Channel, or all."""


class OwnNotices(ResponseModel):
    """The caller's own last notices."""

    hits: list[Notice]
    """The newest first."""


_EXAMPLE = {
    "answers": [{"kind": "due_soon", "channel": "whatsapp", "allowed": False}],
    "kinds": ["due_soon", "overdue"],
    "channels": ["email", "whatsapp"],
}
_CHANGE_ERRORS = (*ERRORS, 404, 409, 422)


def _model(preferences: wire.Preferences) -> Response:
    return private(Preferences(**plain(preferences)))


def _answers(body: PreferencesBody) -> list[wire.Preference]:
    return [wire.Preference(kind=one.kind, channel=one.channel, allowed=one.allowed) for one in body.answers]


@router.get(
    "/members/{member_id}/preferences",
    response_model=Preferences,
    **documented(
        operation="get_member_preferences",
        summary="What a member wants to hear",
        example=_EXAMPLE,
        errors=(*ERRORS, 404),
    ),
)
async def get_preferences(
    request: Request, member_id: MemberId, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """For the desk."""
    reply = await call(request, notifications.GetPreferences, wire.GetPreferencesRequest(member_id=member_id))
    return _model(reply.preferences)


@router.put(
    "/members/{member_id}/preferences",
    response_model=Preferences,
    **documented(
        operation="put_member_preferences",
        summary="Change what a member wants to hear",
        example=_EXAMPLE,
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/PutPreferences",
    ),
)
async def put_preferences(
    request: Request, member_id: MemberId, body: PreferencesBody, notifications: Notifications
) -> Response:
    """For the desk, when a member says so there."""
    message = wire.PutPreferencesRequest(member_id=member_id, preferences=_answers(body))
    reply = await call(request, notifications.PutPreferences, message)
    return _model(reply.preferences)


@router.get(
    "/account/preferences",
    response_model=Preferences,
    **documented(
        operation="get_own_preferences",
        summary="What the caller wants to hear",
        example=_EXAMPLE,
        errors=ERRORS,
    ),
)
async def get_own(request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications) -> Response:
    """For a member who is signed in."""
    reply = await call(request, notifications.GetOwnPreferences, wire.GetOwnPreferencesRequest())
    return _model(reply.preferences)


@router.put(
    "/account/preferences",
    response_model=Preferences,
    **documented(
        operation="put_own_preferences",
        summary="Change what the caller wants to hear",
        example=_EXAMPLE,
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/PutOwnPreferences",
    ),
)
async def put_own(request: Request, body: PreferencesBody, notifications: Notifications) -> Response:
    """For a member who is signed in."""
    message = wire.PutOwnPreferencesRequest(preferences=_answers(body))
    reply = await call(request, notifications.PutOwnPreferences, message)
    return _model(reply.preferences)


@router.post(
    "/account/opt-out",
    response_model=OptedOut,
    **documented(
        operation="opt_out",
        summary="End notices of a kind",
        example={"kind": "due_soon", "channel": "all"},
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/OptOut",
    ),
)
async def opt_out(request: Request, body: OptOutBody, notifications: Notifications) -> Response:
    """For a member who is signed in, or holds the token of an opt-out link."""
    reply = await call(request, notifications.OptOut, wire.OptOutRequest(kind=body.kind, channel=body.channel))
    return private(OptedOut(kind=reply.kind, channel=reply.channel))


@router.get(
    "/account/notices",
    response_model=OwnNotices,
    **documented(
        operation="list_own_notices",
        summary="The caller's own last notices",
        example={"hits": []},
        errors=ERRORS,
    ),
)
async def list_own(
    request: Request, query: Annotated[OwnNoticesQuery, Query()], notifications: Notifications
) -> Response:
    """Without their texts."""
    reply = await call(request, notifications.ListOwnNotices, wire.ListOwnNoticesRequest(limit=query.limit))
    return private(OwnNotices(hits=[Notice(**plain(notice)) for notice in reply.notices]))
