"""The outermost layer: request ids, bounds of what comes in, security headers, and no traceback out."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import ids
from chassis.errors import Error

log = logging.getLogger(__name__)

LONGEST_TARGET_BYTES = 8_192
LONGEST_HEADERS_BYTES = 16_384
# GET and HEAD take no body; a small one is ignored, as HTTP allows.
LONGEST_IGNORED_BODY_BYTES = 4_096
LONGEST_BODY_BYTES = 65_536
READING = ("GET", "HEAD")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_FIELDS = "rangkiang.header_fields"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class BodyTooLarge(Error):
    http_status = 413


class AddressTooLong(Error):
    http_status = 414


class HeadersTooLarge(Error):
    http_status = 431


def accept_bodies(longest_bytes: int) -> Callable[[Endpoint], Endpoint]:
    """Decorate an endpoint whose bodies may be longer than 64 KB. Stands below the router's own decorator."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.longest_body_bytes = longest_bytes  # type: ignore[attr-defined]
        return endpoint

    return mark


def header_fields(scope: Scope) -> dict[bytes, bytes]:
    """Header fields by lower-case name; of a repeated one the first. `Headers.get` takes ten times as long."""
    fields: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if fields is None:
        fields = scope[_FIELDS] = dict(reversed(scope["headers"]))
    return fields


def request_id(request: Request) -> str:
    """The id of this request: the client's X-Request-Id, or one of ours."""
    return str(request.scope["state"]["request_id"])


def body_too_large(longest: int) -> BodyTooLarge:
    return BodyTooLarge("BODY_TOO_LARGE", longest=longest)


def unexpected() -> Error:
    """The error that stands for a fault of ours: it says nothing of its insides."""
    return Error("INTERNAL")


class RequestGuard:
    """ASGI: names the request, bounds its target, headers and body, adds the security headers, hides tracebacks.

    HEAD is served as GET; the server leaves the body out. Responses to a request with a credential are not stored.

    refuse  makes the response to an error
    """

    def __init__(self, app: ASGIApp, *, refuse: Callable[[Request, Error], Response]) -> None:
        self.app, self._refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name, has_credential, error = _inspect(scope)
        scope.setdefault("state", {})["request_id"] = name
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message["headers"]
                if has_credential:
                    headers = [*(pair for pair in headers if pair[0] != b"cache-control"), _NO_STORE]
                message["headers"] = [*headers, *SECURITY_HEADERS, (b"x-request-id", name.encode())]
            await send(message)

        try:
            if error is not None:
                await self._refuse(Request(scope), error)(scope, receive, send_with_headers)
                return
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}
            if scope["method"] != "GET":
                receive = _bounded(scope, receive)
            await self.app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request_failed", extra={"request_id": name, "path": scope["path"]})
            if started:
                raise
            await self._refuse(Request(scope), unexpected())(scope, receive, send_with_headers)


_NO_STORE = (b"cache-control", b"no-store")


def _inspect(scope: Scope) -> tuple[str, bool, Error | None]:
    """The request's id, whether it carries a credential, and why it is refused, if it is."""
    fields = header_fields(scope)
    name = fields.get(b"x-request-id", b"")
    text = name.decode() if _REQUEST_ID.fullmatch(name) else ids.new_id_text()
    error: Error | None = None
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET_BYTES:
        error = AddressTooLong("ADDRESS_TOO_LONG", longest=LONGEST_TARGET_BYTES)
    elif sum(map(len, chain.from_iterable(scope["headers"]))) > LONGEST_HEADERS_BYTES:
        error = HeadersTooLarge("HEADERS_TOO_LARGE", longest=LONGEST_HEADERS_BYTES)
    elif scope["method"] in READING and (
        b"transfer-encoding" in fields or _content_length(fields) > LONGEST_IGNORED_BODY_BYTES
    ):
        error = body_too_large(LONGEST_IGNORED_BODY_BYTES)
    return text, b"authorization" in fields, error


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """`receive` that stops at the route's limit: by Content-Length at once, else as the bytes arrive.

    FastAPI's own `max_body_size` is not used: its refusal is plain text.
    raises  HTTPException  413; the only kind that FastAPI lets through while it reads a body
    """
    received_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal received_bytes
        # Routing has put the endpoint into the scope by the time somebody reads the body.
        longest: int = getattr(scope.get("endpoint"), "longest_body_bytes", LONGEST_BODY_BYTES)
        if not received_bytes and _content_length(header_fields(scope)) > longest:
            raise HTTPException(413) from body_too_large(longest)
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > longest:
            raise HTTPException(413) from body_too_large(longest)
        return message

    return receive_bounded


def _content_length(fields: Mapping[bytes, bytes]) -> int:
    """0 without a Content-Length; one that is no number counts as endless."""
    value = fields.get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 16 else 1 << 60
