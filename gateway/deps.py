"""What every route needs: who asks in which language, a call to a service, and an answer that can be revalidated."""

from __future__ import annotations

import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogAsyncStub

Reply = TypeVar("Reply")

LANGUAGES = ("id", "en")
LANGUAGE_COOKIE = "lang"
# Seconds a reader waits for a service before being told to try again.
PATIENCE_SECONDS = 5.0
# Smaller answers fit one packet or two; compressing them costs more than it saves.
_XML = tuple(f"application/{kind}" for kind in ("xml", "atom+xml", "mods+xml", "marcxml+xml", "dc+xml"))
GZIP_FROM_BYTES = {"text/html": 1_000, "application/json": 4_000, **dict.fromkeys(_XML, 4_000)}
_GZIP_LEVEL = {"text/html": 5, "application/json": 1, **dict.fromkeys(_XML, 1)}
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def language(request: Request) -> str:
    """Language to answer in: `lang=`, then (on pages) the reader's choice, then Accept-Language, then Indonesian."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    if not request.scope["path"].startswith("/api/"):
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        if chosen in LANGUAGES:
            return chosen
    header = request.headers.get("accept-language")
    return _preferred(header[:200]) if header else "id"


@lru_cache(maxsize=256)
def _preferred(header: str) -> str:
    weighed = weights(header)
    best = max(LANGUAGES, key=lambda code: weighed.get(code, weighed.get("*", 0.0)))
    return best if weighed.get(best, weighed.get("*", 0.0)) > 0 else "id"


def weights(header: str) -> dict[str, float]:
    """Values of an Accept-like header with their weights (RFC 9110 §12.4.2); of `en-GB` only `en` is kept."""
    found: dict[str, float] = {}
    for part in header.lower().split(",")[:32]:
        value, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = min(1.0, max(0.0, float(parameter[2:])))
                except ValueError:
                    weight = 0.0
        key = value if "/" in value else value.split("-", 1)[0]
        if key:
            found[key] = max(found.get(key, 0.0), weight)
    return found


@lru_cache(maxsize=512)
def acceptable(header: str, offered: tuple[str, ...]) -> str | None:
    """The offered media type that an Accept header prefers; None when it wants none of them.

    Among equal weights one named outright wins over one that a wildcard lets in, then the earlier one.
    """
    if not header:
        return offered[0]
    weighed = weights(header)

    def weigh(media: str) -> tuple[float, int]:
        for exactness, name in ((2, media), (1, media.split("/", 1)[0] + "/*"), (0, "*/*")):
            if name in weighed:
                return weighed[name], exactness
        return 0.0, 0

    best = max(offered, key=weigh)
    return best if weigh(best)[0] > 0 else None


def request_id(request: Request) -> str:
    return str(request.scope["state"]["request_id"])


def catalog(request: Request) -> CatalogAsyncStub:
    stub: CatalogAsyncStub = request.app.state.catalog
    return stub


def absolute(request: Request, path: str) -> str:
    """A whole address, for links that leave this site: by PUBLIC_URL, else as the request names us."""
    settings: GatewaySettings = request.app.state.settings
    return (settings.public_url or str(request.base_url)).rstrip("/") + path


async def ask(request: Request, method: Callable[..., Awaitable[Reply]], message: Any) -> Reply:
    """Call a service as this reader.

    raises  chassis.errors.Error  as the service raised it; Unavailable or TooLate when it does not answer
    """
    headers = request.headers
    metadata = [("x-language", language(request)), ("x-request-id", request_id(request))]
    traceparent = headers.get("traceparent")
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        metadata.append(("traceparent", traceparent))
    credential = headers.get("authorization")
    if credential:
        metadata.append(("authorization", credential))
    return await method(message, timeout=PATIENCE_SECONDS, metadata=metadata)


def answer(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    cache: str = "no-cache",
    vary: str = "Accept, Accept-Language, Accept-Encoding",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A ready answer: with a strong ETag of its content, 304 when the reader has it, compressed when that pays.

    cache  Cache-Control; the default lets everybody keep it and asks to revalidate each time
    """
    family = media_type.split(";", 1)[0]
    squeeze = len(body) >= GZIP_FROM_BYTES.get(family, 1 << 40) and "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}{"-gz" if squeeze else ""}"'
    given = {"ETag": tag, "Cache-Control": cache, "Vary": vary, **(headers or {})}
    known = request.headers.get("if-none-match")
    if known and _matches(known, tag):
        return Response(status_code=304, headers=given)
    if squeeze:
        given["Content-Encoding"] = "gzip"
        body = gzip(body, _GZIP_LEVEL[family])
    return Response(body, media_type=media_type, headers=given)


def gzip(body: bytes, level: int) -> bytes:
    squeezer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return squeezer.compress(body) + squeezer.flush()


def _matches(header: str, tag: str) -> bool:
    """RFC 9110 §13.1.2: weak comparison against a list, or `*`."""
    known: Sequence[str] = [piece.strip().removeprefix("W/") for piece in header[:2_000].split(",")]
    return "*" in known or tag in known
