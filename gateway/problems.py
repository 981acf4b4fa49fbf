"""Errors as RFC 9457 problem documents: the only module of the gateway that turns errors into HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Invalid, NotFound
from chassis.sentences import sentence
from gateway.deps import language, request_id

MEDIA_TYPE = "application/problem+json"

# Titles of problem documents: the key of the sentence, by status.
TITLES: Mapping[int, str] = {
    400: "TITLE_BAD_REQUEST",
    401: "TITLE_SIGN_IN_NEEDED",
    403: "TITLE_NOT_ALLOWED",
    404: "TITLE_NOT_FOUND",
    405: "TITLE_METHOD_NOT_ALLOWED",
    406: "TITLE_NOT_ACCEPTABLE",
    409: "TITLE_CANNOT_BE_DONE",
    413: "TITLE_CONTENT_TOO_LARGE",
    414: "TITLE_ADDRESS_TOO_LONG",
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


class TooLarge(Error):
    http_status = 413


class AddressTooLong(Error):
    http_status = 414


class HeadersTooLarge(Error):
    http_status = 431


def unexpected() -> Error:
    """An error that says only that something failed; the log has the cause."""
    return Error("INTERNAL")


def from_http(problem: HTTPException) -> Error:
    """The framework's own exceptions (no route, wrong method) as our errors."""
    if problem.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("ROUTE_NOT_FOUND")
    if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("METHOD_NOT_ALLOWED", allow=(problem.headers or {}).get("Allow", "GET"))
    return Invalid("REQUEST_INVALID")


def title(status: int, speaks: str) -> str:
    return sentence(TITLES.get(status, "TITLE_ERROR")).speak(speaks)


def document(request: Request, error: Error) -> bytes:
    """The problem document's JSON, with the sentence in the language asked for."""
    speaks = language(request)
    return orjson.dumps(
        {
            "type": "about:blank",
            "title": title(error.http_status, speaks),
            "status": error.http_status,
            "detail": error.sentence.speak(speaks),
            "reason": error.reason,
            "facts": error.facts,
            "refusals": [
                {"reason": each.reason, "facts": each.facts, "detail": each.sentence.speak(speaks)}
                for each in error.refusals
            ],
            "instance": f"urn:rangkiang:request:{request_id(request)}",
        },
        default=str,
    )


def headers(error: Error, speaks: str) -> dict[str, str]:
    """Headers of an error's response, in any format."""
    values = {
        "Cache-Control": "no-store",
        "Content-Language": speaks,
        "Vary": "Accept, Accept-Language, Cookie",
    }
    if error.http_status == HTTPStatus.METHOD_NOT_ALLOWED:
        values["Allow"] = str(error.facts.get("allow", "GET"))
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        values["Retry-After"] = "2"
    if error.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        values["Retry-After"] = str(error.facts.get("seconds", 1))
    return values


def problem(request: Request, error: Error) -> Response:
    """The response to API clients."""
    return Response(
        document(request, error),
        status_code=error.http_status,
        media_type=MEDIA_TYPE,
        headers=headers(error, language(request)),
    )
