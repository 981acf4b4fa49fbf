"""Browser sessions: a cookie holds the session's secret, which the gateway exchanges for access tokens.

The tokens stay in the memory of this process. Routes of the API never read the cookie.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import clock
from chassis.errors import Error, Forbidden, TooLate, Unauthenticated, Unavailable
from chassis.security.auth import OUTAGE_SECONDS
from gateway.clients import call, members
from gateway.request_guard import header_fields
from rangkiang.members.v1 import sign_in_pb2 as wire

# A browser accepts a `__Host-` cookie only over https, from this host, for all paths.
HTTPS_COOKIE, HTTP_COOKIE = "__Host-rangkiang", "rangkiang"
# A session of staff ends when the browser closes. The members service decides when a member's session ends.
MEMBER_COOKIE_SECONDS = 365 * 24 * 3600
# The cookie of this device has the session cookie's name with this end. It stays after the session.
DEVICE, DEVICE_COOKIE_SECONDS = "-device", 365 * 24 * 3600
# A token takes about 1 kB.
MOST_TOKENS = 10_000
RENEW_BEFORE = timedelta(seconds=60)
RETRY_AFTER = timedelta(seconds=15)  # while members does not answer
# Reasons after which the person must sign in again.
ENDED = frozenset({"SESSION_ENDED", "TOKEN_EXPIRED", "TOKEN_INVALID"})

_COOKIE_FIELD = HTTP_COOKIE.encode() + b"="
_WITHOUT_SESSIONS = ("/api/", "/static/", "/covers/", "/files/", "/oauth/", "/openapi.json")
_PROXY_FIELDS = (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"via")
_SESSION, _PROBLEM = "session", "session_problem"


def is_secure(request: Request) -> bool:
    """Return whether passwords may be sent on this connection: https, or http within this machine.

    A proxy in TRUSTED_PROXIES reports whether the browser uses https. Another proxy on this machine looks like a local
    client, so a request with headers of a proxy does not count as local.
    """
    if request.url.scheme == "https":
        return True
    fields = header_fields(request.scope)
    client = (request.scope.get("client") or ("",))[0]
    return (
        _is_loopback(client)
        and _is_loopback(request.url.hostname or "")
        and not any(name in fields for name in _PROXY_FIELDS)
    )


def require_secure(request: Request) -> None:
    """Refuse a sign-in, a token or a new password on a connection that others can read.

    raises  Forbidden  SIGN_IN_ELSEWHERE    PUBLIC_URL is https; the refusal names it
                       SIGN_IN_NEEDS_HTTPS  in other cases
    """
    if not is_secure(request):
        public_url: str = request.app.state.settings.public_url
        if public_url.startswith("https:"):
            raise Forbidden("SIGN_IN_ELSEWHERE", address=public_url.rstrip("/"))
        raise Forbidden("SIGN_IN_NEEDS_HTTPS")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """An open session.

    secret         value of the cookie
    authorization  header for calls to services
    valid_until    services accept the token for so long while members does not answer
    """

    secret: str
    authorization: str
    renew_at: datetime
    valid_until: datetime
    account: wire.Account


class Sessions:
    """The open sessions that this process used last, by the hash of their secret."""

    def __init__(self) -> None:
        # In order of renewal, the latest one last.
        self._open: OrderedDict[bytes, BrowserSession] = OrderedDict()

    async def find(self, request: Request, secret: str) -> BrowserSession:
        """Return the session of a secret, with a token that is valid for at least one minute.

        While members is not available, the last token is used for half an hour more, as services accept it.

        raises  Unauthenticated  SESSION_ENDED
                Unavailable, TooLate  members is not available
        """
        session = self._open.get(_digest(secret))
        if session is not None and clock.now() < session.renew_at:
            return session
        try:
            reply = await call(request, members(request).RenewToken, wire.RenewTokenRequest(session=secret))
        except Unauthenticated:
            self.drop(secret)
            raise
        except (Unavailable, TooLate):
            if session is None or clock.now() >= session.valid_until:
                raise
            # Not every page waits for a service that does not answer.
            self._put(replace(session, renew_at=clock.now() + RETRY_AFTER))
            return session
        return self.keep(secret, reply.token, reply.account)

    def keep(self, secret: str, token: wire.AccessToken, account: wire.Account) -> BrowserSession:
        ends_at = clock.now() + timedelta(seconds=token.expires_in_seconds)
        session = BrowserSession(
            secret,
            f"Bearer {token.token}",
            renew_at=ends_at - RENEW_BEFORE,
            valid_until=ends_at + timedelta(seconds=OUTAGE_SECONDS),
            account=account,
        )
        self._put(session)
        return session

    def _put(self, session: BrowserSession) -> None:
        digest = _digest(session.secret)
        self._open.pop(digest, None)
        self._open[digest] = session
        while len(self._open) > MOST_TOKENS:
            self._open.popitem(last=False)

    def caller(self, secret: str) -> str:
        """Return the account and the session of a secret, or "" when this process does not know the secret."""
        digest = _digest(secret)
        session = self._open.get(digest)
        return "" if session is None else f"{session.account.id}/{digest.hex()}"

    def drop(self, secret: str) -> None:
        self._open.pop(_digest(secret), None)

    def __len__(self) -> int:
        return len(self._open)


class BrowserSessions:
    """ASGI: finds the session of each request for a page. For other requests it only reads one header.

    Public pages are served even when the session has ended or members is not available.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            cookies = header_fields(scope).get(b"cookie")
            if cookies and _COOKIE_FIELD in cookies and not scope["path"].startswith(_WITHOUT_SESSIONS):
                await _attach(Request(scope))
        await self.app(scope, receive, send)


