"""Rendering of templates as pages in the reader's language."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from chassis.redaction import redact_address
from gateway import problems, sessions
from gateway.links import absolute_url
from gateway.negotiation import LANGUAGE_COOKIE, LANGUAGES, language
from gateway.request_guard import request_id
from gateway.responses import respond
from gateway.web.library import site_of
from gateway.web.page_templates import templates
from gateway.web.texts import wording

HTML = "text/html; charset=utf-8"
VARY = "Accept-Encoding, Accept-Language, Cookie, Save-Data"
YEAR_SECONDS = 365 * 24 * 3600
# A path on this host: without another host (`//`, `/\\`) or line ends.
_LOCAL_TARGET = re.compile(r"/(?![/\\])[^\s\\]{0,2000}")
# (scope, path, text key) of header links for staff; a link is shown to callers who have the scope.
DESK_LINKS = (
    ("loans.lend", "/desk", "lending.heading"),
    ("members.read", "/members", "members.heading"),
    ("catalog.edit", "/catalogue", "catalogue.heading"),
    ("notices.read", "/notices", "notices.heading"),
    ("policies.write", "/desk/policies", "policies.heading"),
    ("calendars.write", "/desk/calendars", "calendars.heading"),
    ("institutions.write", "/desk/libraries", "libraries.heading"),
    ("staff.manage", "/staff", "staff.heading"),
    ("clients.manage", "/clients", "clients.heading"),
)
# Paths of pages -> link of their section in the header. The longest path applies.
_SECTIONS = {path: path for _, path, _ in DESK_LINKS} | {"/account": "/account", "/data-requests": "/members"}


def page(
    request: Request, template: str, /, *, query: str = "", status: int = 0, is_private: bool = False, **facts: Any
) -> Response:
    """Render a page. When `lang=` selects a language, store it in a cookie.

    query       text in the search box
    status      status of the response; by default that of the fact `form`, which is shown again with errors
    is_private  True when no cache may store the page; pages of signed-in readers are always private
    """
    html = _render(request, template, {"query": query, **facts})
    status = status or getattr(facts.get("form"), "status", 200)
    # The browser must not store pages of a signed-in reader either, because the next person may use the same browser.
    if is_private or status != 200 or request.method != "GET" or _has_session(request):
        headers = {"Cache-Control": "no-store", "Vary": VARY}
        response = Response(html, status_code=status, media_type=HTML, headers=headers)
    else:
        response = respond(request, html, HTML, cache="private, no-cache", vary=VARY)
    if sessions.has_ended(request):
        sessions.forget_ended(request, response)
    chosen = request.query_params.get("lang")
    if chosen in LANGUAGES:
        remember(request, response, LANGUAGE_COOKIE, chosen)
    return response


def in_script(data: Any) -> str:
    """Return a value as JSON for a script element, escaped so that a `</script>` in a value cannot end the element."""
    text = orjson.dumps(data).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _has_session(request: Request) -> bool:
    return sessions.session_of(request) is not None or sessions.has_ended(request)


def error_page(request: Request, error: Error) -> Response:
    """Render the error page, with the sentence of the error."""
    lang = language(request)
    scope = str(error.facts.get("scope", "")) if error.reason == "SCOPE_NEEDED" and sessions.session_of(request) else ""
    html = _render(
        request,
        "error.html",
        {
            "scope": scope,
            "act": wording(lang).texts.get(f"code.scope.{scope}", ""),
            "query": request.query_params.get("q", "")[:500],
            "status": error.http_status,
            "heading": problems.title(error.http_status, lang),
            "reason": error.reason,
            "record": str(error.facts.get("record", "")),
            "sentence": error.sentence.in_language(lang),
            "request_id": request_id(request),
        },
    )
    return Response(html, status_code=error.http_status, media_type=HTML, headers=problems.headers(error, lang))


def _render(request: Request, template: str, facts: dict[str, Any]) -> bytes:
    lang = language(request)
    words = wording(lang)
    session = sessions.session_of(request)
    # When records contain the typed text, it is not personal data, so it need not be redacted.
    shown = str if facts.get("has_all_words") else redact_address
    return (
        templates.get_template(template)
        .render(
            facts,
            t=words.say,
            count=words.count,
            number=words.number,
            code=words.code,
            decimal=words.decimal,
            language=lang,
            site=site_of(request, lang),
            this_page=shown(_address(request)),
            absolute=partial(absolute_url, request),
            saving=saving(request),
            day=words.day,
            account=session.account if session else None,
            own_mark=card_mark(session.account.member_id) if session else "",
            sign_out_token=form_token(session.secret) if session else "",
            desk_links=_desk_links(session.account.scopes) if session else (),
            here_path=request.url.path,
            section=_section(request.url.path),
            has_local_authority=request.app.state.authority is not None,
            other_languages=[(other, shown(_in_language(request, other))) for other in LANGUAGES if other != lang],
        )
        .encode()
    )


def card_mark(member_id: str) -> str:
    """Return the name under which a device keeps the card of a member; another one for each member, and for staff."""
    return sha256(b"card/" + member_id.encode()).hexdigest()[:16]


def _desk_links(scopes: Iterable[str]) -> list[tuple[str, str]]:
    return [(path, text) for scope, path, text in DESK_LINKS if scope in scopes]


def _section(path: str) -> str:
    """Return the path of the header's link to the section of a page; "" for pages outside these sections."""
    while path and path not in _SECTIONS:
        path = path.rpartition("/")[0]
    return _SECTIONS.get(path, "")


def form_token(secret: str) -> str:
    """Return the token that proves that this site made a form. The token does not reveal the secret of the cookie."""
    return hmac.new(secret.encode(), b"rangkiang form", sha256).hexdigest()


def local_target(path: str, default: str = "/") -> str:
    """Return `path` when it is a path (with query) on this host, else `default`."""
    return path if _LOCAL_TARGET.fullmatch(path) else default


def saving(request: Request) -> bool:
    """Return True for `Save-Data: on`. The page then has no images and prefetches nothing."""
    return request.headers.get("save-data", "").strip().lower() == "on"


def here(request: Request) -> str:
    """Return this page's path and query as a target to return to, without personal data such as a NIK."""
    return redact_address(_address(request))


def _address(request: Request) -> str:
    query = request.url.query
    path = "/" + request.url.path.lstrip("/")  # a browser takes a leading // as the name of another host
    return f"{path}?{query}" if query else path


def _in_language(request: Request, lang: str) -> str:
    """Return this page's URL in another language."""
    rest = [(key, value) for key, value in request.query_params.multi_items() if key not in ("lang", "hit")]
    return f"/{request.url.path.lstrip('/')}?{urlencode([*rest, ('lang', lang)])}"


def remember(request: Request, response: Response, name: str, value: str) -> None:
    """Store a choice in a cookie for a year; an empty value deletes it."""
    response.set_cookie(
        name,
        value,
        max_age=YEAR_SECONDS if value else 0,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
