"""The application of the gateway: it receives HTTP and calls services over gRPC."""

from __future__ import annotations

import importlib.metadata
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.addresses import networks
from chassis.errors import Error, Invalid
from chassis.metrics import telemetry
from chassis.rpc.client import ISSUING_SERVICE, read_state_of
from chassis.security.auth import TokenState
from chassis.settings import Settings
from gateway import api, oauth, partners, problems, web
from gateway.api import search, webhook_events
from gateway.api.document import FURTHER_SCOPES, SCOPES, SERVERS, TAGS, add_common_parts
from gateway.api.validation import invalid_request
from gateway.callers import Callers
from gateway.clients import Clients
from gateway.libraries import Libraries, PreparedLibraries
from gateway.limits import Concurrency, Limits
from gateway.negotiation import preferred_media_type
from gateway.partners import daia
from gateway.partners.oai import routes as oai
from gateway.partners.sru import routes as sru
from gateway.password_limit import password_limit
from gateway.plans import PlanLimits, Usage
from gateway.query_log import QueryLog, send_while_open
from gateway.request_guard import READ_METHODS, RequestGuard
from gateway.request_log import RequestLog, templates_of
from gateway.responses import respond
from gateway.sessions import BrowserSessions, Sessions
from gateway.settings import GatewaySettings
from gateway.web.trust import local_authority
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from rangkiang.members.v1.staff_pb2 import CountUsageReply, CountUsageRequest

API = "/api/v1"
_API_PATHS = f"{API}/"
USAGE_SECONDS = 2.0

# Media types of an error; the first is the default when Accept names no type.
_ERROR_MEDIA_TYPES = (problems.MEDIA_TYPE, "application/json", "text/html")
# FastAPI's own spans are off, because chassis.metrics.telemetry makes spans.
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


