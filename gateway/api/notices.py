"""Routes to list notices (JSON and CSV), to read one with its attempts, and to send one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.loan_csv import CSV
from gateway.api.members import ERRORS, private
from gateway.api.notice_csv import notices_as_csv
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number, text
from gateway.api.schemas import ID_PATTERN, JSON, MEMBER_ID_EXAMPLE
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from gateway.negotiation import preferred_media_type
from rangkiang.notifications.v1 import notices_pb2 as wire

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
_NOTICE_ID = "0192f3a4-5b6c-7d8e-9f11-23456789abcd"
NoticeId = Annotated[
    str,
    Path(description="A notice's identifier (UUID).", examples=[_NOTICE_ID]),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]


class NoticesQuery(QueryModel):
    member: str = text("Id of a member whose notices are listed.", longest=64, example=MEMBER_ID_EXAMPLE)
    state: str = text(
        "State: waiting, sending, sent, delivered, read, failed, dropped, print, printed or unknown.", longest=16,
        example="unknown",
    )  # fmt: skip
    kind: str = text("Kind of notices.", longest=32, example="overdue")
    cursor: str = text("The `next` value of the previous page.", longest=64)
    limit: Annotated[int, WholeNumber(1, 500)] = number(50, "Notices on a page.")

    def message(self) -> wire.ListNoticesRequest:
        return wire.ListNoticesRequest(
            member_id=self.member, state=self.state, kind=self.kind, cursor=self.cursor, limit=self.limit
        )


class Notice(ResponseModel):
    """A notice to a member, sent or waiting."""

    id: str
    """Identifier (UUID)."""
    member_id: str
    """Identifier (UUID) of the member; empty after the member was erased."""
    kind: str
    """Kind of notice: due_soon, overdue, loan_receipt …"""
    loan_id: str
    """Identifier (UUID) of the loan; empty from 14 days after its return, and for notices without a loan."""
    item_id: str
    """Identifier (UUID) of the item; empty when `loan_id` is."""
    title: str
    """Title of the item; empty when `loan_id` is."""
    state: str
    """waiting, sending, sent, delivered, read, failed, dropped, print, printed or unknown."""
    reason: str
    """Reason code of the state; often empty."""
    made_at: str | None = None
    """Time of creation, ISO 8601 in UTC."""
    due_at: str | None = None
    """Earliest time of sending, ISO 8601 in UTC."""
    changed_at: str | None = None
    """Time of the last change of state, ISO 8601 in UTC."""
    channel: str
    """Channel of the last attempt; empty before the first attempt."""
    message_id: str
    """Identifier of the message; notices that are sent in one message share it."""
    language: str
    """id or en; empty before the first attempt."""
    zone: str
    """IANA zone of the branch; without a branch, of the institution."""


class Notices(ResponseModel):
    """A page of notices."""

    total: int
    """Number of notices on all pages, counted up to 1,000."""
    has_more: bool
    """True when there are more than `total`."""
    hits: list[Notice]
    """The notices, the newest first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


class Attempt(ResponseModel):
    """One attempt to send a message through a provider."""

    id: str
    """Identifier (UUID)."""
    channel: str
    """Name of the channel."""
    provider_id: str
    """The provider's identifier of the message."""
    state: str
    """started, accepted, temporary, permanent, unknown, delivered, read or failed."""
    reason: str
    """Reason code of a failure; empty when there is none."""
    started_at: str | None = None
    """Time of the start, ISO 8601 in UTC."""
    ended_at: str | None = None
    """Time of the provider's response, ISO 8601 in UTC."""


class NoticeInFull(ResponseModel):
    """A notice with its text and attempts."""

    notice: Notice
    """The notice."""
    subject: str
    """Subject that was sent."""
    text: str
    """Text that was sent; empty before sending, after its deletion, and when the text had a one-time code."""
    attempts: list[Attempt]
    """Attempts, the first one first."""


class ResentNotices(ResponseModel):
    """Notices that wait to be sent again."""

    count: int
    """Number of notices."""


class ResentNotice(ResponseModel):
    """A notice that waits to be sent again."""

    notice: Notice
    """The notice."""


