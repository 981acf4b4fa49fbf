"""/docs: the API as a page to try, and /docs/errors/{reason}, to which `type` of a problem document points."""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.sentences import sentence
from gateway import problems
from gateway.negotiation import language
from gateway.web.rendering import page

router = APIRouter()

_FACT = re.compile(r"\{([a-z_]+)\}")
STATUSES = (400, 401, 403, 404, 409, 412, 415, 422, 428, 429, 503)


@router.get("/docs")
async def api_docs(request: Request) -> Response:
    return page(request, "api_docs.html")


@router.get(problems.PAGES + "/{reason}")
async def error_reason(request: Request) -> Response:
    reason = request.path_params["reason"]
    text = sentence(reason)
    if text.en == reason:
        raise NotFound("ROUTE_NOT_FOUND")
    lang = language(request)
    parts = _FACT.split(text.in_language(lang))
    statuses = [(status, problems.title(status, lang)) for status in STATUSES]
    return page(request, "error_reason.html", reason=reason, parts_of=parts, facts=parts[1::2], statuses=statuses)
