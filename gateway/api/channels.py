"""Routes of notice channels, their health, and the hours in which an institution sends digests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, versioned
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

ChannelName = Annotated[str, Path(description="Name of a channel.", pattern=r"^[a-z0-9-]{1,16}$", examples=["smtp"])]


@router.get("/notices/sending-rules", **documented("Hours for digests", "notifications.GetSendingRules"))
async def get_sending_rules(
    request: Request, response: Response, query: NoParameters, notifications: Notifications
) -> models.SendingRules:
    """Return the institution's hours for digests. They never overlap the quiet hours, 20:00–07:00."""
    reply = await call(request, notifications.GetSendingRules, wire.GetSendingRulesRequest())
    return versioned(response, to_model(models.SendingRules, reply.rules), reply.rules.version)


@router.put(
    "/notices/sending-rules",
    **documented("Change the hours for digests", "notifications.PutSendingRules", errors=(409, 412, 428)),
)
async def put_sending_rules(
    request: Request, response: Response, body: models.RulesBody, version: Version, notifications: Notifications
) -> models.SendingRules:
    """Replace the institution's hours for digests. If-Match of the first change names version 0."""
    rules = to_message(wire.SendingRules, body, version=version)
    reply = await call(request, notifications.PutSendingRules, wire.PutSendingRulesRequest(rules=rules))
    return versioned(response, to_model(models.SendingRules, reply.rules), reply.rules.version)


@router.get("/channels", **documented("Health of channels", "notifications.GetChannelStatus"))
async def list_channels(request: Request, query: NoParameters, notifications: Notifications) -> models.Channels:
    """List the channels of the setting CHANNELS, in order of fallback."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest())
    return to_model(models.Channels, reply)


@router.get(
    "/channels/{channel}/status", **documented("Health of a channel", "notifications.GetChannelStatus", errors=(404,))
)
async def get_channel_status(
    request: Request, channel: ChannelName, query: NoParameters, notifications: Notifications
) -> models.ChannelStatus:
    """Return the state of a channel, its waiting messages, and the institution's counts of the last 30 days."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest(name=channel))
    return to_model(models.ChannelStatus, reply.channels[0])
