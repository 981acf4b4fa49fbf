"""Routes of notice channels, their health, and the hours in which an institution sends digests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
ChannelName = Annotated[str, Path(description="Name of a channel.", pattern=r"^[a-z0-9-]{1,16}$", examples=["smtp"])]


@router.get("/notices/sending-rules", **documented("Hours for digests", model=models.SendingRules, errors=ERRORS))
async def get_sending_rules(request: Request, query: NoParameters, notifications: Notifications) -> Response:
    """Return the institution's hours for digests. They never overlap the quiet hours, 20:00–07:00."""
    reply = await call(request, notifications.GetSendingRules, wire.GetSendingRulesRequest())
    return private(to_model(models.SendingRules, reply.rules), version=reply.rules.version)


@router.put(
    "/notices/sending-rules",
    **documented(
        "Change the hours for digests",
        model=models.SendingRules,
        errors=(*ERRORS, 409, 412, 422, 428),
        method=f"{_SERVICE}/PutSendingRules",
    ),
)
async def put_sending_rules(
    request: Request, body: models.RulesBody, version: Version, notifications: Notifications
) -> Response:
    """Replace the institution's hours for digests. If-Match of the first change names version 0."""
    rules = to_message(wire.SendingRules, body, version=version)
    reply = await call(request, notifications.PutSendingRules, wire.PutSendingRulesRequest(rules=rules))
    return private(to_model(models.SendingRules, reply.rules), version=reply.rules.version)


@router.get("/channels", **documented("Health of channels", model=models.Channels, errors=ERRORS))
async def list_channels(request: Request, query: NoParameters, notifications: Notifications) -> Response:
    """List the channels of the setting CHANNELS, in order of fallback."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest())
    return private(to_model(models.Channels, reply))


@router.get(
    "/channels/{channel}/status", **documented("Health of a channel", model=models.ChannelStatus, errors=(*ERRORS, 404))
)
async def get_channel_status(
    request: Request, channel: ChannelName, query: NoParameters, notifications: Notifications
) -> Response:
    """Return the state of a channel, its waiting messages, and the institution's counts of the last 30 days."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest(name=channel))
    return private(to_model(models.ChannelStatus, reply.channels[0]))
