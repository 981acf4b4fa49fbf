"""Static files: read once, named by a hash of their content, and cached by browsers for a year."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.responses import accepts_gzip, gzip

router = APIRouter()

_FOLDER = Path(__file__).parent / "static"
# Swagger UI, unchanged from its package; tests/clients/package.json has the version.
_VIEWER = Path(__file__).parent / "viewer"
# All style sheets are served as one file, because on a slow connection each request costs more than its bytes.
_STYLES = "site.css"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    path: str
    media_type: str
    body: bytes

    @cached_property
    def squeezed(self) -> bytes:
        return gzip(self.body, 9)


@cache
def _assets() -> dict[str, Asset]:
    assets = {}
    bodies = {file.name: file.read_bytes() for file in _FOLDER.rglob("*") if file.suffix in _TYPES}
    parts = sorted(name for name in bodies if name.endswith(".css"))
    bodies[_STYLES] = b"".join(bodies.pop(name) for name in parts)
    bodies |= {file.name: file.read_bytes() for file in _VIEWER.iterdir() if file.suffix in _TYPES}
    for name, body in sorted(bodies.items()):
        stem, _, suffix = name.rpartition(".")
        tag = blake2b(body, digest_size=6).hexdigest()
        media_type = _TYPES[f".{suffix}"]
        assets[name] = Asset(f"/static/{stem}.{tag}.{suffix}", media_type, body)
    return assets


@cache
def _by_path() -> dict[str, Asset]:
    return {asset.path: asset for asset in _assets().values()}


def address(name: str) -> str:
    """Return the URL of a static file by its name (`site.css`)."""
    return _assets()[name].path


@router.get("/static/{name}")
async def static(request: Request) -> Response:
    asset = _by_path().get(request.url.path)
    if asset is None:
        raise NotFound("FILE_NOT_FOUND")
    squeeze = accepts_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if squeeze:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.squeezed if squeeze else asset.body, media_type=asset.media_type, headers=headers)
