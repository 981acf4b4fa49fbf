"""/covers: the library's own cover image of a record, or a drawn cover. Images of third parties are never used."""

from __future__ import annotations

import os
import stat
import time
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.rpc import cpu_time
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.responses import respond
from gateway.web.covers import card_png
from gateway.web.covers.cover_svg import cover
from gateway.web.rendering import saving
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

SVG, PNG = "image/svg+xml", "image/png"
CACHE_FOREVER = "public, max-age=31536000, immutable"
# For a URL with an old version of the record: the browser must request it again soon.
CACHE_SHORTLY = "public, max-age=300"
# A larger image is ignored: at 400 kbit/s it would take four seconds.
LARGEST_PICTURE_BYTES = 200_000
# file ending -> (media type, first bytes of such a file)
KINDS = {
    ".webp": ("image/webp", (b"RIFF",)),
    ".jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
}
MOST_ISBNS = 8
SMALL = (96, 144)  # twice the size in CSS pixels
MOST_PIXELS = 20_000_000
MOST_SMALL_PICTURES = 200  # at most 200 kB each, including the original image
RELIST_SECONDS = 60
_listed: dict[Path, tuple[float, int, frozenset[str]]] = {}


@router.get("/covers/{record_id}/{version}.png")
async def card(request: Request) -> Response:
    """Return the preview image of a record, 1200 by 630 pixels, as PNG. Programs that show previews read no SVG."""
    reply, display = await _record(request)
    body = await to_thread.run_sync(_drawn_card, _texts(display), limiter=_one_at_a_time(request))
    return respond(request, body, PNG, cache=_cache(request, reply.version), vary="Accept-Encoding")


@router.get("/covers/{record_id}/{version}")
async def picture(request: Request) -> Response:
    """Return the cover of a version of a record: an image from COVERS by ISBN, else a drawing."""
    reply, display = await _record(request)
    cache = _cache(request, reply.version)
    cover_file = await run_in_threadpool(find_picture, request.app.state.settings.covers, isbns(display))
    if cover_file is not None:
        if request.query_params.get("size") == "small":
            cover_file = await run_in_threadpool(shrink, *cover_file)
        # An image in the folder may change without a new version of the record.
        return respond(request, cover_file[0], cover_file[1], cache="public, max-age=86400", vary="Accept-Encoding")
    return respond(request, cover(**_texts(display)), SVG, cache=cache, vary="Accept-Encoding")


async def _record(request: Request) -> tuple[wire.GetRecordReply, dict[str, Any]]:
    """Read the record of a cover's URL.

    raises  NotFound  RECORD_NOT_FOUND, COVER_NOT_FOUND
    """
    record_id, version = check_record_id(request.path_params["record_id"]), request.path_params["version"]
    if not (version.isascii() and version.isdigit() and len(version) <= 12):
        raise NotFound("COVER_NOT_FOUND")
    reply = await call(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id))
    return reply, orjson.loads(reply.display)


def _cache(request: Request, version: int) -> str:
    return CACHE_FOREVER if int(request.path_params["version"]) == version else CACHE_SHORTLY


def _texts(display: dict[str, Any]) -> dict[str, str]:
    """Return the arguments of cover_svg.cover and card_png.card for a record."""
    author = next(iter(names(display)), "") or display.get("responsibility") or ""
    return {"title": display["title"], "author": author, "ddc": display.get("ddc") or ""}


def _drawn_card(texts: dict[str, str]) -> bytes:
    """Draw a preview image, and charge its CPU time to the caller (0.1 s; almost none for a cached image)."""
    begun = time.thread_time()
    body = card_png.card(**texts)
    cpu_time.add(time.thread_time() - begun)
    return body


def _one_at_a_time(request: Request) -> CapacityLimiter:
    """Return the limiter that lets this process draw one preview image at a time, so that other work continues."""
    state = request.app.state
    if not hasattr(state, "card_limit"):
        state.card_limit = CapacityLimiter(1)
    limit: CapacityLimiter = state.card_limit
    return limit