_NOTICE = {
    "id": _NOTICE_ID,
    "member_id": MEMBER_ID_EXAMPLE,
    "kind": "overdue",
    "loan_id": "0192f3a4-5b6c-7d8e-9f07-23456789abcd",
    "item_id": "0192f3a4-5b6c-7d8e-9f08-23456789abcd",
    "title": "Merantau ke Deli",
    "state": "sent",
    "reason": "",
    "made_at": "2026-11-20T19:00:02Z",
    "due_at": "2026-11-21T00:00:00Z",
    "changed_at": "2026-11-21T00:00:03Z",
    "channel": "smtp",
    "message_id": "0192f3a4-5b6c-7d8e-9f12-23456789abcd",
    "language": "id",
    "zone": "Asia/Jakarta",
}
_ATTEMPT = {
    "id": "0192f3a4-5b6c-7d8e-9f13-23456789abcd",
    "channel": "smtp",
    "provider_id": "<0192f3a4-5b6c-7d8e-9f12-23456789abcd@perpustakaan.example.id>",
    "state": "accepted",
    "reason": "",
    "started_at": "2026-11-21T00:00:02Z",
    "ended_at": "2026-11-21T00:00:03Z",
}


@router.get(
    "/notices",
    response_model=Notices,
    **documented(
        operation="list_notices",
        summary="Notices of the institution",
        example={"total": 1, "has_more": False, "hits": [_NOTICE]},
        errors=ERRORS,
        content={CSV: {"schema": {"type": "string"}}},
    ),
)
async def list_notices(
    request: Request, query: Annotated[NoticesQuery, Query()], notifications: Notifications
) -> Response:
    """List notices by member, state and kind, the newest first. CSV has all pages in one file."""
    if preferred_media_type(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
        return await notices_as_csv(request, query.message())
    reply = await call(request, notifications.ListNotices, query.message())
    hits = [Notice(**plain(notice)) for notice in reply.notices]
    return private(Notices(total=reply.total, has_more=reply.has_more, hits=hits, next=reply.cursor or None))


@router.get(
    "/notices/{notice_id}",
    response_model=NoticeInFull,
    **documented(
        operation="get_notice",
        summary="A notice with its text and attempts",
        example={
            "notice": _NOTICE,
            "subject": "Buku terlambat",
            "text": "Yth. Ibu Siti, …",
            "attempts": [_ATTEMPT],
        },
        errors=(*ERRORS, 404),
    ),
)
async def get_notice(
    request: Request, notice_id: NoticeId, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """Return a notice. The audit log records each request."""
    reply = await call(request, notifications.GetNotice, wire.GetNoticeRequest(id=notice_id))
    return private(
        NoticeInFull(
            notice=Notice(**plain(reply.notice)),
            subject=reply.subject,
            text=reply.text,
            attempts=[Attempt(**plain(attempt)) for attempt in reply.attempts],
        )
    )


@router.post(
    "/notice-resends",
    response_model=ResentNotices,
    **documented(
        operation="resend_unknown_notices",
        summary="Send all unknown notices again",
        example={"count": 3},
        errors=(*ERRORS, 409, 422),
        method=f"{_SERVICE}/ResendUnknown",
    ),
)
async def resend_unknown(request: Request, notifications: Notifications) -> Response:
    """Send all notices of the last 7 days again whose state is unknown, at most 1,000."""
    reply = await call(request, notifications.ResendUnknown, wire.ResendUnknownRequest())
    return private(ResentNotices(count=reply.count))


@router.post(
    "/notices/{notice_id}/resend",
    response_model=ResentNotice,
    **documented(
        operation="resend_notice",
        summary="Send a notice again",
        example={"notice": {**_NOTICE, "state": "waiting", "channel": "", "message_id": ""}},
        errors=(*ERRORS, 404, 409, 422),
        method=f"{_SERVICE}/ResendNotice",
    ),
)
async def resend(request: Request, notice_id: NoticeId, notifications: Notifications) -> Response:
    """Send a notice again in a new message. Its state must be failed, unknown, print or printed."""
    reply = await call(request, notifications.ResendNotice, wire.ResendNoticeRequest(id=notice_id))
    return private(ResentNotice(notice=Notice(**plain(reply.notice))))
