"""The gateway: HTTP in, the catalogue's wire contract out. Composition and the outer wall live here."""

from __future__ import annotations

import importlib.metadata
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import ids, telemetry
from chassis.errors import Error
from chassis.rpc.client import aio_channel, check_health
from chassis.settings import Settings
from gateway import partners, problems, web
from gateway.api import browse, health, institutions, records, related, search, works
from gateway.api.schemas import Problem
from gateway.deps import acceptable, answer
from gateway.limits import Limits
from gateway.query_log import QueryLog, at_work
from gateway.settings import GatewaySettings
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub

log = logging.getLogger(__name__)

# Who asks for no form in particular gets a problem document.
_FORMS = (problems.MEDIA_TYPE, "application/json", "text/html")

API = "/api/v1"
NOUNS = (search, records, related, works, browse, institutions, health)

LONGEST_TARGET_BYTES = 8_192
LONGEST_HEADERS_BYTES = 16_384
# Nothing here takes a body; a small one is passed over in silence, as HTTP allows.
LONGEST_BODY_BYTES = 4_096

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
_WALL: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestGuard:
    """Outermost: names the request, bounds what comes in, puts the security headers on, lets no traceback out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        named, refusal = self._look_at(scope)
        scope.setdefault("state", {})["request_id"] = named
        started = False

        async def put_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_WALL, (b"x-request-id", named.encode())]
            await send(message)

        try:
            if refusal is not None:
                await _refuse(Request(scope), refusal)(scope, receive, put_on)
            else:
                await self.app(scope, receive, put_on)
        except Exception:
            log.exception("request_failed", extra={"request_id": named, "path": scope["path"]})
            if started:
                raise
            await _refuse(Request(scope), problems.unexpected())(scope, receive, put_on)

    def _look_at(self, scope: Scope) -> tuple[str, Error | None]:
        named, size, body = "", 0, 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                named = value.decode()
            elif name == b"content-length":
                body = int(value) if value.isdigit() and len(value) < 16 else LONGEST_BODY_BYTES + 1
            elif name == b"transfer-encoding":
                body = LONGEST_BODY_BYTES + 1
        named = named or str(ids.new_id())
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET_BYTES:
            return named, problems.AddressTooLong("ADDRESS_TOO_LONG", longest=LONGEST_TARGET_BYTES)
        if size > LONGEST_HEADERS_BYTES:
            return named, problems.HeadersTooLarge("HEADERS_TOO_LARGE", longest=LONGEST_HEADERS_BYTES)
        if body > LONGEST_BODY_BYTES:
            return named, problems.TooLarge("BODY_TOO_LARGE", longest=LONGEST_BODY_BYTES)
        return named, None


def create_app(settings: Settings) -> Starlette:
    """The ASGI application. It reaches the catalogue by `settings.service_url("catalog")` while it runs.

    FastAPI only describes the routes: around plain ones its own layers would cost a search 12 µs.
    """

    own = settings.of(GatewaySettings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        channel = aio_channel(settings.service_url("catalog"), settings)
        app.state.catalog = CatalogStub(channel)
        app.state.catalog_is_well = partial(check_health, channel)
        app.state.noting = QueryLog(app.state.catalog) if own.query_log == "on" else None
        async with at_work(app.state.noting):
            yield
        await channel.close()

    app = Starlette(lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.settings = own
    described = describe()

    async def openapi(request: Request) -> Response:
        return answer(request, described, "application/json", cache="public, max-age=300")

    app.router.routes += [
        *(_plain(route, prefix=API) for route in _routes(*NOUNS)),
        Route("/openapi.json", openapi),
        *(_plain(route) for route in _routes(*partners.PLACES, *web.PLACES)),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Error)
        return _refuse(request, error)

    async def not_here(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _refuse(request, problems.from_http(error))

    app.add_exception_handler(Error, refused)
    app.add_exception_handler(HTTPException, not_here)
    if own.rate_limit:
        app.add_middleware(Limits, quota=own.rate_limit, refuse=_refuse)
    app.add_middleware(RequestGuard)
    telemetry.watch_app(app)
    return app


def _refuse(request: Request, error: Error) -> Response:
    """A problem document; on pages a page that says the same, to those who read HTML."""
    path = request.url.path
    if not path.startswith("/api/") and acceptable(request.headers.get("accept", ""), _FORMS) == "text/html":
        return web.trouble(request, error)
    return problems.problem(request, error)


def _routes(*rooms: Any) -> Iterator[APIRoute]:
    for room in rooms:
        for route in room.router.routes:
            assert isinstance(route, APIRoute)
            yield route


def _plain(route: APIRoute, prefix: str = "") -> Route:
    """FastAPI describes our routes and Starlette serves them.

    Each route reads its own parameters; FastAPI's solving of dependencies that are not there made a search cost 128 µs
    here instead of 80 (the catalogue and the socket aside).
    """
    return Route(prefix + route.path, route.endpoint, methods=["GET"], name=route.name)


def describe() -> bytes:
    """The OpenAPI document, as JSON, of every route that is not a page."""
    api = APIRouter()
    for noun in NOUNS:
        api.include_router(noun.router, prefix=API)
    described: dict[str, Any] = get_openapi(
        title="Rangkiang",
        version=importlib.metadata.version("rangkiang"),
        summary="The catalogue of the libraries that share it",
        description=(
            "Lists answer `{total, hits, next, facets?}`. Refusals are RFC 9457 problem documents. "
            "Answers carry strong ETags; send them back as If-None-Match."
        ),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=api.routes,
    )
    shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    described["components"]["schemas"]["Problem"] = shape
    return orjson.dumps(described)
