"""The frame of the routes of the API: what FastAPI cannot read from a function, and what runs around each function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints
from urllib.parse import urljoin

import orjson
from fastapi import Depends, Header, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.params import Form
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer, OAuth2
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from chassis.errors import Unauthenticated
from chassis.models import ResponseModel, example_of
from chassis.rpc.interceptors import options_of
from gateway.api.document import SCOPES, headers_of
from gateway.api.queries import parameters_of, read_query
from gateway.api.schemas import JSON
from gateway.api.validation import check_media_type
from gateway.api.writes import Version
from gateway.callers import Callers
from gateway.problems import MEDIA_TYPE
from gateway.request_guard import header_fields
from gateway.responses import respond

_ERRORS = {
    400: "The request is invalid; `refusals` lists every error.",
    401: "A valid credential is needed.",
    403: "The caller lacks a permission for this act.",
    404: "The object does not exist.",
    406: "None of the media types in Accept is available.",
    409: "A rule refuses the act, or another request changed the data.",
    410: "The object was deleted; `facts` has the time.",
    412: "If-Match names an earlier version; `facts` names the changed fields.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used for another request.",
    428: "If-Match is missing.",
    429: "The caller sent too many requests; Retry-After has the number of seconds to wait.",
    503: "A service is not available; try again.",
    504: "A service did not respond in time; try again.",
}
_OF_CALLS = (429, 503, 504)
_OF_CALLERS = (401, 403)
_OF_KEYS = (409, 422)
_OF_VERSIONS = (412, 428)
_LIMITED = ("RateLimit", "RateLimit-Policy")
# Headers of an error; those of every response are added to them.
_ERROR_HEADERS = {401: ("WWW-Authenticate",), 409: ("Retry-After",), 429: ("Retry-After",), 503: ("Retry-After",)}


# What an operation with 201 has made, for Location: an address below /api/v1, from the path and the response. What has
# no address of its own is found at that of its owner.
_MADE = {
    "add_photo": "/files/{picture[id]}",
    "issue_card": "members/{member_id}/cards/{card_id}",
    "make_password_code": "members/{member_id}",
    "renew_membership": "members/{member_id}",
    "block_member": "members/{member_id}/blocks/{block_id}",
    "register_member": "members/{id}",
    "merge_members": "member-merges/{id}",
    "check_out": "loans/{loan[id]}",
    "use_in_library": "items/{item[id]}",
    "fast_add": "items/{id}",
    "create_record": "records/{id}",
    "create_record_template": "record-templates/{id}",
    "take_record_offer": "records/{id}",
    "restore_record": "records/{record_id}",
    "add_label_print": "label-prints/{id}",
    "add_barcode_range": "barcode-ranges/{id}",
    "add_items": "records/{record_id}/items",
    "skip_accession_numbers": "accession-gaps",
    "add_data_request": "data-requests/{id}",
    "add_own_data_request": "account/data-requests/{id}",
    "answer_own_consent": "account/consents",
    "add_own_device": "account/devices/{id}",
    "add_staff": "staff/{id}",
    "make_link": "staff/{account_id}",
    "make_sandbox": "institutions/{institution}",
    "add_client": "clients/{id}",
    "upload_import": "tasks/{id}",
    "start_import": "tasks/{id}",
    "undo_import": "tasks/{id}",
    "cancel_task": "tasks/{id}",
    "create_webhook": "webhooks/{id}",
    "change_webhook_secret": "webhooks/{webhook_id}",
    "ping_webhook": "webhooks/{webhook_id}",
    "replay_webhook": "webhooks/{webhook_id}",
}


class _AccessToken(HTTPBearer):
    """Dependency that refuses a request without a token. The service verifies the token and its scopes.

    raises  Unauthenticated  SIGN_IN_NEEDED
    """

    async def __call__(self, request: HTTPConnection) -> None:
        if b"authorization" not in header_fields(request.scope):
            raise Unauthenticated("SIGN_IN_NEEDED")


class _ClientToken(OAuth2):
    """Dependency that only describes how a program gets a token; `access_token` refuses requests without one."""

    async def __call__(self, request: HTTPConnection) -> None: ...


access_token = _AccessToken(
    scheme_name="access_token",
    description="The access token of a person (`POST /api/v1/sign-in`) or a program. It has the scopes of its account.",
)
client_token = _ClientToken(
    scheme_name="client",
    description="The access token of a program, a client of the institution.",
    flows=OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=SCOPES)),
)


_KEY = Header(
    alias="Idempotency-Key",
    description=(
        "A random key, such as a UUID. A repeated request with the same key and body changes nothing and returns the "
        "first response, with `Idempotency-Replayed: true`. Keys are stored for 48 hours."
    ),
    min_length=1,
    max_length=64,
    pattern="^[!-~]+$",
)


# Dependencies that declare and check the header. `gateway.clients.call` forwards it to the service.
async def idempotency_key(key: Annotated[str, _KEY]) -> None: ...


async def idempotency_key_unless_dry_run(key: Annotated[str | None, _KEY] = None) -> None: ...


def documented(
    summary: str,
    method: str = "",
    *,
    errors: tuple[int, ...] = (),
    status: int = 200,
    otherwise: Mapping[int, str] = MappingProxyType({}),
    example: Any = None,
    content: Mapping[str, Any] = MappingProxyType({}),
    revalidates: bool = False,
    has_dry_run: bool = False,
) -> dict[str, Any]:
    """Return the arguments of a router's decorator that FastAPI cannot read from the signature.

    method       the method of a service that the route calls, such as `circulation.ListLoans`: its options decide
                 whether the route needs a token, with which scope, and an Idempotency-Key
    errors       statuses of problem documents of this route, besides those that the method's options add
    status       status of success; 204 has no body
    otherwise    other statuses of success, with a description of when they occur
    example      example of the JSON response; by default that of the model
    content      additional media types of the response
    revalidates  the response has an ETag from its bytes, and If-None-Match gets 304
    has_dry_run  the body can ask for a dry run, which needs no Idempotency-Key
    raises       ValueError  `method` does not exist
    """
    dependencies: list[Any] = []
    is_public, other_ways = True, []
    statuses = {400, *errors}
    headers = [*_LIMITED] if method else []
    if method:
        service, _, name = method.rpartition(".")
        path = f"/{service}/{name}" if "." in service else f"/rangkiang.{service}.v1.{service.title()}/{name}"
        options = options_of(path)
        if not options.scope:
            raise ValueError(f"no such method: {method}")
        statuses |= {*_OF_CALLS}
        is_public = options.scope == "public"
        if not is_public:
            statuses |= {*_OF_CALLERS}
            dependencies.append(Security(access_token))
            if options.scope in SCOPES:
                dependencies.append(Security(client_token, scopes=[options.scope]))
        if options.partner_scope:
            other_ways = [{"client": [options.partner_scope]}]  # FastAPI adds it to the ways of the dependencies
        if options.keyed:
            statuses |= {*_OF_KEYS}
            headers.append("Idempotency-Replayed")
            dependencies.append(Depends(idempotency_key_unless_dry_run if has_dry_run else idempotency_key))
    successes = {status: summary, **otherwise}
    responses: dict[int | str, Any] = {
        code: {"description": text, "headers": headers_of(*headers)} for code, text in successes.items()
    }
    if content:
        responses[status]["content"] = dict(content)
    if example is not None:
        responses[status].setdefault("content", {})[JSON] = {"example": example}
    if revalidates:
        responses[status]["headers"] |= headers_of("ETag")
        description = "The response that If-None-Match names is still current."
        responses[304] = {"description": description, "headers": headers_of(*headers, "ETag")}
    responses |= {code: _problem(code) for code in sorted(statuses)}
    return {
        "summary": summary,
        "status_code": status,
        "responses": responses,
        "dependencies": dependencies,
        "openapi_extra": {"security": other_ways} if is_public or other_ways else {},
    }


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    headers = headers_of(*_LIMITED, *_ERROR_HEADERS.get(status, ()))
    return {"description": _ERRORS[status], "headers": headers, "content": {MEDIA_TYPE: {"schema": schema}}}


class ApiRoute(APIRoute):
    """A route of the API. Its operationId, after which generated clients name a method, is the name of the function.

    The function returns a model, whose absent values are null in the response. No cache stores a response, unless
    the route has 304 or sets Cache-Control. A stranger is refused whatever else is wrong with the request.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **arguments: Any) -> None:
        responses: dict[int | str, Any] = arguments.get("responses") or {}
        hints = get_type_hints(endpoint, include_extras=True)
        if Version in hints.values():
            responses |= {status: _problem(status) for status in _OF_VERSIONS}
        model = arguments.get("response_model") or hints.get("return")
        if isinstance(model, type) and issubclass(model, ResponseModel):
            for status, response in responses.items():
                if status == arguments["status_code"]:
                    response.setdefault("content", {}).setdefault(JSON, {"example": example_of(model)})
                    response["headers"] |= headers_of("ETag") if "version" in model.model_fields else {}
                elif int(status) < 300:
                    response["model"] = model
        if endpoint.__name__ in _MADE:
            responses[201]["headers"] |= headers_of("Location")
        arguments |= {"operation_id": endpoint.__name__}
        super().__init__(path, endpoint, **arguments)
        if self._takes_json():
            self.responses[415] = _problem(415)

    def _takes_json(self) -> bool:
        return self.body_field is not None and not isinstance(self.body_field.field_info, Form)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        needs_token = any(dependency.dependency is access_token for dependency in self.dependencies)
        revalidates = 304 in self.responses
        made = _MADE.get(self.operation_id or "", "")
        takes_json = self._takes_json()
        query = next((field.field_info.annotation for field in self.dependant.query_params), None)

        async def handle_api_request(request: Request) -> Response:
            try:
                if takes_json:
                    check_media_type(request)
                _refuse_repeated(request, query)
                response = await handle(request)
            except Exception:
                if needs_token:
                    # Services verify the token of a request that reaches them; this request may not have done so.
                    callers: Callers = request.app.state.callers
                    await callers.require(request.scope)
                raise
            if revalidates and response.status_code == 200 and "etag" not in response.headers:
                cache = response.headers.get("cache-control", "no-cache")
                return respond(request, bytes(response.body), JSON, cache=cache)
            response.headers.setdefault("Cache-Control", "no-store")
            if made and response.status_code == 201:
                values = {**request.path_params, **orjson.loads(bytes(response.body))}
                response.headers["Location"] = urljoin("/api/v1/", made.format(**values))
            return response

        return handle_api_request


def _refuse_repeated(request: Request, query: Any) -> None:
    """Refuse several values of a parameter that takes one, of which FastAPI would read the last.

    query  the QueryModel of the route, None for a route without parameters
    """
    if query is not None and b"&" in request.scope["query_string"]:
        counts = Counter(name for name, _ in request.query_params.multi_items())
        takes_list = parameters_of(query)
        if any(count > 1 and takes_list.get(name) is False for name, count in counts.items()):
            read_query(query, request, strict=True)
