"""Documentation of routes, and additions to the OpenAPI document of FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any

from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Unauthenticated
from chassis.models import ResponseModel, example_of
from chassis.rpc.interceptors import options_of
from gateway.api.schemas import Problem
from gateway.api.validation import check_media_type
from gateway.callers import Callers
from gateway.problems import MEDIA_TYPE
from gateway.request_guard import header_fields

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

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": (
        "A random key, such as a UUID. A repeated request with the same key and body changes nothing and returns the "
        "first response, with `Idempotency-Replayed: true`. Keys are stored for 48 hours."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$"},
}
_REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` when the response is that of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
# Operations whose credential is in the body.
_SIGN_INS = ("sign_in", "issue_token", "use_slip")
# Errors that a header adds to a route.
_HEADER_ERRORS = {"Idempotency-Key": (400, 409, 422), "If-Match": (400, 412, 428)}


def documented(
    summary: str,
    *,
    example: Any = None,
    model: type[ResponseModel] | None = None,
    errors: tuple[int, ...] = (400, 429, 503, 504),
    content: Mapping[str, Any] = MappingProxyType({}),
    method: str = "",
    status: int = 200,
    revalidates: bool = False,
) -> dict[str, Any]:
    """Return the arguments of a router's decorator that FastAPI cannot read from the signature.

    example      example of the JSON response
    model        model of the JSON response; by default its example has the examples of its properties
    errors       statuses of problem documents
    content      additional media types of the response
    method       /package.Service/Method of a write; for a `keyed` method, the route documents Idempotency-Key
    status       status of success
    revalidates  the route responds through `respond`, which sends 304 for If-None-Match
    raises       ValueError  `method` does not exist
    """
    if example is None and model is not None:
        example = example_of(model)
    ok_content = dict(content) if example is None else {"application/json": {"example": example}, **content}
    responses: dict[int | str, Any] = {
        status: {"description": summary, "content": ok_content},
    }
    if revalidates:
        responses[304] = {"description": "The response that If-None-Match names is still current."}
    responses |= {error: _problem(error) for error in errors}
    arguments: dict[str, Any] = {"summary": summary, "responses": responses}
    if model is not None:
        arguments |= {"response_model": model, "status_code": status}
    if method:
        options = options_of(method)
        if not options.scope:
            raise ValueError(f"no such method: {method}")
        if options.keyed:
            arguments["openapi_extra"] = {"parameters": [_IDEMPOTENCY_KEY]}
    return arguments


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _ERRORS[status], "content": {MEDIA_TYPE: {"schema": schema}}}


async def refuse_strangers(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Return the response of `handle`, but refuse a stranger whatever else is wrong with the request.

    Services verify the token of a request that reaches them, so only a request that fails is looked at here.

    raises  Unauthenticated  SIGN_IN_NEEDED before the body is read; the errors of TokenVerifier.verify
    """
    if b"authorization" not in header_fields(request.scope):
        raise Unauthenticated("SIGN_IN_NEEDED")
    try:
        return await handle(request)
    except Exception:
        callers: Callers = request.app.state.callers
        await callers.require(request.scope)
        raise


class ApiRoute(APIRoute):
    """A route that refuses strangers if it documents 401, unless its body has the credential.

    Its operationId, after which generated clients name a method, is the name of the function. It passes all values of a
    query parameter to the model. FastAPI itself passes only the last value.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **arguments: Any) -> None:
        super().__init__(path, endpoint, **{**arguments, "operation_id": endpoint.__name__})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        needs_token = 401 in self.responses and self.operation_id not in _SIGN_INS
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, Form)

        async def handle_body(request: Request) -> Response:
            if takes_json:
                check_media_type(request)
            return await handle(request)

        async def handle_every_value(request: Request) -> Response:
            request = _ApiRequest(request.scope, request.receive)
            return await (refuse_strangers(request, handle_body) if needs_token else handle_body(request))

        return handle_every_value


class _ApiRequest(Request):
    @property
    def query_params(self) -> QueryParams:
        if not hasattr(self, "_query_params"):
            self._query_params: QueryParams = _EveryValue(self.scope["query_string"])
        return self._query_params


class _EveryValue(QueryParams):
    def get(self, key: Any, default: Any = None) -> Any:
        values = self.getlist(key)
        return values[0] if len(values) == 1 else values or default


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's OpenAPI document in place, and return it.

    Adds the schema of problem documents, `explode` of lists, and the errors of headers. Removes FastAPI's 422 for
    invalid input, because this API responds with 400.
    """
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                responses.setdefault("415", _problem(415))
            for parameter in operation.setdefault("parameters", []):
                _complete_parameter(parameter)
                for status in _HEADER_ERRORS.get(parameter["name"], ()):
                    responses.setdefault(str(status), _problem(status))
                if parameter["name"] == _IDEMPOTENCY_KEY["name"]:
                    for status, response in responses.items():
                        if status.startswith("2"):
                            response["headers"] = _REPLAYED
    return document


def _complete_parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    for part in (schema, schema.get("items", {})):
        part.pop("title", None)  # generated clients would name an enumeration after the title
    if "explode" in schema:
        parameter |= {"style": "form", "explode": schema.pop("explode")}
    examples = schema.pop("examples", None)
    if examples:
        parameter["example"] = examples[0]
    if schema.get("default") in ("", []):  # these defaults stand for an absent parameter
        del schema["default"]
    if parameter["in"] == "header":
        parameter["required"] = True  # FastAPI sees a default, because `gateway.api.writes` checks the header itself
    if not parameter["required"]:
        del parameter["required"]
