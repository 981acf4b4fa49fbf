"""/covers — serves the library's own cover image, or else a drawn cover; never an image of a third party."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.responses import respond
from gateway.web.cover_svg import cover
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

SVG = "image/svg+xml"
CACHE_FOREVER = "public, max-age=31536000, immutable"
# The record has changed since the URL was written: the browser must ask again soon.
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


@router.get("/covers/{record_id}/{version}")
async def picture(request: Request) -> Response:
    """Return the cover of one version of a record: an image from COVERS by ISBN, else a drawing."""
    record_id, version = check_record_id(request.path_params["record_id"]), request.path_params["version"]
    if not (version.isascii() and version.isdigit() and len(version) <= 12):
        raise NotFound("COVER_NOT_FOUND")
    reply = await call(request, catalog(request).GetRecord, wire.GetRecordRequest(id=record_id))
    display = orjson.loads(reply.display)
    cache = CACHE_FOREVER if int(version) == reply.version else CACHE_SHORTLY
    cover_file = await run_in_threadpool(find_picture, request.app.state.settings.covers, isbns(display))
    if cover_file is not None:
        # The image in the folder may change without a new version of the record.
        return respond(request, cover_file[0], cover_file[1], cache="public, max-age=86400", vary="Accept-Encoding")
    drawn = cover(
        title=display["title"],
        author=next(iter(names(display)), "") or display.get("responsibility") or "",
        ddc=display.get("ddc") or "",
    )
    return respond(request, drawn, SVG, cache=cache, vary="Accept-Encoding")


def find_picture(folder: Path | None, numbers: list[str]) -> tuple[bytes, str] | None:
    """Return the first image `ISBN.webp|jpg|jpeg|png` in the folder, and its media type; None without one.

    Images that are too large, or whose content does not match the ending, are ignored.
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
    """Open a file; a named pipe is opened without waiting for its writer."""
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
    """Return the names of the authors, which are texts or objects with a name."""
    authors = display.get("authors") or ()
    return [author if isinstance(author, str) else str(author.get("name", "")) for author in authors]
