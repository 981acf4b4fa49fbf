"""/records/{id}/shelf: the records before and after a record on the shelf."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web import preferences
from gateway.web.hits import local_text
from gateway.web.library import BRANCH_PATTERN
from gateway.web.rendering import page
from gateway.web.site.record import spines
from rangkiang.catalog.v1 import browsing_pb2

router = APIRouter()

A_SIDE = 10


@router.get("/records/{record_id}/shelf")
async def shelf(request: Request) -> Response:
    """Show the shelf of `branch`. The default is the reader's branch, then the record's first branch."""
    record_id = check_record_id(request.path_params["record_id"])
    parameter = request.query_params.get("branch", "")
    branch = parameter if BRANCH_PATTERN.fullmatch(parameter) else preferences.branch(request)
    message = browsing_pb2.ListNeighboursRequest(record_id=record_id, branch=branch, limit=A_SIDE)
    reply = await call(request, catalog(request).ListNeighbours, message)
    lang = language(request)
    neighbours = spines(reply, lang)
    return page(
        request,
        "shelf.html",
        id=record_id,
        place=local_text(reply.branch_name, lang) or reply.branch,
        branch=reply.branch,
        neighbours=neighbours,
    )
