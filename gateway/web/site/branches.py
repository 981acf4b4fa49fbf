"""/branches: the list of libraries, and a page per branch with hours, address, contact, services and new titles."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.opening_hours import OpeningHours
from gateway.partners.linked_libraries import library, library_system
from gateway.web import preferences
from gateway.web.covers.images import with_pictures
from gateway.web.hits import Nearness, brief_record, local_text
from gateway.web.hours import A_WEEK, MOBILE, now_in_words, week
from gateway.web.library import branch_path, contact_lines, map_links, picture_address, place_of
from gateway.web.rendering import in_script, page
from gateway.web.site.record import optional
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

router = APIRouter()

NEWEST = 6
PHOTO_WIDTH = 640


@router.get("/branches")
async def branches(request: Request) -> Response:
    """List the branches by institution. The institution whose site this is comes first."""
    held, lang = libraries(request), language(request)
    directory = await held.directory()
    owner = held.owner()
    codes = sorted(directory.institutions, key=lambda code: (owner is None or code != owner.code, code))
    hours = dict(zip(codes, await asyncio.gather(*(held.hours(code) for code in codes)), strict=True))
    shown = owner or (directory.institutions[codes[0]] if len(codes) == 1 else None)
    linked_data = None
    if shown is not None:
        linked_data = library_system(
            shown,
            [(branch, hours[shown.code].get(branch.code)) for branch in directory.branches_of(shown.code)],
            path_of=lambda branch: branch_path(branch.institution, branch.code),
            absolute=lambda path: absolute_url(request, path),
            language=lang,
        )
    return page(
        request,
        "branches.html",
        permalink=absolute_url(request, "/branches"),
        linked_data=in_script(linked_data) if linked_data else "",
        mine=preferences.branch(request),
        institutions=[
            (
                local_text(directory.institutions[code].name, lang) or code,
                [_entry(branch, hours[code].get(branch.code), lang) for branch in directory.branches_of(code)],
            )
            for code in codes
        ],
    )


@router.get("/branches/{institution}/{code}")
async def branch(request: Request) -> Response:
    held, lang = libraries(request), language(request)
    institution, code = request.path_params["institution"], request.path_params["code"]
    directory = await held.directory()
    place = directory.branches.get((institution, code))
    if place is None:
        raise NotFound("BRANCH_PAGE_NOT_FOUND")
    name = f"{institution}/{code}"
    arrivals = browsing_pb2.ListArrivalsRequest(branch=name, limit=NEWEST)
    hours, new = await asyncio.gather(
        held.hours(institution), optional(call(request, catalog(request).ListArrivals, arrivals))
    )
    here = Nearness(is_filtered=True)
    hits = await with_pictures(
        request, [brief_record(record, lang, nearness=here) for record in new.records] if new else []
    )
    owner = directory.institutions.get(institution)
    permalink = absolute_url(request, branch_path(institution, code))
    linked_data = library(
        place,
        hours.get(code),
        institution=owner,
        url=permalink,
        absolute=lambda path: absolute_url(request, path),
        language=lang,
    )
    return page(
        request,
        "branch.html",
        permalink=permalink,
        linked_data=in_script(linked_data),
        branch=_entry(place, hours.get(code), lang),
        institution=local_text(owner.name, lang) if owner else institution,
        days=week(hours.get(code), lang),
        a_week=A_WEEK,
        maps=map_links(place, local_text(place.name, lang) or code),
        services=[local_text(text, lang) for text in place.services],
        accessibility=[local_text(text, lang) for text in place.accessibility],
        newest=hits,
        all_here=f"/search?{urlencode({'branch': name})}",
        is_mine=preferences.branch(request) == name,
        choose=f"/my-library?{urlencode({'choose': name, 'back': branch_path(institution, code)})}",
    )


def _entry(branch: wire.Branch, hours: OpeningHours | None, lang: str) -> dict[str, Any]:
    """Return a branch for templates."""
    return {
        "name": local_text(branch.name, lang) or branch.code,
        "code": f"{branch.institution}/{branch.code}",
        "path": branch_path(branch.institution, branch.code),
        "is_mobile": branch.kind == MOBILE,
        "now": now_in_words(hours, lang, branch.kind),
        # Circulation is available, and staff have entered no hours.
        "lacks_hours": hours is not None and not hours.has_hours,
        "place": place_of(branch.contact),
        "contact": contact_lines(branch.contact),
        "photo": picture_address(branch.photo, width=PHOTO_WIDTH),
        "photo_alt": local_text(branch.photo_alt, lang),
    }
