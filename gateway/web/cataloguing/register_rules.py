"""/catalogue/register/rules: the pattern of accession numbers with the next number, and numbers that are not given."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, catalog
from gateway.registers.layouts import SOURCES, Words
from gateway.sessions import may
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.library import own_branches
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import accessions_pb2
from rangkiang.catalog.v1 import register_pb2 as wire

router = SignedInRouter()

PATH = "/catalogue/register/rules"
_MOST_GAPS = 50
NOTES = ("saved", "skipped")
_PATTERN_FIELDS = {"ACCESSION_PATTERN_INVALID": "pattern", "ACCESSION_NUMBER_TOO_LONG": "pattern"}
_SKIP_FIELDS = {
    "ACCESSION_NUMBERS_OUT_OF_BOUNDS": "count",
    "ACQUISITION_SOURCE_UNKNOWN": "source",
    "reason": "reason",
}

NUMBERING = ("branch", "numbered_source", "fund")
_NUMBERING_FIELDS = {
    "ACQUISITION_SOURCE_UNKNOWN": "numbered_source",
    "BRANCH_UNKNOWN": "branch",
    "fund": "fund",
}


@router.get(PATH)
async def rules(request: Request) -> Response:
    return await _page(request, signed_in_form(request))


@router.post(PATH)
async def save(request: Request) -> Response:
    fields = await read_form(request)
    form = signed_in_form(request, {"pattern": fields.text("pattern"), "version": str(fields.version())})
    message = accessions_pb2.PutAccessionRulesRequest(pattern=fields.text("pattern"), version=fields.version())
    try:
        await call(request, catalog(request).PutAccessionRules, message)
    except Error as problem:
        return await _page(request, refuse(request, form, problem, _PATTERN_FIELDS))
    return redirect(f"{PATH}?note=saved")


@router.post(f"{PATH}/gaps")
async def skip(request: Request) -> Response:
    """Make the next numbers void."""
    fields = await read_form(request)
    values = {name: fields.text(name) for name in ("count", "source", "reason")}
    form, count = signed_in_form(request, values), values["count"]
    message = wire.SkipAccessionNumbersRequest(
        count=int(count) if count.isascii() and count.isdecimal() and len(count) < 8 else 0,
        source=values["source"],
        reason=values["reason"],
    )
    try:
        await call(request, catalog(request).SkipAccessionNumbers, message)
    except Error as problem:
        return await _page(request, refuse(request, form, problem, _SKIP_FIELDS, labels="register.fact"))
    return redirect(f"{PATH}?note=skipped")


@router.post(f"{PATH}/numberings")
async def number(request: Request) -> Response:
    """Number a part of the items without a number; the page offers the next part."""
    fields = await read_form(request)
    values = {name: fields.text(name) for name in NUMBERING}
    acquisition = accessions_pb2.Acquisition(source=values["numbered_source"], fund=values["fund"])
    message = wire.NumberItemsRequest(
        branch=values["branch"], acquisition=acquisition, cursor=fields.text("cursor")[:500]
    )
    form = signed_in_form(request, values)
    try:
        reply = await call(request, catalog(request).NumberItems, message)
    except Error as problem:
        return await _page(request, refuse(request, form, problem, _NUMBERING_FIELDS, labels="register.fact"))
    return await _page(request, form, numbering=reply)


async def _page(request: Request, form: Form, *, numbering: wire.NumberItemsReply | None = None) -> Response:
    """Show the rules. numbering: what was just numbered."""
    stub, words = catalog(request), Words(words_of(request).language)
    gaps_request = wire.ListAccessionGapsRequest(limit=_MOST_GAPS, cursor=request.query_params.get("cursor", "")[:500])
    current, gaps = await asyncio.gather(
        call(request, stub.GetAccessionRules, accessions_pb2.GetAccessionRulesRequest()),
        call(request, stub.ListAccessionGaps, gaps_request),
    )
    now = {"pattern": current.pattern, "version": str(current.version), "count": "1", "source": SOURCES[0]}
    form.values = {**now, "reason": "", "branch": "", "numbered_source": SOURCES[0], "fund": "", **form.values}
    note = request.query_params.get("note", "")
    return page(
        request,
        "catalogue_register_rules.html",
        form=form,
        next_number=current.next_number,
        gaps=[words.gap(gap) for gap in gaps.gaps],
        sources=[(source, words.say(source)) for source in SOURCES],
        may_save=may(request, "catalog.manage"),
        note=note if note in NOTES and not form.errors else "",
        branches=own_branches(request),
        numbering=numbering,
        first=PATH if gaps_request.cursor else "",
        cursor=gaps.cursor,
    )