async def with_pictures(request: Request, hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the URL of the library's own small cover to hits that have one. With Save-Data, no URL is added."""
    folder = request.app.state.settings.covers
    if folder is None or saving(request) or not hits:
        return hits
    listed = await run_in_threadpool(list_pictures, folder)
    # A hit does not have the version of its record, and the image does not depend on the version.
    return [
        {**entry, "picture": f"/covers/{entry['id']}/0?size=small"} if not listed.isdisjoint(isbns(entry)) else entry
        for entry in hits
    ]


def list_pictures(folder: Path) -> frozenset[str]:
    """Return the ISBNs that have an image. A changed folder is read again, at most every RELIST_SECONDS."""
    now = time.monotonic()
    listing = _listed.get(folder)
    if listing is not None and now < listing[0]:
        return listing[2]
    try:
        changed_at = folder.stat().st_mtime_ns
        if listing is not None and changed_at == listing[1]:
            numbers = listing[2]
        else:
            with os.scandir(folder) as entries:
                numbers = frozenset(entry.name.rpartition(".")[0] for entry in entries)
    except OSError:
        changed_at, numbers = 0, frozenset()
    _listed[folder] = (now + RELIST_SECONDS, changed_at, numbers)
    return numbers


@lru_cache(maxsize=MOST_SMALL_PICTURES)
def shrink(body: bytes, media_type: str) -> tuple[bytes, str]:
    """Return an image in the size of a hit, as WebP. The image is unchanged when it is unreadable or too large."""
    try:
        with Image.open(BytesIO(body)) as image:
            if image.width * image.height > MOST_PIXELS:
                return body, media_type
            image.draft("RGB", SMALL)
            small = image.convert("RGB")
            small.thumbnail(SMALL)
            output = BytesIO()
            small.save(output, "WEBP", quality=70)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return body, media_type
    return (output.getvalue(), "image/webp") if output.tell() < len(body) else (body, media_type)


def find_picture(folder: Path | None, numbers: list[str]) -> tuple[bytes, str] | None:
    """Return the first image `ISBN.webp|jpg|jpeg|png` in the folder, and its media type; None when there is none.

    Images that are too large, or whose content does not match the file ending, are ignored.
    """
    if folder is None:
        return None
    for number in numbers:
        for ending, (media_type, signatures) in KINDS.items():
            try:
                with open(folder / f"{number}{ending}", "rb", opener=_open_at_once) as file:
                    state = os.fstat(file.fileno())
                    if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST_PICTURE_BYTES:
                        continue
                    body = file.read(LARGEST_PICTURE_BYTES)
            except OSError:
                continue
            if body.startswith(signatures) and (ending != ".webp" or body[8:12] == b"WEBP"):
                return body, media_type
    return None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without blocking, because opening a named pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def isbns(display: dict[str, Any]) -> list[str]:
    """Return the ISBNs of a record in both lengths, digits only, so that a file name is never a path."""
    numbers = [display.get("isbn"), *(display.get("identifiers") or {}).get("isbn", ())]
    values: dict[str, None] = {}
    for value in numbers[:MOST_ISBNS]:
        digits = "".join(character for character in str(value or "") if character in "0123456789X")
        if len(digits) in (10, 13):
            values[digits] = None
            if digits.startswith("978") and len(digits) == 13:
                values[to_isbn10(digits)] = None
    return list(values)


def to_isbn10(number: str) -> str:
    """Convert an ISBN-13 that begins with 978 to ISBN-10 (ISO 2108)."""
    body = number[3:12]
    check = (11 - sum((10 - at) * int(digit) for at, digit in enumerate(body) if digit.isdigit()) % 11) % 11
    return body + ("X" if check == 10 else str(check))


def names(display: dict[str, Any]) -> list[str]:
    """Return the names of the authors; an author is a text or an object with a name."""
    authors = display.get("authors") or ()
    return [author if isinstance(author, str) else str(author.get("name", "")) for author in authors]
