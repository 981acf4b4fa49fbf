"""Routes to list notices also as CSV, to read one with its attempts, and to send one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.notice_csv import notices_as_csv
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, ID_PATTERN
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"
NoticeId = Annotated[
    str,
    Path(description="A notice's identifier (UUID).", examples=[_NOTICE_ID]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


@router.get("/notices", **documented("Notices of the institution", "notifications.ListNotices", errors=(404,)))
async def list_notices(
    request: Request, query: Annotated[models.NoticesQuery, Query()], notifications: Notifications
) -> models.Notices:
    """List notices by member, state and kind, the newest first."""
    reply = await call(request, notifications.ListNotices, to_message(wire.ListNoticesRequest, query))
    return to_model(models.Notices, reply)


@router.get(
    "/notices.csv",
    response_class=Response,
    **documented("Notices of the institution as CSV", "notifications.ListNotices", errors=(404,), content=CSV_CONTENT),
)
async def list_notices_as_csv(request: Request, query: Annotated[models.NoticesConditions, Query()]) -> Response:
    """List notices in one file, at most the newest 200,000."""
    return await notices_as_csv(request, to_message(wire.ListNoticesRequest, query))


@router.get(
    "/notices/{notice_id}",
    **documented("A notice with its text and attempts", "notifications.GetNotice", errors=(404,)),
)
async def get_notice(
    request: Request, notice_id: NoticeId, query: NoParameters, notifications: Notifications
) -> models.NoticeInFull:
    """Return a notice. The audit log records each request."""
    reply = await call(request, notifications.GetNotice, wire.GetNoticeRequest(id=notice_id))
    return to_model(models.NoticeInFull, reply)


@router.post(
    "/notice-resends", **documented("Send all unknown notices again", "notifications.ResendUnknown", errors=(409,))
)
async def resend_unknown_notices(request: Request, notifications: Notifications) -> models.ResentNotices:
    """Send all notices of the last 7 days again whose state is unknown, at most 1,000."""
    reply = await call(request, notifications.ResendUnknown, wire.ResendUnknownRequest())
    return to_model(models.ResentNotices, reply)


@router.post(
    "/notices/{notice_id}/resends", **documented("Send a notice again", "notifications.ResendNotice", errors=(404, 409))
)
async def resend_notice(request: Request, notice_id: NoticeId, notifications: Notifications) -> models.ResentNotice:
    """Send a notice again in a new message. Its state must be failed, unknown, print or printed."""
    reply = await call(request, notifications.ResendNotice, wire.ResendNoticeRequest(id=notice_id))
    return to_model(models.ResentNotice, reply)
