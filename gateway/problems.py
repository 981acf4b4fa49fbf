"""Errors as RFC 9457 problem documents: the only place where the gateway turns one into HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Invalid, NotFound
from chassis.sentences import LocalText
from gateway.deps import language, request_id

MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[int, LocalText] = {
    400: LocalText("Permintaan keliru", "Bad request"),
    401: LocalText("Perlu masuk", "Sign-in needed"),
    403: LocalText("Tidak diizinkan", "Not allowed"),
    404: LocalText("Tidak ditemukan", "Not found"),
    405: LocalText("Cara ini tidak dilayani", "Method not allowed"),
    406: LocalText("Bentuk ini tidak tersedia", "Not acceptable"),
    409: LocalText("Tidak dapat dilakukan", "Cannot be done"),
    413: LocalText("Kiriman terlalu besar", "Content too large"),
    414: LocalText("Alamat terlalu panjang", "Address too long"),
    429: LocalText("Terlalu sering", "Too many requests"),
    431: LocalText("Kepala permintaan terlalu besar", "Request headers too large"),
    500: LocalText("Kesalahan di pihak kami", "Our mistake"),
    503: LocalText("Sedang tidak tersedia", "Unavailable"),
    504: LocalText("Terlalu lama", "Took too long"),
}
_OTHER = LocalText("Kesalahan", "Error")


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
    """What the world is told of a mistake of ours: nothing but that it happened."""
    return Error("INTERNAL")


def from_http(problem: HTTPException) -> Error:
    """The framework's own refusals (no route, wrong method) as errors of the house."""
    if problem.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("ROUTE_NOT_FOUND")
    if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("METHOD_NOT_ALLOWED", allow=(problem.headers or {}).get("Allow", "GET"))
    return Invalid("REQUEST_INVALID")


def title(status: int, speaks: str) -> str:
    return TITLES.get(status, _OTHER).speak(speaks)


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
            "instance": f"urn:rangkiang:request:{request_id(request)}",
        },
        default=str,
    )


def headers(error: Error, speaks: str) -> dict[str, str]:
    """Headers that go with a refusal, whatever its body's form."""
    given = {
        "Cache-Control": "no-store",
        "Content-Language": speaks,
        "Vary": "Accept, Accept-Language, Cookie",
    }
    if error.http_status == HTTPStatus.METHOD_NOT_ALLOWED:
        given["Allow"] = str(error.facts.get("allow", "GET"))
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        given["Retry-After"] = "2"
    if error.http_status == HTTPStatus.TOO_MANY_REQUESTS:
        given["Retry-After"] = str(error.facts.get("seconds", 1))
    return given


def problem(request: Request, error: Error) -> Response:
    """The answer for machines."""
    return Response(
        document(request, error),
        status_code=error.http_status,
        media_type=MEDIA_TYPE,
        headers=headers(error, language(request)),
    )
