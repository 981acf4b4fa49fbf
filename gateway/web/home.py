"""/ — one search box, and what there is to search."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.deps import ask, catalog, language
from gateway.web.rendering import page
from gateway.web.results import called, hit, said
from gateway.web.wording import wording
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

NEWEST = 6


@router.get("/")
async def home(request: Request) -> Response:
    stub = catalog(request)
    newest, branches, institutions = await asyncio.gather(
        ask(request, stub.Search, wire.SearchRequest(sort="year", limit=NEWEST, facets=["ddc"])),
        ask(request, stub.ListBranches, wire.ListBranchesRequest()),
        ask(request, stub.ListInstitutions, wire.ListInstitutionsRequest()),
    )
    words = wording(language(request))
    speaks = words.language
    classes = sorted((value for facet in newest.facets for value in facet.values), key=lambda value: value.value)
    return page(
        request,
        "home.html",
        query="",
        total=newest.total,
        newest=[hit(each, speaks) for each in newest.hits],
        classes=[(value.value, called("ddc", value, words), value.count) for value in classes if value.count],
        places=[
            (
                said(institution.name, speaks) or institution.code,
                [
                    said(branch.name, speaks) or branch.code
                    for branch in branches.branches
                    if branch.institution == institution.code
                ],
            )
            for institution in institutions.institutions
        ],
        branches=len(branches.branches),
    )
