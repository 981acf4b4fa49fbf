"""The outermost ASGI layer: request ids, limits of size, security headers, and errors without tracebacks."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import ids
from chassis.errors import Error, Invalid, no_free_handle
from gateway.request_log import logged_path

log = logging.getLogger(__name__)

LONGEST_TARGET_BYTES = 8_192
LONGEST_HEADERS_BYTES = 16_384
# GET and HEAD have no body. A small body is ignored, which HTTP allows.
LONGEST_IGNORED_BODY_BYTES = 4_096
LONGEST_BODY_BYTES = 65_536
READ_METHODS = ("GET", "HEAD")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
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
# Policy for SVG files and for e-mails that staff preview: styles are allowed, scripts and loading are not. Browsers
# apply every policy that they receive, so this policy replaces that of pages.
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_DRAWING_HEADERS = ((b"content-security-policy", _DRAWING_POLICY.encode()), *SECURITY_HEADERS[1:])
_FIELDS = "rangkiang.header_fields"
LIMIT_HEADERS = "limit_headers"  # in the state of a request: headers that gateway.limits adds to its response
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class BodyTooLarge(Error):
    http_status = 413


class AddressTooLong(Error):
    http_status = 414


class HeadersTooLarge(Error):
    http_status = 431


def accept_bodies(longest_bytes: int) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint accept bodies up to `longest_bytes` instead of 64 KB; place it below the router's decorator."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.longest_body_bytes = longest_bytes  # type: ignore[attr-defined]
        return endpoint

    return mark


def header_fields(scope: Scope) -> dict[bytes, bytes]:
    """Return header fields by lower-case name; of repeated fields, the first. `Headers.get` takes ten times as long."""
    fields: dict[bytes, bytes] | None = scope.get(_FIELDS)
    if fields is None:
        fields = scope[_FIELDS] = dict(reversed(scope["headers"]))
    return fields


def replace_header(scope: Scope, name: bytes, value: bytes) -> None:
    """Replace a header field of the request; an empty value removes it."""
    others = [pair for pair in scope["headers"] if pair[0] != name]
    scope["headers"] = [*others, (name, value)] if value else others
    scope.pop(_FIELDS, None)


def limit_document(request: Request) -> None:
    """Send the response to this request with the security policy for uploaded or rendered documents."""
    request.scope["state"]["is_drawing"] = True


def request_id(request: Request) -> str:
    """Return the id of this request: the client's X-Request-Id, or a new id."""
    return str(request.scope["state"]["request_id"])


def body_too_large(longest: int) -> BodyTooLarge:
    return BodyTooLarge("BODY_TOO_LARGE", longest=longest)


def unexpected() -> Error:
    """Return the error for a bug in the code, without details."""
    return Error("INTERNAL")


class RequestGuard:
    """ASGI: gives each request an id, limits its URL, headers and body, adds security headers, hides tracebacks.

    HEAD is served as GET; the server omits the body. Responses to requests with Authorization are `no-store`.

    refuse  returns the response to an error
    record  called at the end of each request with the scope, the status (0 without a response) and the seconds
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        refuse: Callable[[Request, Error], Response],
        record: Callable[[Scope, int, float], None],
    ) -> None:
        self.app, self._refuse, self._record = app, refuse, record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, has_credential, error = _inspect(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        start, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                if has_credential:
                    headers = [*(pair for pair in headers if pair[0] != b"cache-control"), _NO_STORE]
                limit = state.get(LIMIT_HEADERS, ())
                replayed = (_REPLAYED,) if "has_replay" in state else ()
                security = _DRAWING_HEADERS if "is_drawing" in state else SECURITY_HEADERS
                message["headers"] = [*headers, *limit, *replayed, *security, (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            if error is not None:
                await self._refuse(Request(scope), error)(scope, receive, send_with_headers)
                return
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}
            if scope["method"] != "GET":
                receive = _limit_body(scope, receive)
            await self.app(scope, receive, send_with_headers)
        except Exception as problem:
            error = no_free_handle(problem)
            if error is None or status:
                log.exception("request_failed", extra={"request_id": request_id, "path": logged_path(scope)})
            if status:
                raise
            await self._refuse(Request(scope), error or unexpected())(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - start)


_NO_STORE = (b"cache-control", b"no-store")
_REPLAYED = (b"idempotency-replayed", b"true")


def _inspect(scope: Scope) -> tuple[str, bool, Error | None]:
    """Return the request's id, whether it has a credential, and the error when the request is refused."""
    fields = header_fields(scope)
    header = fields.get(b"x-request-id")
    request_id = header.decode() if header and _REQUEST_ID.fullmatch(header) else ids.new_id_text()
    error: Error | None = None
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET_BYTES:
        error = AddressTooLong("ADDRESS_TOO_LONG", longest=LONGEST_TARGET_BYTES)
    elif sum(map(len, chain.from_iterable(scope["headers"]))) > LONGEST_HEADERS_BYTES:
        error = HeadersTooLarge("HEADERS_TOO_LARGE", longest=LONGEST_HEADERS_BYTES)
    elif len(fields) < len(scope["headers"]) and [name for name, _ in scope["headers"]].count(b"host") > 1:
        error = Invalid("HOST_REPEATED")
    elif scope["method"] in READ_METHODS and (
        b"transfer-encoding" in fields
        or (b"content-length" in fields and _content_length(fields) > LONGEST_IGNORED_BODY_BYTES)
    ):
        error = body_too_large(LONGEST_IGNORED_BODY_BYTES)
    return request_id, b"authorization" in fields, error


def _limit_body(scope: Scope, receive: Receive) -> Receive:
    """Return a `receive` that refuses bodies above the route's limit, by Content-Length or by the bytes received.

    FastAPI's own `max_body_size` is not used, because it refuses with plain text.

    raises  HTTPException  413; while FastAPI reads a body, it passes on only this kind of exception
    """
    received_bytes = 0

    async def receive_limited() -> Message:
        nonlocal received_bytes
        # Routing puts the endpoint into the scope before the body is read.
        longest: int = getattr(scope.get("endpoint"), "longest_body_bytes", LONGEST_BODY_BYTES)
        if not received_bytes and _content_length(header_fields(scope)) > longest:
            raise HTTPException(413) from body_too_large(longest)
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > longest:
            raise HTTPException(413) from body_too_large(longest)
        return message

    return receive_limited


def _content_length(fields: Mapping[bytes, bytes]) -> int:
    """Return Content-Length; 0 when absent, 2**60 when invalid, so that the request is refused as too large."""
    value = fields.get(b"content-length", b"0")
    return int(value) if value.isdigit() and len(value) < 16 else 1 << 60
