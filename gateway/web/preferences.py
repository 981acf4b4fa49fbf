"""/my-library: the reader's branch, which is stored only in a cookie of the browser."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.errors import Invalid
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web.hits import local_text
from gateway.web.library import BRANCH_COOKIE, BRANCH_PATTERN, chosen_branch
from gateway.web.rendering import local_target, page, remember
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

branch = chosen_branch


@router.get("/my-library")
async def my_library(request: Request) -> Response:
    """Show the branches. With `choose=`, store the choice (an empty value deletes it) and redirect to `back`."""
    back = local_target(request.query_params.get("back", "/"))
    chosen = request.query_params.get("choose")
    if chosen is not None:
        if chosen and not BRANCH_PATTERN.fullmatch(chosen):
            raise Invalid("BRANCH_UNREADABLE")
        response = RedirectResponse(back, status_code=303, headers={"Cache-Control": "no-store"})
        remember(request, response, BRANCH_COOKIE, quote(chosen, safe="") if chosen else "")
        return response
    lang = language(request)
    branches = (await call(request, catalog(request).ListBranches, wire.ListBranchesRequest())).branches
    libraries = (await call(request, catalog(request).ListInstitutions, wire.ListInstitutionsRequest())).institutions
    return page(
        request,
        "my_library.html",
        back=back,
        mine=branch(request),
        libraries=[
            (
                local_text(library.name, lang) or library.code,
                [
                    (f"{entry.institution}/{entry.code}", local_text(entry.name, lang) or entry.code)
                    for entry in branches
                    if entry.institution == library.code
                ],
            )
            for library in libraries
        ],
    )
