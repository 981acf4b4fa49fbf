"""Responses with a strong ETag, revalidation (304), and gzip for larger bodies; and files for saving."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.output import csv_line
from gateway.negotiation import parse_weights
from gateway.request_guard import header_fields

_XML = (
    "text/xml",
    *(f"application/{kind}" for kind in ("xml", "atom+xml", "rss+xml", "mods+xml", "marcxml+xml", "dc+xml")),
)
# Smaller bodies fit into one or two packets, so compression takes longer than it saves.
GZIP_FROM_BYTES = {"text/html": 1_000, "application/json": 4_000, **dict.fromkeys(_XML, 4_000)}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf", "json": "application/json", "xlsx": XLSX}
_GZIP_LEVEL = {"text/html": 5, "application/json": 1, **dict.fromkeys(_XML, 1)}


def respond(
    request: Request,
    body: bytes,
    media_type: str,
    *,
    cache: str = "no-cache",
    vary: str = "Accept, Accept-Language, Accept-Encoding",
    headers: Mapping[str, str] | None = None,
    version: int | None = None,
) -> Response:
    """Respond with 200 and a strong ETag, or with 304 when If-None-Match has the ETag; compress larger bodies.

    cache    Cache-Control; by default caches may store the response and must revalidate it for each request
    version  is the ETag, for If-Match; by default the ETag is a hash of the body
    """
    family, fields = media_type.split(";", 1)[0], header_fields(request.scope)
    compress = len(body) >= GZIP_FROM_BYTES.get(family, 1 << 40) and accepts_gzip(fields.get(b"accept-encoding", b""))
    name = blake2b(body, digest_size=12).hexdigest() if version is None else str(version)
    tag = f'"{name}{"-gz" if compress else ""}"'
    response_headers = {"ETag": tag, "Cache-Control": cache, "Vary": vary, **(headers or {})}
    client_tags = fields.get(b"if-none-match")
    if client_tags and _matches(client_tags.decode("latin-1"), tag):
        return Response(status_code=304, headers=response_headers)
    if compress:
        response_headers["Content-Encoding"] = "gzip"
        body = gzip(body, _GZIP_LEVEL[family])
    return Response(body, media_type=media_type, headers=response_headers)


def download(content: bytes | str | AsyncIterator[str], name: str, *, is_shown: bool = False) -> Response:
    """Respond with a file of one caller, which no cache stores.

    name      without personal data; the ending decides on the media type
    is_shown  browsers show the file, and do not save it at once
    """
    place = "inline" if is_shown else "attachment"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'{place}; filename="{name}"'}
    media_type = _FILES[name.rpartition(".")[2]]
    if isinstance(content, AsyncIterator):
        return StreamingResponse(content, media_type=media_type, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def csv_head(columns: Iterable[str]) -> str:
    """Return the first line of a CSV file (RFC 4180), after the byte order mark with which spreadsheets read UTF-8."""
    return "\ufeff" + csv_line(columns)


@lru_cache(maxsize=256)
def accepts_gzip(header: bytes) -> bool:
    """Return whether an Accept-Encoding header allows gzip, by name or by `*` (RFC 9110 §12.5.3)."""
    weights = parse_weights(header[:200].decode("latin-1"))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def gzip(body: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


def _matches(header: str, tag: str) -> bool:
    """Return whether If-None-Match, a list or `*`, matches a tag by weak comparison (RFC 9110 §13.1.2)."""
    client_tags: Sequence[str] = [piece.strip().removeprefix("W/") for piece in header[:2_000].split(",")]
    return "*" in client_tags or tag in client_tags