class Gateway(FastAPI):
    """A FastAPI application whose OpenAPI document has the parts that no single route has."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = add_common_parts(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """Create the ASGI application, which calls each service at `settings.service_url(name)`."""

    gateway_settings = settings.of(GatewaySettings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        clients = app.state.clients = Clients(settings)
        # Open the channel now, so that wrong settings fail at the start.
        clients.channel("catalog")
        app.state.libraries = Libraries(clients, gateway_settings.default_institution)
        app.state.query_log = QueryLog(clients) if gateway_settings.query_log == "on" else None
        async with send_while_open(app.state.query_log), send_while_open(usage):
            yield
        await clients.close()

    app = Gateway(
        title="Rangkiang",
        version=importlib.metadata.version("rangkiang"),
        summary="Catalogue, lending, members and notices of libraries",
        description=(
            "Lists return `{hits, next, total?}`; `next` is null on the last page. "
            "Errors are RFC 9457 problem documents. "
            "Responses of routes with 304 have a strong ETag; a client can send it back as If-None-Match."
        ),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=TAGS,
        servers=SERVERS,
        webhooks=webhook_events.requests,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    app.state.settings = gateway_settings
    app.state.scopes = sorted((*SCOPES, *FURTHER_SCOPES))
    app.state.sessions = sessions = Sessions()
    app.state.password_limit = password_limit(settings.workers)

    async def read_token_state() -> TokenState:
        clients: Clients = app.state.clients
        return await read_state_of(clients.channel(ISSUING_SERVICE))

    app.state.callers = callers = Callers(sessions, read_token_state)

    async def count_usage(batch: CountUsageRequest, key: str) -> CountUsageReply:
        stub = app.state.clients.stub("members", MembersStub)
        reply: CountUsageReply = await stub.CountUsage(
            batch, timeout=USAGE_SECONDS, metadata=[("idempotency-key", key)]
        )
        return reply

    usage = Usage(count_usage)
    app.state.authority = local_authority(settings)
    app.state.is_draining = False  # the process sets this before it stops
    app.router.routes += [Route(API + route.path, route.endpoint) for route in search.PLAIN_ROUTES]
    for module in (oauth, *partners.MODULES, *web.MODULES):
        app.router.routes += [_page_route(route) for route in module.router.routes]
    templates = templates_of(app.router.routes)
    for router in api_routers():
        templates |= templates_of(router.routes, prefix=API)
    app.router.routes += _api_routes()
    app.add_route("/openapi.json", _openapi, include_in_schema=False)
    templates[_openapi] = "/openapi.json"
    app.add_exception_handler(Error, _refuse_error)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(RequestValidationError, _refuse_invalid)
    app.add_exception_handler(UnicodeEncodeError, _refuse_half_character)
    app.add_middleware(PreparedLibraries)
    app.add_middleware(BrowserSessions)
    app.add_middleware(PlanLimits, usage=usage, callers=callers, refuse=refuse)
    if gateway_settings.requests_at_once:
        exempt = networks(settings.trusted_proxies)
        app.add_middleware(Concurrency, most=gateway_settings.requests_at_once, callers=callers, exempt=exempt)
    if gateway_settings.rate_limit:
        app.add_middleware(Limits, quota=gateway_settings.rate_limit, callers=callers, usage=usage, refuse=refuse)
    if gateway_settings.cors_origins:
        app.add_middleware(ApiCors, origins=gateway_settings.cors_origins.split(","))
    app.add_middleware(RequestGuard, refuse=refuse, record=RequestLog(settings, templates).record)
    telemetry.watch_app(app)
    return app


@cache
def _api_routes() -> list[BaseRoute]:
    """Return the routes of the API, which all applications of a process share."""
    prefixed = APIRouter()
    for router in api_routers():
        prefixed.include_router(router, prefix=API)
    # FastAPI prepares routes at their first match; on the event loop of a new process that would take 80 ms.
    for _ in iter_route_contexts(prefixed.routes):
        pass
    return prefixed.routes


def api_routers() -> Iterator[APIRouter]:
    """Return the router of each module of gateway/api that has routes."""
    for name in sorted(module.name for module in pkgutil.iter_modules(api.__path__)):
        router = getattr(import_module(f"{api.__name__}.{name}"), "router", None)
        if router is not None:
            yield router


def describe() -> bytes:
    """Return the OpenAPI document as JSON."""
    return orjson.dumps(create_app(Settings()).openapi())


def refuse(request: Request, error: Error) -> Response:
    """Return the response to an error: a problem document, or for pages an HTML page when Accept prefers HTML.

    Errors of /oauth/ have OAuth's form.
    """
    request.scope["state"] |= {"reason": error.reason, "service": str(error.facts.get("service", ""))}
    if request.url.path.startswith(oauth.ROOT):
        return oauth.refusal(request, error)
    if request.url.path == daia.PATH:
        return daia.refuse(request, error)
    if request.url.path.startswith(sru.PATH) and (response := sru.refuse(request, error)) is not None:
        return response
    if request.url.path.startswith(oai.PATH) and (response := oai.refuse(error)) is not None:
        return response
    accept = request.headers.get("accept", "")
    if not request.url.path.startswith("/api/") and preferred_media_type(accept, _ERROR_MEDIA_TYPES) == "text/html":
        return web.error_page(request, error)
    return problems.problem(request, error)


class ApiCors:
    """ASGI: lets scripts of other origins read the API, but not the pages.

    origins  origins in the form that browsers send, or `*` for any
    """

    def __init__(self, app: ASGIApp, *, origins: list[str]) -> None:
        self._app = app
        self._with_cors = CORSMiddleware(
            app,
            allow_origins=[origin.strip() for origin in origins],
            allow_methods=["GET", "HEAD"],
            allow_headers=["If-None-Match", "X-Request-Id"],
            expose_headers=["ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith(("/api/", "/openapi.json"))
        await (self._with_cors if is_api else self._app)(scope, receive, send)


class PageRoute(Route):
    """A route outside the API.

    The route rejects API paths first, because comparing them with the path of every page takes time.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["path"].startswith(_API_PATHS):
            return Match.NONE, {}
        return super().matches(scope)


def _page_route(route: Any) -> Route:
    """Return a route that bypasses FastAPI; the endpoint takes only the request."""
    return PageRoute(route.path, route.endpoint, methods=route.methods, name=route.name)


async def _openapi(request: Request) -> Response:
    # The first call builds the document, which takes 0.3 s.
    document = await run_in_threadpool(request.app.openapi)
    return respond(request, orjson.dumps(document), "application/json", cache="public, max-age=300")


async def _refuse_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    return refuse(request, error)


async def _refuse_http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    methods = _methods_at(request) if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED else ()
    return refuse(request, problems.from_http(problem, methods=methods))


def _methods_at(request: Request) -> set[str]:
    """Return the methods of all routes at the path. Starlette names only those of the first route."""
    state = request.app.state
    if not hasattr(state, "methods_of_paths"):
        # Compiling the paths of all routes takes 2 ms.
        state.methods_of_paths = [
            (compile_path(route.path)[0], frozenset(route.methods or ()))
            for route in iter_route_contexts(request.app.routes)
            if route.path
        ]
    path = request.url.path
    methods = {method for pattern, allowed in state.methods_of_paths if pattern.match(path) for method in allowed}
    return methods | ({"HEAD"} if "GET" in methods else set())


async def _refuse_invalid(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    return refuse(request, invalid_request(problem.errors()))


async def _refuse_half_character(request: Request, problem: Exception) -> Response:
    """Refuse JSON with half of a surrogate pair, which gRPC messages cannot contain."""
    if request.method in READ_METHODS:
        raise problem
    return refuse(request, Invalid("BODY_NOT_JSON"))
