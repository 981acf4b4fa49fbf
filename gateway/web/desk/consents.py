"""/members/{id}/consents: the texts of consents, a member's last answer to each text, and all answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from chassis.models import choices
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.members.v1 import people_pb2 as wire
from rangkiang.members.v1 import requests_pb2

router = SignedInRouter()

# Purposes of the texts of this release. A text whose meaning changes gets a new version.
PURPOSES = choices(wire.Consent, "purpose")
TEXT_VERSION = "2026-11"
# How staff receive an answer.
WAYS = choices(requests_pb2.AddDataRequestRequest, "how")


@dataclass(frozen=True, slots=True)
class Asked:
    """A purpose, its text, and the member's last answer; None without one."""

    purpose: str
    name: str
    text: str
    last: wire.Consent | None


@router.get("/members/{member_id}/consents")
async def consents(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/members/{member_id}/consents")
async def answer(request: Request) -> Response:
    """Record an answer. The ledger only grows, so the current version is used instead of the version of the form."""
    fields = await read_form(request)
    member = await _get(request)
    consent = wire.Consent(
        purpose=fields.text("purpose"),
        text_version=TEXT_VERSION,
        given=fields.text("given") == "1",
        how=fields.text("how") or WAYS[0],
        by_guardian="by_guardian" in fields,
    )
    message = wire.ChangeMemberRequest(id=member.id, version=member.version, consents=[consent])
    act = call(request, members(request).ChangeMember, message)
    return await act_or_show(
        request, act, f"/members/{member.id}/consents", show=_page, form=signed_in_form(request, fields)
    )


async def _get(request: Request) -> wire.Member:
    message = wire.GetMemberRequest(id=request.path_params["member_id"])
    return (await call(request, members(request).GetMember, message)).member


async def _page(request: Request, form: Form) -> Response:
    member = await _get(request)
    words = wording(language(request))
    return page(
        request,
        "consents.html",
        form=form,
        member=member,
        asked=asked_of(member.consents, words),
        ways=words.codes("consent_way", WAYS),
    )


def asked_of(answers: Iterable[wire.Consent], words: Wording) -> list[Asked]:
    """Return each purpose with its last answer. `answers` must have the oldest answer first."""
    last = {consent.purpose: consent for consent in answers}
    return [
        Asked(
            purpose,
            name=words.code("consent", purpose),
            text=words.say(f"members.consents.text.{purpose}"),
            last=last.get(purpose),
        )
        for purpose in PURPOSES
    ]
