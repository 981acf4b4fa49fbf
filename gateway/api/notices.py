"""Routes to list notices (JSON and CSV), to read one with its attempts, and to send one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.loan_csv import CSV
from gateway.api.members import ERRORS, private
from gateway.api.notice_csv import notices_as_csv
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN, JSON
from gateway.clients import Notifications, call
from gateway.negotiation import preferred_media_type
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"
NoticeId = Annotated[
    str,
    Path(description="A notice's identifier (UUID).", examples=[_NOTICE_ID]),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]


@router.get(
    "/notices",
    **documented(
        "Notices of the institution", model=models.Notices, errors=ERRORS, content={CSV: {"schema": {"type": "string"}}}
    ),
)
async def list_notices(
    request: Request, query: Annotated[models.NoticesQuery, Query()], notifications: Notifications
) -> Response:
    """List notices by member, state and kind, the newest first. CSV has all pages in one file."""
    message = to_message(wire.ListNoticesRequest, query)
    if preferred_media_type(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
        return await notices_as_csv(request, message)
    reply = await call(request, notifications.ListNotices, message)
    return private(to_model(models.Notices, reply))


@router.get(
    "/notices/{notice_id}",
    **documented("A notice with its text and attempts", model=models.NoticeInFull, errors=(*ERRORS, 404)),
)
async def get_notice(
    request: Request, notice_id: NoticeId, query: NoParameters, notifications: Notifications
) -> Response:
    """Return a notice. The audit log records each request."""
    reply = await call(request, notifications.GetNotice, wire.GetNoticeRequest(id=notice_id))
    return private(to_model(models.NoticeInFull, reply))


@router.post(
    "/notice-resends",
    **documented(
        "Send all unknown notices again",
        model=models.ResentNotices,
        errors=(*ERRORS, 409, 422),
        method=f"{_SERVICE}/ResendUnknown",
    ),
)
async def resend_unknown_notices(request: Request, notifications: Notifications) -> Response:
    """Send all notices of the last 7 days again whose state is unknown, at most 1,000."""
    reply = await call(request, notifications.ResendUnknown, wire.ResendUnknownRequest())
    return private(to_model(models.ResentNotices, reply))


@router.post(
    "/notices/{notice_id}/resend",
    **documented(
        "Send a notice again",
        model=models.ResentNotice,
        errors=(*ERRORS, 404, 409, 422),
        method=f"{_SERVICE}/ResendNotice",
    ),
)
async def resend_notice(request: Request, notice_id: NoticeId, notifications: Notifications) -> Response:
    """Send a notice again in a new message. Its state must be failed, unknown, print or printed."""
    reply = await call(request, notifications.ResendNotice, wire.ResendNoticeRequest(id=notice_id))
    return private(to_model(models.ResentNotice, reply))
