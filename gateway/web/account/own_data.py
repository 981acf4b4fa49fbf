"""/account/data: consents of a member, a copy of the member's data, and data requests to the library."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.models import choices
from gateway.api.member_copy import as_file, own_copy, read_own
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.desk.consents import TEXT_VERSION, Asked, asked_of
from gateway.web.desk.data_requests import request_rows
from gateway.web.desk.lending import loan_rows
from gateway.web.desk.members import MORE
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import requests_pb2 as wire

router = SignedInRouter()


class Person(NamedTuple):
    """The reader or one of their children, with each purpose and the last answer."""

    member_id: str
    name: str
    is_own: bool
    may_give: bool
    asked: list[Asked]


@router.get("/account/data")
async def own_data(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.get("/account/data.json")
async def download(request: Request) -> Response:
    """Return a copy of the reader's data in members, and the open loans, as a JSON file."""
    return as_file(await own_copy(request))


@router.get("/account/data/print")
async def print_copy(request: Request) -> Response:
    """Show the copy of the reader's data as a page to print: the values of the JSON file in words."""
    reply, loans = await read_own(request)
    words, lang = wording(language(request)), language(request)
    return page(
        request,
        "own_copy.html",
        member=reply.member,
        category=local_text(reply.member.category_name, lang) or reply.member.category,
        facts=[(name, words.code(name, getattr(reply.member, name))) for name in MORE],
        rows=request_rows(reply.requests, words),
        loans=None if loans is None else loan_rows(loans, words),
        today=clock.now(),
    )


@router.post("/account/consents")
async def answer(request: Request) -> Response:
    """Give or withdraw a consent, for the reader or for a child whose guardian the reader is."""
    fields = await read_form(request)
    message = wire.AnswerOwnConsentRequest(
        member_id=fields.text("member_id"),
        purpose=fields.text("purpose"),
        text_version=TEXT_VERSION,
        given=fields.text("given") == "1",
    )
    act = call(request, members(request).AnswerOwnConsent, message)
    return await act_or_show(request, act, "/account/data?changed=consents", show=_page)


@router.post("/account/data-requests")
async def add(request: Request) -> Response:
    """Ask for access, a correction or an erasure."""
    fields = await read_form(request)
    message = wire.AddOwnDataRequestRequest(kind=fields.text("kind"), text=fields.get("text", ""))
    act = call(request, members(request).AddOwnDataRequest, message)
    return await act_or_show(
        request, act, "/account/data?changed=requests", show=_page, form=signed_in_form(request, fields)
    )


async def _page(request: Request, form: Form) -> Response:
    consents = await call(request, members(request).ListOwnConsents, wire.ListOwnConsentsRequest())
    requests = await call(request, members(request).ListOwnDataRequests, wire.ListOwnDataRequestsRequest())
    words = wording(language(request))
    people = [
        Person(
            person.member_id,
            person.name,
            is_own=position == 0,
            may_give=position > 0 or not person.is_child,
            asked=asked_of(person.consents, words),
        )
        for position, person in enumerate(consents.people)
    ]
    return page(
        request,
        "own_data.html",
        form=form,
        people=people,
        rows=request_rows(requests.requests, words),
        kinds=words.codes("data_request", choices(wire.DataRequest, "kind")),
        changed=request.query_params.get("changed", ""),
    )
