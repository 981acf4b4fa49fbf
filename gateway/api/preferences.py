"""Routes for notice preferences by kind and channel, for staff and for members, and for members' own notices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import ERRORS, private
from gateway.api.notices import Notice
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number
from gateway.api.schemas import MemberId
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NAME = r"^[a-z_]{1,32}$"


class PreferenceAnswerBody(Body):
    """The preference for a kind of notices and a channel."""

    kind: str = Field(description="Kind of notices, or all.", pattern=_NAME, examples=["due_soon"])
    channel: str = Field(description="email, whatsapp, sms, push or all.", pattern=_NAME, examples=["whatsapp"])
    allowed: StrictBool = Field(description="False stops these notices.", examples=[False])


class PreferencesBody(Body):
    """All preferences, which replace the stored ones."""

    answers: list[PreferenceAnswerBody] = Field(description="The preferences.", max_length=200)


class OptOutBody(Body):
    """The notices to stop."""

    kind: str = Field("all", description="Kind of notices, or all.", pattern=_NAME, examples=["due_soon"])
    channel: str = Field("all", description="email, whatsapp, sms, push or all.", pattern=_NAME, examples=["all"])


class OwnNoticesQuery(QueryModel):
    limit: Annotated[int, WholeNumber(1, 50)] = number(20, "Largest number of notices.")


class Answer(ResponseModel):
    """The preference for a kind of notices and a channel."""

    kind: str
    """Kind of notices, or all."""
    channel: str
    """email, whatsapp, sms, push or all."""
    allowed: bool
    """False when the member does not receive these notices."""


class Preferences(ResponseModel):
    """The preferences of a member. A kind without a preference uses its default channels."""

    answers: list[Answer]
    """The preferences; the most specific one applies."""
    kinds: list[str]
    """All kinds of notices."""
    channels: list[str]
    """All channels."""


class OptedOut(ResponseModel):
    """The notices that were stopped."""

    kind: str
    """Kind of notices, or all."""
    channel: str
    """Channel, or all."""


class OwnNotices(ResponseModel):
    """The caller's own last notices."""

    hits: list[Notice]
    """The notices, the newest first."""


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
        summary="A member's notice preferences",
        example=_EXAMPLE,
        errors=(*ERRORS, 404),
    ),
)
async def get_preferences(
    request: Request, member_id: MemberId, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """Return the notice preferences of a member, for staff."""
    reply = await call(request, notifications.GetPreferences, wire.GetPreferencesRequest(member_id=member_id))
    return _model(reply.preferences)


@router.put(
    "/members/{member_id}/preferences",
    response_model=Preferences,
    **documented(
        operation="put_member_preferences",
        summary="Replace a member's notice preferences",
        example=_EXAMPLE,
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/PutPreferences",
    ),
)
async def put_preferences(
    request: Request, member_id: MemberId, body: PreferencesBody, notifications: Notifications
) -> Response:
    """Replace the notice preferences of a member, for staff at the member's request."""
    message = wire.PutPreferencesRequest(member_id=member_id, preferences=_answers(body))
    reply = await call(request, notifications.PutPreferences, message)
    return _model(reply.preferences)


@router.get(
    "/account/preferences",
    response_model=Preferences,
    **documented(
        operation="get_own_preferences",
        summary="The caller's own notice preferences",
        example=_EXAMPLE,
        errors=ERRORS,
    ),
)
async def get_own(request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications) -> Response:
    """Return the notice preferences of the member who is signed in."""
    reply = await call(request, notifications.GetOwnPreferences, wire.GetOwnPreferencesRequest())
    return _model(reply.preferences)


@router.put(
    "/account/preferences",
    response_model=Preferences,
    **documented(
        operation="put_own_preferences",
        summary="Replace the caller's own notice preferences",
        example=_EXAMPLE,
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/PutOwnPreferences",
    ),
)
async def put_own(request: Request, body: PreferencesBody, notifications: Notifications) -> Response:
    """Replace the notice preferences of the member who is signed in."""
    message = wire.PutOwnPreferencesRequest(preferences=_answers(body))
    reply = await call(request, notifications.PutOwnPreferences, message)
    return _model(reply.preferences)


@router.post(
    "/account/opt-out",
    response_model=OptedOut,
    **documented(
        operation="opt_out",
        summary="Stop notices of a kind",
        example={"kind": "due_soon", "channel": "all"},
        errors=_CHANGE_ERRORS,
        method=f"{_SERVICE}/OptOut",
    ),
)
async def opt_out(request: Request, body: OptOutBody, notifications: Notifications) -> Response:
    """Stop notices of a kind, for a member who is signed in or who sends the token of an opt-out link."""
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
    """List the caller's last notices, without their texts."""
    reply = await call(request, notifications.ListOwnNotices, wire.ListOwnNoticesRequest(limit=query.limit))
    return private(OwnNotices(hits=[Notice(**plain(notice)) for notice in reply.notices]))
