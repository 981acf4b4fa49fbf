"""Routes for notice preferences by kind and channel, for staff and for members, and for members' own notices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import MemberId
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_NAME = r"^[a-z_]{1,32}$"


@router.get(
    "/members/{member_id}/preferences",
    **documented("A member's notice preferences", "notifications.GetPreferences", errors=(404,)),
)
async def get_member_preferences(
    request: Request, member_id: MemberId, query: NoParameters, notifications: Notifications
) -> models.Preferences:
    """Return the notice preferences of a member, for staff."""
    reply = await call(request, notifications.GetPreferences, wire.GetPreferencesRequest(member_id=member_id))
    return to_model(models.Preferences, reply.preferences)


@router.put(
    "/members/{member_id}/preferences",
    **documented("Replace a member's notice preferences", "notifications.PutPreferences", errors=(404, 409)),
)
async def put_member_preferences(
    request: Request, member_id: MemberId, body: models.PreferencesBody, notifications: Notifications
) -> models.Preferences:
    """Replace the notice preferences of a member, for staff at the member's request."""
    message = to_message(wire.PutPreferencesRequest, body, member_id=member_id)
    reply = await call(request, notifications.PutPreferences, message)
    return to_model(models.Preferences, reply.preferences)


@router.get(
    "/account/preferences", **documented("The caller's own notice preferences", "notifications.GetOwnPreferences")
)
async def get_own_preferences(
    request: Request, query: NoParameters, notifications: Notifications
) -> models.Preferences:
    """Return the notice preferences of the member who is signed in."""
    reply = await call(request, notifications.GetOwnPreferences, wire.GetOwnPreferencesRequest())
    return to_model(models.Preferences, reply.preferences)


@router.put(
    "/account/preferences",
    **documented("Replace the caller's own notice preferences", "notifications.PutOwnPreferences", errors=(404, 409)),
)
async def put_own_preferences(
    request: Request, body: models.PreferencesBody, notifications: Notifications
) -> models.Preferences:
    """Replace the notice preferences of the member who is signed in."""
    message = to_message(wire.PutOwnPreferencesRequest, body)
    reply = await call(request, notifications.PutOwnPreferences, message)
    return to_model(models.Preferences, reply.preferences)


@router.post("/account/opt-outs", **documented("Stop notices of a kind", "notifications.OptOut", errors=(404, 409)))
async def opt_out(request: Request, body: models.OptOutBody, notifications: Notifications) -> models.OptedOut:
    """Stop notices of a kind, for a member who is signed in or who sends the token of an opt-out link."""
    reply = await call(request, notifications.OptOut, to_message(wire.OptOutRequest, body))
    return to_model(models.OptedOut, reply)


@router.get("/account/notices", **documented("The caller's own last notices", "notifications.ListOwnNotices"))
async def list_own_notices(
    request: Request, query: Annotated[models.OwnNoticesQuery, Query()], notifications: Notifications
) -> models.OwnNotices:
    """List the caller's last notices, without their texts."""
    reply = await call(request, notifications.ListOwnNotices, to_message(wire.ListOwnNoticesRequest, query))
    return to_model(models.OwnNotices, reply)
