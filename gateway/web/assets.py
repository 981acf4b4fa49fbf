"""Static files: read once at start, named by their content, kept by browsers for good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import LocalText, NotFound
from gateway.deps import gzip

router = APIRouter()

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    path: str
    media_type: str
    body: bytes
    squeezed: bytes


@cache
def _assets() -> dict[str, Asset]:
    found = {}
    for file in sorted(_FOLDER.rglob("*")):
        if file.suffix in _TYPES:
            body = file.read_bytes()
            tag = blake2b(body, digest_size=6).hexdigest()
            path = f"/static/{file.stem}.{tag}{file.suffix}"
            found[file.name] = Asset(path, _TYPES[file.suffix], body, gzip(body, 9))
    return found


@cache
def _by_path() -> dict[str, Asset]:
    return {asset.path: asset for asset in _assets().values()}


def address(name: str) -> str:
    """URL of a static file, by its plain name (`site.css`)."""
    return _assets()[name].path


@router.get("/static/{name}")
async def static(request: Request) -> Response:
    asset = _by_path().get(request.url.path)
    if asset is None:
        raise NotFound("FILE_NOT_FOUND", LocalText("Berkas ini tidak ada.", "There is no such file."))
    squeeze = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if squeeze:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.squeezed if squeeze else asset.body, media_type=asset.media_type, headers=headers)
