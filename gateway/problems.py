"""Conversion of errors to RFC 9457 problem documents. No other module of the gateway converts errors to HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Conflict, Error, Invalid, NotFound
from chassis.models import public_facts
from chassis.sentences import sentence
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.request_guard import request_id

MEDIA_TYPE = "application/problem+json"
# Path of the pages of reasons; `type` of a problem document is the address of the page of its reason.
PAGES = "/docs/errors"
# Reasons that tell a client that its token is the problem (RFC 6750 §3.1).
_TOKEN_REASONS = frozenset({"TOKEN_INVALID", "TOKEN_EXPIRED", "SESSION_ENDED"})

# Sentence keys of the titles of problem documents, by status.
TITLES: Mapping[int, str] = {
    400: "TITLE_BAD_REQUEST",
    401: "TITLE_SIGN_IN_NEEDED",
    403: "TITLE_NOT_ALLOWED",
    404: "TITLE_NOT_FOUND",
    405: "TITLE_METHOD_NOT_ALLOWED",
    406: "TITLE_NOT_ACCEPTABLE",
    409: "TITLE_CANNOT_BE_DONE",
    410: "TITLE_GONE",
    412: "TITLE_OUTDATED",
    413: "TITLE_CONTENT_TOO_LARGE",
    414: "TITLE_ADDRESS_TOO_LONG",
    415: "TITLE_UNSUPPORTED_MEDIA_TYPE",
    422: "TITLE_CANNOT_BE_PROCESSED",
    428: "TITLE_VERSION_NEEDED",
    429: "TITLE_TOO_MANY_REQUESTS",
    431: "TITLE_HEADERS_TOO_LARGE",
    500: "TITLE_OUR_MISTAKE",
    503: "TITLE_UNAVAILABLE",
    504: "TITLE_TOO_LATE",
}


class MethodNotAllowed(Error):
    http_status = 405


class NotAcceptable(Error):
    http_status = 406


class UnsupportedMediaType(Error):
    http_status = 415


class VersionNeeded(Error):
    http_status = 428


def from_http(problem: HTTPException, *, methods: Iterable[str]) -> Error:
    """Return the error for an HTTPException: its cause, or an error for the framework's refusal (no route, method).

    methods  methods of the path, for the header Allow
    """
    if isinstance(problem.__cause__, Error):
        return problem.__cause__
    if problem.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("ROUTE_NOT_FOUND")
    if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("METHOD_NOT_ALLOWED", allow=sorted(methods))
    return Invalid("REQUEST_INVALID")


def title(status: int, lang: str) -> str:
    """Return the title of a status in a language."""
    return sentence(TITLES.get(status, "TITLE_ERROR")).in_language(lang)


def document(request: Request, error: Error) -> bytes:
    """Return the problem document as JSON, with sentences in the language of the request."""
    lang = language(request)
    return orjson.dumps(
        {
            "type": absolute_url(request, f"{PAGES}/{error.reason}"),
            "title": title(error.http_status, lang),
            "status": error.http_status,
            "detail": error.sentence.in_language(lang),
            "reason": error.reason,
            "facts": public_facts(error.facts),
            "refusals": [
                {
                    "reason": refusal.reason,
                    "facts": public_facts(refusal.facts),
                    "detail": refusal.sentence.in_language(lang),
                }
                for refusal in error.refusals
            ],
            "instance": f"urn:rangkiang:request:{request_id(request)}",
        },
        default=str,
    )


def headers(error: Error, lang: str) -> dict[str, str]:
    """Return the headers of an error response, for problem documents and pages."""
    fields = {
        "Cache-Control": "no-store",
        "Content-Language": lang,
        "Vary": "Accept, Accept-Language, Cookie",
    }
    if error.http_status == HTTPStatus.METHOD_NOT_ALLOWED:
        fields["Allow"] = ", ".join(error.facts.get("allow", ["GET"]))
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        cause = ', error="invalid_token"' if error.reason in _TOKEN_REASONS else ""
        fields["WWW-Authenticate"] = f'Bearer realm="rangkiang"{cause}'
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields["Retry-After"] = "2"
    if isinstance(error, Conflict):
        fields["Retry-After"] = "1"
    if error.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        fields["Retry-After"] = str(error.facts.get("seconds", 1))
    return fields


def problem(request: Request, error: Error) -> Response:
    """Return the response to an error, as a problem document."""
    return Response(
        document(request, error),
        status_code=error.http_status,
        media_type=MEDIA_TYPE,
        headers=headers(error, language(request)),
    )
