"""/account — the reader's own account."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.forms import Form, for_signed_in, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.qr_svg import qr_svg
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import cards_pb2
from rangkiang.members.v1 import members_pb2 as wire

router = APIRouter()

_PASSWORD_FIELDS = {
    "PASSWORD_WRONG": "password",
    "PASSWORD_COMMON": "new_password",
    "PASSWORD_TOO_LONG": "new_password",
    "PASSWORD_TOO_SHORT": "new_password",
}


@router.get("/account")
@for_signed_in
async def account(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post("/account/password")
@for_signed_in
async def change_password(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request)
    password, new_password = fields.get("password", ""), fields.get("new_password", "")
    if new_password != fields.get("repeated", ""):
        form.errors["repeated"] = wording(language(request)).say("signin.differ")
        return await _page(request, form, status=400)
    message = wire.ChangePasswordRequest(password=password, new_password=new_password)
    try:
        await call(request, members(request).ChangePassword, message)
    except Error as problem:
        return await _page(request, refuse(request, form, problem, _PASSWORD_FIELDS), status=problem.http_status)
    return redirect("/account?changed=password")


async def _page(request: Request, form: Form, *, status: int = 200) -> Response:
    own = (await call(request, members(request).GetAccount, wire.GetAccountRequest())).account
    membership = None
    if own.member_id:
        membership = await call(request, members(request).GetOwnMember, cards_pb2.GetOwnMemberRequest())
    words = wording(language(request))
    return page(
        request,
        "account.html",
        query="",
        own=own,
        member=membership.member if membership else None,
        qr=qr_svg(membership.qr, label=words.say("account.qr")) if membership and membership.qr else "",
        category=local_text(membership.member.category_name, words.language) if membership else "",
        form=form,
        is_changed=request.query_params.get("changed") == "password",
        status=status,
    )
