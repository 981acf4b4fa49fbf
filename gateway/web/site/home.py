"""/: the home page with the search box, new records, classes and libraries."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.negotiation import language
from gateway.web import preferences
from gateway.web.covers.images import with_pictures
from gateway.web.hits import hit, local_text
from gateway.web.library import branch_path, nearness_of
from gateway.web.rendering import page
from gateway.web.site.classes import class_data
from gateway.web.site.record import optional
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

NEWEST = 6


@router.get("/")
async def home(request: Request) -> Response:
    stub = catalog(request)
    newest, classes, directory = await asyncio.gather(
        call(request, stub.Search, wire.SearchRequest(sort="year", limit=NEWEST, branch=preferences.branch(request))),
        optional(call(request, stub.ListClasses, browsing_pb2.ListClassesRequest())),
        libraries(request).directory(),
    )
    lang = language(request)
    nearness = nearness_of(request)
    hits = await with_pictures(request, [hit(result, lang, nearness) for result in newest.hits])
    return page(
        request,
        "home.html",
        total=newest.total,
        newest=hits,
        classes=[class_data(class_, lang) for class_ in classes.classes if class_.count] if classes else [],
        libraries=[
            (
                local_text(institution.name, lang) or code,
                [
                    (branch_path(code, branch.code), local_text(branch.name, lang) or branch.code)
                    for branch in directory.branches_of(code)
                ],
            )
            for code, institution in directory.institutions.items()
        ],
        branches=len(directory.branches),
    )
