"""/sign-in and /sign-out: the browser's session; /sign-in/link and /sign-in/slip: new passwords with a link or code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.fernet import InvalidToken
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis import ids
from chassis.errors import Error, NotFound, TooLate, Unavailable
from gateway import sessions
from gateway.callers import address_of
from gateway.clients import call, members
from gateway.libraries import libraries
from gateway.negotiation import language
from gateway.password_limit import call_within_limit
from gateway.request_guard import accept_bodies
from gateway.web.code_svg import qr_svg
from gateway.web.forms import (
    SIGN_IN_BYTES,
    Form,
    keep_visitor,
    read_form,
    read_visitor_form,
    redirect,
    refuse,
    seal,
    unseal,
    visitor_form,
    visitor_secret,
)
from gateway.web.library import institution_name
from gateway.web.rendering import form_token, local_target, page
from gateway.web.texts import wording
from rangkiang.members.v1 import cards_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire

router = APIRouter()

# (scope, path) of the page after sign-in when the person did not come from a page: the first one whose scope they have.
HOMES = (("loans.lend", "/desk"), ("catalog.edit", "/catalogue"))
# Longest time between the password and the code of the second factor.
STEP_SECONDS = 300
# Longest time between sending a form whose session had ended and the sign-in.
RESUME_SECONDS = 900
_CODE_FIELDS = {
    "PASSWORD_COMMON": "password",
    "PASSWORD_TOO_LONG": "password",
    "PASSWORD_TOO_SHORT": "password",
}
_LINK_FIELDS = {
    "PASSWORD_COMMON": "password",
    "PASSWORD_TOO_LONG": "password",
    "PASSWORD_TOO_SHORT": "password",
    "PASSWORDS_DIFFER": "repeated",
    "TOTP_WRONG": "totp",
}


@router.get("/sign-in")
async def sign_in(request: Request) -> Response:
    sessions.require_secure(request)
    form, secret = visitor_form(request)
    return _password_page(request, form, secret, back=request.query_params.get("back", ""))


@router.post("/sign-in")
@accept_bodies(SIGN_IN_BYTES)
async def begin_session(request: Request) -> Response:
    """Sign in with user name and password. A second step asks for the institution, and for the code, if needed."""
    sessions.require_secure(request)
    fields = await read_visitor_form(request)
    secret = visitor_secret(request)
    hidden_fields = {"back": fields.get("back", ""), "resume": fields.get("resume", "")}
    user, password, institution = fields.text("user"), fields.get("password", ""), ""
    form, _ = visitor_form(request, {"user": user, "shared": fields.get("shared", "")})
    if fields.get("sealed"):
        try:
            user, password, *chosen = unseal(secret, fields["sealed"], seconds=STEP_SECONDS)
            institution = fields.text("institution") or "".join(chosen)
        except InvalidToken:
            form.add_error("", wording(language(request)).say("signin.too_late"))
            return _password_page(request, form, secret, **hidden_fields)
    if not user or not password:
        form.add_error("", wording(language(request)).say("signin.incomplete"))
        return _password_page(request, form, secret, **hidden_fields)
    message = wire.SignInRequest(
        user=user,
        password=password,
        totp=_digits(fields.get("totp", "")),
        address=address_of(request.scope),
        is_shared_computer=bool(fields.get("shared")),
        institution=institution,
        device=sessions.device_of(request),
    )
    try:
        reply = await call_within_limit(request, members(request).SignIn, message)
    except Error as problem:
        has_code = "totp" in fields and bool(fields.get("sealed"))
        is_choice = problem.reason == "SIGN_IN_INSTITUTION_NEEDED"
        if is_choice or (problem.reason == "TOTP_REQUIRED" and not has_code):
            hidden_fields["sealed"] = seal(secret, [user, password, institution])
            institutions = problem.facts["institutions"] if is_choice else None
            return _step_page(request, form, secret, institutions, **hidden_fields)
        if problem.reason == "TOTP_NEW":
            return redirect(str(problem.facts["link"]))
        refuse(request, form, problem, {})
        if has_code:
            hidden_fields["sealed"] = fields["sealed"]
            return _step_page(request, form, secret, None, **hidden_fields)
        form.values = {**form.values, "user": user}
        return _password_page(request, form, secret, **hidden_fields)
    response = _resume_page(request, secret, reply, hidden_fields["resume"]) or redirect(
        _after(hidden_fields["back"], reply.account.scopes)
    )
    # Each sign-in has a new secret, and ends the previous session of this browser.
    await _end_session(request)
    sessions.begin(request, response, reply, is_shared=message.is_shared_computer)
    return keep_visitor(request, response, "")


def _resume_page(request: Request, secret: str, reply: wire.SignInReply, resume: str) -> Response | None:
    """Return the page that sends a form again after its session had ended; None when there is no such form."""
    try:
        path, fields = unseal(secret, resume, seconds=RESUME_SECONDS)
    except InvalidToken:
        return None
    form = Form(form_token(reply.session), ids.new_id_text())
    return page(request, "sign_in_resume.html", form=form, path=path, fields=fields, is_private=True)


def _password_page(request: Request, form: Form, secret: str, *, back: str, resume: str = "") -> Response:
    response = page(request, "sign_in.html", is_private=True, form=form, back=back, resume=resume)
    return keep_visitor(request, response, secret)


def _step_page(
    request: Request, form: Form, secret: str, institutions: list[str] | None, **hidden_fields: str
) -> Response:
    """Show the step after the password: the code of the second factor, or the choice of an institution.

    institutions  codes; None for the second factor, empty for all institutions
    """
    choices = None
    if institutions is not None:
        codes, lang = institutions or libraries(request).known_directory().institutions, language(request)
        names = sorted((institution_name(request, code, lang), code) for code in codes)
        choices = [("", ""), *((code, name) for name, code in names)]
    facts: dict[str, Any] = {"form": form, "choices": choices, **hidden_fields}
    response = page(request, "sign_in_code.html", is_private=True, **facts)
    return keep_visitor(request, response, secret)


def _digits(code: str) -> str:
    """Return a code without spaces; authenticators show `123 456`."""
    return "".join(code.split())[:20]


def _after(back: str, scopes: Sequence[str]) -> str:
    """Return the page after sign-in: the requested one, else that of the person's daily work.

    Staff who sign in on the library's home page begin their work too.
    """
    home = next((path for scope, path in HOMES if scope in scopes), "/account")
    target = local_target(back, home)
    return home if target.startswith(("/sign-in", "/sign-out")) or (target == "/" and home != "/account") else target


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    if sessions.session_of(request) is not None:
        await read_form(request)
    response = redirect("/")
    # Without an answer of members the session ends later, when it has been unused; its secret is forgotten here.
    with suppress(Unavailable, TooLate):
        await _end_session(request)
    sessions.forget(request, response)
    return response


async def _end_session(request: Request) -> None:
    session = sessions.session_of(request)
    if session is not None:
        request.app.state.sessions.drop(session.secret)
        await call(request, members(request).SignOut, wire.SignOutRequest(session=session.secret))


@router.get("/sign-in/slip")
async def password_code(request: Request) -> Response:
    """Show the form with which a member sets a password with a code from the desk."""
    sessions.require_secure(request)
    form, secret = visitor_form(request)
    return keep_visitor(request, page(request, "sign_in_password_code.html", form=form, is_private=True), secret)


@router.post("/sign-in/slip")
async def use_password_code(request: Request) -> Response:
    sessions.require_secure(request)
    fields = await read_visitor_form(request)
    number, code, password = fields.text("number"), _digits(fields.get("code", "")), fields.get("password", "")
    form, secret = visitor_form(request, {"number": number})
    message = cards_pb2.UseSlipRequest(number=number, code=code, password=password, address=address_of(request.scope))
    if password != fields.get("repeated", ""):
        form.add_error("repeated", wording(language(request)).say("signin.differ"))
    else:
        try:
            await call_within_limit(request, members(request).UseSlip, message)
            return _password_set_page(request, number)
        except Error as problem:
            refuse(request, form, problem, _CODE_FIELDS)
    return keep_visitor(request, page(request, "sign_in_password_code.html", form=form, is_private=True), secret)


def _password_set_page(request: Request, user: str) -> Response:
    form, secret = visitor_form(request, {"user": user})
    response = page(request, "sign_in.html", form=form, back="", resume="", is_private=True, is_set=True)
    return keep_visitor(request, response, secret)


@router.get("/sign-in/link/{link}")
async def link(request: Request) -> Response:
    """Show the form for a new password, and a new second factor when the role needs one; it is not shown again."""
    sessions.require_secure(request)
    form, secret = visitor_form(request)
    return await _link_page(request, form, secret)


@router.post("/sign-in/link/{link}")
async def use_link(request: Request) -> Response:
    sessions.require_secure(request)
    fields = await read_visitor_form(request)
    form, secret = visitor_form(request)
    if fields.get("password", "") != fields.get("repeated", ""):
        form.add_error("repeated", wording(language(request)).say("signin.differ"))
        return await _link_page(request, form, secret, is_repeat=True)
    message = wire.UseLinkRequest(
        link=request.path_params["link"],
        password=fields.get("password", ""),
        totp=_digits(fields.get("totp", "")),
    )
    try:
        reply = await call_within_limit(request, members(request).UseLink, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, _LINK_FIELDS)
        return await _link_page(request, form, secret, is_repeat=True)
    return _password_set_page(request, reply.user)


async def _link_page(request: Request, form: Form, secret: str, *, is_repeat: bool = False) -> Response:
    message = wire.GetLinkRequest(link=request.path_params["link"], is_repeat=is_repeat)
    reply = await call(request, members(request).GetLink, message)
    label = wording(language(request)).say("signin.qr")
    [key] = parse_qs(urlsplit(reply.totp_uri).query).get("secret", [""])
    response = page(
        request,
        "sign_in_link.html",
        form=form,
        link=request.path_params["link"],
        user=reply.user,
        name=reply.name,
        totp_key=" ".join(key[begin : begin + 4] for begin in range(0, len(key), 4)),
        needs_totp=reply.needs_totp,
        qr=qr_svg(reply.totp_uri, label=label) if reply.totp_uri else "",
        is_private=True,
    )
    return keep_visitor(request, response, secret)
