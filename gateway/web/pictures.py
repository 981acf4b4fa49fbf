"""/files/{id}: logos and photos of libraries. The content of an id never changes."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.clients import call, catalog
from gateway.request_guard import limit_document
from gateway.responses import respond
from gateway.web.covers.images import CACHE_FOREVER, SVG
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

_FILE_ID = re.compile(r"[0-9a-f]{64}")
_WIDTH = re.compile(r"[0-9]{1,4}", re.ASCII)
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", SVG)


@router.get("/files/{file_id}")
async def file(request: Request) -> Response:
    """Return a picture; with `width`, the narrowest rendition that is at least as wide."""
    file_id, width = request.path_params["file_id"], request.query_params.get("width", "")
    if not _FILE_ID.fullmatch(file_id):
        raise NotFound("FILE_NOT_FOUND")
    message = wire.GetFileRequest(id=file_id, width=int(width) if _WIDTH.fullmatch(width) else 0)
    reply = await call(request, catalog(request).GetFile, message)
    # Browsers must not show anything but a picture, whatever the catalogue returns.
    media_type = reply.media_type if reply.media_type in _MEDIA_TYPES else "application/octet-stream"
    if media_type == SVG:
        # A browser that opens an SVG file directly treats it as a document.
        limit_document(request)
    return respond(request, reply.content, media_type, cache=CACHE_FOREVER, vary="Accept-Encoding")
