"""/data-requests: data requests of members, the open ones by due time, and all requests of one member."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Error, NotFound
from chassis.models import choices
from gateway.api.member_copy import as_file, copy_of
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.desk.lending import names_of
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.members.v1 import people_pb2
from rangkiang.members.v1 import requests_pb2 as wire

router = SignedInRouter()

_NEAR_HOURS = 24


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request for templates.

    left     remaining or exceeded time, in words; "" for an answered request
    is_near  True for an open request that is due within 24 hours or overdue
    """

    request: wire.DataRequest
    left: str
    is_near: bool
    name: str = ""


def request_rows(
    requests: Iterable[wire.DataRequest], words: Wording, names: dict[str, str] | None = None
) -> list[RequestRow]:
    """Return requests for templates, each with its remaining time."""
    now = clock.now()
    rows = []
    for request in requests:
        if request.HasField("answered_at"):
            rows.append(RequestRow(request, "", is_near=False))
            continue
        due_at = request.due_at.ToDatetime(UTC)
        is_near = (due_at - now).total_seconds() < _NEAR_HOURS * 3600
        name = (names or {}).get(request.member_id, "")
        rows.append(RequestRow(request, _left(due_at, now, words), is_near=is_near, name=name))
    return rows


def _left(due_at: datetime, now: datetime, words: Wording) -> str:
    """Return the remaining time, `2 hari 5 jam lagi`, or the time since the request was due."""
    seconds = int((due_at - now).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    if seconds < 0:
        return words.say("data.late", hours=hours, minutes=minutes)
    days, day_hours = divmod(hours, 24)
    if days:
        return words.say("data.left_days", days=days, hours=day_hours)
    return words.say("data.left_hours", hours=hours, minutes=minutes)


@router.get("/data-requests")
async def open_requests(request: Request) -> Response:
    """Show the open requests of the institution, the first due first."""
    reply = await call(request, members(request).ListDataRequests, wire.ListDataRequestsRequest())
    names = await names_of(request, [row.member_id for row in reply.requests])
    rows = request_rows(reply.requests, wording(language(request)), names)
    return page(request, "data_requests.html", rows=rows, has_more=reply.has_more)


@router.get("/members/{member_id}/data-requests")
async def of_member(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/members/{member_id}/data-requests")
async def add(request: Request) -> Response:
    """Record a request from the desk or on paper."""
    fields = await read_form(request)
    message = wire.AddDataRequestRequest(
        id=request.path_params["member_id"],
        kind=fields.text("kind"),
        text=fields.get("text", ""),
        how=fields.text("how"),
        by_guardian="by_guardian" in fields,
    )
    act = call(request, members(request).AddDataRequest, message)
    return await act_or_show(
        request, act, f"/members/{message.id}/data-requests", show=_page, form=signed_in_form(request, fields)
    )


@router.post("/members/{member_id}/data-requests/{request_id}/answer")
async def answer(request: Request) -> Response:
    fields = await read_form(request)
    message = wire.AnswerDataRequestRequest(
        id=request.path_params["request_id"], outcome=fields.text("outcome"), answer=fields.get("answer", "")
    )
    try:
        await call(request, members(request).AnswerDataRequest, message)
    except NotFound:
        raise
    except Error as problem:
        form = refuse(request, signed_in_form(request), problem, {})
        # Each request on the page has a field of this name, so the error is shown for the page, and the typed text in
        # the field of its request.
        form.general += form.errors.values()
        form.errors.clear()
        return await _page(request, form, typed={message.id: message.answer})
    return redirect(f"/members/{request.path_params['member_id']}/data-requests")


@router.get("/members/{member_id}/data.json")
async def download(request: Request) -> Response:
    """Return a copy of the member's data in members, and the loans, as a JSON file for the member."""
    return as_file(await copy_of(request, request.path_params["member_id"]))


async def _page(request: Request, form: Form, *, typed: dict[str, str] | None = None) -> Response:
    member_id = request.path_params["member_id"]
    member = (await call(request, members(request).GetMember, people_pb2.GetMemberRequest(id=member_id))).member
    reply = await call(request, members(request).ListDataRequests, wire.ListDataRequestsRequest(id=member.id))
    words = wording(language(request))
    outcomes = choices(wire.AnswerDataRequestRequest, "outcome")
    return page(
        request,
        "member_requests.html",
        form=form,
        member=member,
        rows=request_rows(reply.requests, words),
        typed=typed or {},
        kinds=words.codes("data_request", choices(wire.DataRequest, "kind")),
        ways=words.codes("consent_way", choices(wire.AddDataRequestRequest, "how")),
        outcomes=[(outcome, words.say(f"data.act.{outcome}")) for outcome in outcomes],
    )
