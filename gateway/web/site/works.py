"""/works/{id}: a work and its editions, the best first, with the reasons for grouping them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.api.schemas import check_record_id
from gateway.clients import call, catalog
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.web import preferences
from gateway.web.hits import brief_record, local_text
from gateway.web.rendering import page
from rangkiang.catalog.v1 import works_pb2

router = APIRouter()


@router.get("/works/{work_id}")
async def work(request: Request) -> Response:
    """Show a work; redirect from a merged work to the work that replaced it."""
    work_id = check_record_id(request.path_params["work_id"])
    get_work_request = works_pb2.GetWorkRequest(id=work_id, branch=preferences.branch(request))
    reply = await call(request, catalog(request).GetWork, get_work_request)
    if reply.id != work_id:
        return RedirectResponse(f"/works/{reply.id}", status_code=301)
    lang = language(request)
    editions = [brief_record(edition.record, lang) for edition in reply.editions]
    return page(
        request,
        "work.html",
        title=reply.title,
        author=reply.author,
        editions=editions,
        reasons=[
            (_name(entry), [local_text(reason, lang) for reason in edition.reasons])
            for entry, edition in zip(editions, reply.editions, strict=True)
            if edition.reasons
        ],
        permalink=absolute_url(request, f"/works/{reply.id}"),
    )


def _name(edition: dict[str, Any]) -> str:
    """Return title, publisher and year, which distinguish the editions of a work."""
    return ", ".join(str(value) for value in (edition["title"], edition["publisher"], edition["year"]) if value)
