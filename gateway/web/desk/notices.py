"""/notices: the list of notices with filters and CSV, and the page of a notice with its attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound, TooLate, Unavailable
from chassis.models import choices, enum_values
from gateway.api.notice_csv import notices_as_csv
from gateway.clients import call, notifications
from gateway.sessions import may
from gateway.web.desk.lending import names_of
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, words_of
from rangkiang.notifications.v1 import notices_pb2 as wire
from rangkiang.notifications.v1.kinds_pb2 import NoticeKind, is_family

router = SignedInRouter()

STATES = choices(wire.Notice, "state")
KINDS = [kind for kind, options in enum_values(NoticeKind) if not options.Extensions[is_family]]
_PAGE, _LAST = 50, 5
USUAL_ZONE = "Asia/Jakarta"


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice for templates.

    at   time of the last change of state; for a waiting notice, earliest time of sending; in words
    why  reason of the state, in words; "" without a reason
    """

    notice: wire.Notice
    name: str
    at: str
    why: str


@router.get("/notices")
async def ledger(request: Request) -> Response:
    message = _message(request)
    message.limit = _PAGE
    reply = await call(request, notifications(request).ListNotices, message)
    names = await names_of(request, [notice.member_id for notice in reply.notices]) or {}
    filters = {
        name: value
        for name, value in (("member", message.member_id), ("state", message.state), ("kind", message.kind))
        if value
    }
    return page(
        request,
        "notices.html",
        rows=notice_rows(reply.notices, words_of(request), names),
        total=reply.total,
        has_more=reply.has_more,
        filters=filters,
        states=STATES,
        kinds=KINDS,
        first=f"/notices?{urlencode(filters)}" if message.cursor else "",
        after=f"/notices?{urlencode({**filters, 'cursor': reply.cursor})}" if reply.cursor else "",
        csv=f"/notices.csv?{urlencode(filters)}",
        form=signed_in_form(request),
        may_resend=filters == {"state": "unknown"} and may(request, "notices.write"),
        resent=int(resent) if (resent := request.query_params.get("resent", "")[:4]).isdecimal() else None,
    )


@router.get("/notices.csv")
async def ledger_csv(request: Request) -> Response:
    return await notices_as_csv(request, _message(request))


@router.get("/notices/{notice_id}")
async def show_notice(request: Request) -> Response:
    return await _notice_page(request, signed_in_form(request))


@router.post("/notices/resends")
async def resend_unknown(request: Request) -> Response:
    """Send all unknown notices of the last week again."""
    await read_form(request)
    reply = await call(request, notifications(request).ResendUnknown, wire.ResendUnknownRequest())
    return redirect(f"/notices?state=unknown&resent={reply.count}")


@router.post("/notices/{notice_id}/resend")
async def resend(request: Request) -> Response:
    await read_form(request)
    notice_id: str = request.path_params["notice_id"]
    act = call(request, notifications(request).ResendNotice, wire.ResendNoticeRequest(id=notice_id))
    return await act_or_show(request, act, f"/notices/{notice_id}?resent=1", show=_notice_page)


async def last_notices(request: Request, member_id: str) -> list[NoticeRow] | None:
    """Return the last notices of a member; None when they cannot be read or the caller may not see them."""
    if not may(request, "notices.read"):
        return None
    message = wire.ListNoticesRequest(member_id=member_id, limit=_LAST, without_total=True)
    try:
        reply = await call(request, notifications(request).ListNotices, message)
    except (Unavailable, TooLate, NotFound):
        return None
    return notice_rows(reply.notices, words_of(request), {})


def notice_rows(notices: Any, words: Wording, names: dict[str, str]) -> list[NoticeRow]:
    return [
        NoticeRow(
            notice,
            names.get(notice.member_id, ""),
            moment(notice.due_at if notice.state == "waiting" else notice.changed_at, words, notice.zone),
            words.code("notice_reason", notice.reason) if notice.reason else "",
        )
        for notice in notices
    ]


def moment(timestamp: Timestamp, words: Wording, zone: str) -> str:
    """Return a day and time with the name of the zone: `27 November 2026 14.30 WITA`; "" for an unset timestamp."""
    if not timestamp.seconds:
        return ""
    at = timestamp.ToDatetime(UTC).astimezone(ZoneInfo(zone or USUAL_ZONE))
    # Only zones outside Indonesia have no name in the texts.
    name = words.texts.get(f"calendars.zones.{zone or USUAL_ZONE}", f"{at:%Z}")
    return f"{words.day(at.date())} {words.clock(at)} {name}"


def _message(request: Request) -> wire.ListNoticesRequest:
    params = request.query_params
    return wire.ListNoticesRequest(
        member_id=params.get("member", "")[:64],
        state=params.get("state", "")[:16],
        kind=params.get("kind", "")[:32],
        cursor=params.get("cursor", "")[:500],
    )


async def _notice_page(request: Request, form: Form) -> Response:
    message = wire.GetNoticeRequest(id=request.path_params["notice_id"])
    reply = await call(request, notifications(request).GetNotice, message)
    words = words_of(request)
    names = await names_of(request, [reply.notice.member_id]) or {}
    (row,) = notice_rows([reply.notice], words, names)
    return page(
        request,
        "notice.html",
        row=row,
        subject=reply.subject,
        text=reply.text,
        attempts=[
            (attempt, moment(attempt.started_at, words, reply.notice.zone), words.code("notice_reason", attempt.reason))
            for attempt in reply.attempts
        ],
        due_at=moment(reply.notice.due_at, words, reply.notice.zone),
        form=form,
        may_resend=may(request, "notices.write") and reply.is_resendable,
        is_resent=request.query_params.get("resent") == "1",
    )
