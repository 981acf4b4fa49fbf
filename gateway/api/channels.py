"""Routes of notice channels, their health, and the hours in which an institution sends digests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.serializers import plain
from gateway.api.writes import Version
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
ChannelName = Annotated[str, Path(description="Name of a channel.", pattern=r"^[a-z0-9-]{1,16}$", examples=["smtp"])]


class RulesBody(Body):
    """Hours in which digests are sent, in the member's zone."""

    opens: str = Field(description="First time, HH:MM; 07:00 or later.", max_length=5, examples=["08:00"])
    closes: str = Field(description="Last time, HH:MM; 20:00 or earlier.", max_length=5, examples=["18:00"])


class ChannelDay(ResponseModel):
    """Number of attempts on a day that ended in one state."""

    day: str
    """Day in the institution's zone, ISO 8601."""
    state: str
    """State of the attempts: accepted, temporary, permanent, unknown …"""
    count: int
    """Number of attempts."""


class ChannelStatus(ResponseModel):
    """The health of a channel."""

    name: str
    """Name of the channel."""
    state: str
    """well, failing, or open (circuit open: nothing is sent until the next test)."""
    waiting: int
    """Number of messages that wait for another attempt."""
    last_reason: str
    """Reason code of the last failure."""
    last_at: str | None = None
    """Time of the last change of state."""
    days: list[ChannelDay]
    """Counts of the last 30 days."""
    refused_addresses: int
    """Number of addresses that the channel refused permanently."""


class Channels(ResponseModel):
    """The channels of the setting CHANNELS."""

    hits: list[ChannelStatus]
    """The channels, in order of fallback."""


class SendingRules(ResponseModel):
    """Hours in which digests are sent, in the member's zone."""

    opens: str
    """First time, HH:MM."""
    closes: str
    """Last time, HH:MM."""
    version: int
    """Version, for If-Match; 0 before the first change."""


_CHANNEL = {
    "name": "smtp",
    "state": "well",
    "waiting": 0,
    "last_reason": "",
    "last_at": "2026-11-21T00:00:03Z",
    "days": [{"day": "2026-11-21", "state": "accepted", "count": 412}],
    "refused_addresses": 2,
}
_RULES = {"opens": "08:00", "closes": "18:00", "version": 1}


@router.get(
    "/notices/sending-rules",
    response_model=SendingRules,
    **documented(operation="get_sending_rules", summary="Hours for digests", example=_RULES, errors=ERRORS),
)
async def get_rules(request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications) -> Response:
    """Return the institution's hours for digests. They never overlap the quiet hours, 20:00–07:00."""
    reply = await call(request, notifications.GetSendingRules, wire.GetSendingRulesRequest())
    return private(SendingRules(**plain(reply.rules)), version=reply.rules.version)


@router.put(
    "/notices/sending-rules",
    response_model=SendingRules,
    **documented(
        operation="put_sending_rules",
        summary="Change the hours for digests",
        example=_RULES,
        errors=(*ERRORS, 409, 412, 422, 428),
        method=f"{_SERVICE}/PutSendingRules",
    ),
)
async def put_rules(request: Request, body: RulesBody, version: Version, notifications: Notifications) -> Response:
    """Replace the institution's hours for digests. If-Match of the first change names version 0."""
    rules = wire.SendingRules(opens=body.opens, closes=body.closes, version=version)
    reply = await call(request, notifications.PutSendingRules, wire.PutSendingRulesRequest(rules=rules))
    return private(SendingRules(**plain(reply.rules)), version=reply.rules.version)


@router.get(
    "/channels",
    response_model=Channels,
    **documented(operation="list_channels", summary="Health of channels", example={"hits": [_CHANNEL]}, errors=ERRORS),
)
async def list_channels(
    request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """List the channels of the setting CHANNELS, in order of fallback."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest())
    return private(Channels(hits=[ChannelStatus(**plain(channel)) for channel in reply.channels]))


@router.get(
    "/channels/{channel}/status",
    response_model=ChannelStatus,
    **documented(
        operation="get_channel_status", summary="Health of a channel", example=_CHANNEL, errors=(*ERRORS, 404)
    ),
)
async def get_channel(
    request: Request, channel: ChannelName, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """Return the state of a channel, its waiting messages, and the institution's counts of the last 30 days."""
    reply = await call(request, notifications.GetChannelStatus, wire.GetChannelStatusRequest(name=channel))
    return private(ChannelStatus(**plain(reply.channels[0])))