def secret_of(scope: Scope) -> str:
    """Return the secret in the request's cookie, or "" when there is none."""
    cookies = header_fields(scope).get(b"cookie")
    if not cookies or _COOKIE_FIELD not in cookies:
        return ""
    request = Request(scope)
    return request.cookies.get(cookie_name(request), "")


async def _attach(request: Request) -> None:
    secret = request.cookies.get(cookie_name(request))
    if not secret or not is_secure(request):
        return
    sessions: Sessions = request.app.state.sessions
    state: dict[str, Any] = request.scope["state"]
    try:
        state[_SESSION] = await sessions.find(request, secret)
    except Error as problem:
        state[_PROBLEM] = problem


def session_of(request: Request) -> BrowserSession | None:
    """Return the session of this request; None when nobody is signed in or members is not available."""
    session: BrowserSession | None = request.scope["state"].get(_SESSION)
    return session


def may(request: Request, scope: str) -> bool:
    """Return whether the person who is signed in has a scope."""
    session = session_of(request)
    return session is not None and scope in session.account.scopes


def require_scope(request: Request, scope: str) -> None:
    """Refuse a page to those who lack a scope, before it reads anything or shows a form.

    raises  Forbidden  SCOPE_NEEDED
    """
    if not may(request, scope):
        raise Forbidden("SCOPE_NEEDED", scope=scope)


def has_ended(request: Request) -> bool:
    """Return whether the browser sent the cookie of a session that has ended."""
    problem = request.scope["state"].get(_PROBLEM)
    return problem is not None and problem.reason in ENDED


def act_for(request: Request) -> BrowserSession | None:
    """Send the session's token with the calls of this request, and return the session; None when nobody is signed in.

    raises  Error  members is not available
    """
    session = session_of(request)
    if session is not None:
        forward(request, b"authorization", session.authorization)
    elif not has_ended(request) and _PROBLEM in request.scope["state"]:
        raise request.scope["state"][_PROBLEM]
    return session


def forward(request: Request, name: bytes, value: str) -> None:
    """Send a header with the calls of this request, in place of the browser's header."""
    request.scope["state"].setdefault("forwarded", {})[name] = value.encode()


def begin(request: Request, response: Response, reply: wire.SignInReply, *, is_shared: bool) -> None:
    """Set the cookies of a new session and of its device. On a shared computer it ends when the browser closes."""
    sessions: Sessions = request.app.state.sessions
    sessions.keep(reply.session, reply.token, reply.account)
    seconds = MEMBER_COOKIE_SECONDS if reply.account.member_id and not is_shared else None
    set_cookie(request, response, cookie_name(request), reply.session, seconds=seconds)
    if reply.device:
        set_cookie(request, response, cookie_name(request) + DEVICE, reply.device, seconds=DEVICE_COOKIE_SECONDS)


def device_of(request: Request) -> str:
    """Return what the last sign-in on this browser stored for the next one; "" without it."""
    return request.cookies.get(cookie_name(request) + DEVICE, "")


def forget(request: Request, response: Response) -> None:
    """Drop the token of this request's session, and delete the cookie."""
    sessions: Sessions = request.app.state.sessions
    sessions.drop(request.cookies.get(cookie_name(request), ""))
    set_cookie(request, response, cookie_name(request), "", seconds=0)


def forget_ended(request: Request, response: Response) -> None:
    """Forget a session that has ended. The answer to a script leaves the cookie: it protects the form on the page."""
    if header_fields(request.scope).get(b"sec-fetch-dest") == b"empty":
        sessions: Sessions = request.app.state.sessions
        sessions.drop(request.cookies.get(cookie_name(request), ""))
    else:
        forget(request, response)


def cookie_name(request: Request) -> str:
    return HTTPS_COOKIE if request.url.scheme == "https" else HTTP_COOKIE


def set_cookie(request: Request, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set a cookie that scripts and other sites cannot read.

    seconds  lifetime; None until the browser closes, 0 deletes the cookie
    """
    is_https = request.url.scheme == "https"
    response.set_cookie(name, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="lax")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
