"""/catalogue/register: the accession register by period, as a page and as files, and the corrections of an entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound, Outdated
from gateway.clients import call, catalog
from gateway.registers.files import register_as_csv, register_as_pdf, register_as_xlsx
from gateway.registers.layouts import LAYOUTS, SOURCES, Sums, Words, layout_names
from gateway.sessions import may
from gateway.web.cataloguing.items import read_before
from gateway.web.desk.actors import actor_name, local_moment, names_of_actors
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form, whole_amount
from gateway.web.library import own_branches
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import register_pb2 as wire

router = SignedInRouter()

_PAGE = 50
FILTER = ("entered_from", "entered_to", "branch", "source", "number")
TEXTS = ("source", "acquired_on", "supplier", "fund", "document", "asset_code", "branch")
PRICE = ("price", "currency")
FORM_FIELDS = {
    "ACQUISITION_SOURCE_UNKNOWN": "source",
    "BRANCH_UNKNOWN": "branch",
    "currency": "price",
    **{name: name for name in (*TEXTS, "price", "reason")},
}


@router.get("/catalogue/register")
async def register(request: Request) -> Response:
    """Show a page of the register with the totals of all entries that the filter finds."""
    form = signed_in_form(request, {name: request.query_params.get(name, "").strip()[:100] for name in FILTER})
    message = wire.ListAccessionsRequest(
        **form.values, limit=_PAGE, cursor=request.query_params.get("cursor", "")[:500]
    )
    words, reply = Words(words_of(request).language), wire.ListAccessionsReply()
    try:
        reply = await call(request, catalog(request).ListAccessions, message)
    except Error as problem:
        refuse(request, form, problem, {"BRANCH_UNKNOWN": "branch", "ACQUISITION_SOURCE_UNKNOWN": "source"})
    conditions = urlencode({name: value for name, value in form.values.items() if value})
    here = f"/catalogue/register?{conditions}" if conditions else "/catalogue/register"
    following = f"{here}{'&' if conditions else '?'}{urlencode({'cursor': reply.cursor})}" if reply.cursor else ""
    return page(
        request,
        "catalogue_register.html",
        form=form,
        rows=[(entry, _price(entry, words), words.say(entry.acquisition.source)) for entry in reply.entries],
        words=words,
        totals=words.all_sums(_sums(reply.totals)),
        sources=[(source, words.say(source)) for source in SOURCES],
        branches=own_branches(request),
        layouts=layout_names(words.language),
        first=here if message.cursor else "",
        after=following,
    )


@router.get("/catalogue/register.csv")
async def register_csv(request: Request) -> Response:
    return await register_as_csv(request, _file_message(request))


@router.get("/catalogue/register.xlsx")
async def register_xlsx(request: Request) -> Response:
    return await register_as_xlsx(request, _file_message(request), layout=_layout(request), columns="")


@router.get("/catalogue/register.pdf")
async def register_pdf(request: Request) -> Response:
    return await register_as_pdf(request, _file_message(request), layout=_layout(request), columns="")


@router.get("/catalogue/register/{item_id}")
async def entry(request: Request) -> Response:
    return await _entry_page(request, None)


@router.post("/catalogue/register/{item_id}")
async def correct(request: Request) -> Response:
    """Correct the facts that were changed in the form. After a correction by somebody else, show both."""
    fields, item_id = await read_form(request), request.path_params["item_id"]
    typed, before = {name: fields.text(name) for name in (*TEXTS, *PRICE)}, read_before(fields)
    mine = {name: value for name, value in typed.items() if value != before.get(name)}
    texts: dict[str, Any] = {name: value for name, value in mine.items() if name in TEXTS}
    reason = fields.text("reason")
    form = signed_in_form(request, {**typed, "before": fields.get("before", ""), "reason": reason})
    form.values = {**form.values, "version": str(fields.version())}
    message = wire.CorrectAccessionRequest(id=item_id, version=fields.version(), reason=reason, **texts)
    if mine.keys() & set(PRICE):
        amount = whole_amount(typed["price"])
        if amount is None:
            form.add_error("price", words_of(request).say("register.price_invalid"))
            return await _entry_page(request, form)
        if amount < 0:
            message.without_price = True
        else:
            message.price.amount, message.price.currency = amount, typed["currency"].upper() or "IDR"
    try:
        await call(request, catalog(request).CorrectAccession, message)
    except NotFound:
        raise
    except Error as problem:
        refuse(request, form, problem, FORM_FIELDS, labels="register.fact")
        return await _entry_page(request, form, mine=mine if isinstance(problem, Outdated) else None)
    return redirect(f"/catalogue/register/{item_id}?saved=1")


async def _entry_page(request: Request, form: Form | None, *, mine: Mapping[str, str] | None = None) -> Response:
    """Show an entry with its corrections.

    form  None for the values of the entry
    mine  values that somebody typed while somebody else corrected the entry: the form gets its other values
    """
    words, item_id = words_of(request), request.path_params["item_id"]
    reply = await call(request, catalog(request).GetAccession, wire.GetAccessionRequest(id=item_id))
    shown, texts = reply.entry, Words(words.language)
    acquisition = shown.acquisition
    known = acquisition.HasField("price")
    now: dict[str, Any] = {name: getattr(acquisition, name) for name in TEXTS if name != "branch"}
    now |= {"branch": shown.branch, "price": str(acquisition.price.amount) if known else ""}
    now["currency"] = acquisition.price.currency
    start = {"before": orjson.dumps(now).decode(), "version": str(shown.version)}
    if form is None:
        form = signed_in_form(request, {**now, **start, "reason": ""})
    elif mine is not None:
        form.values = {**form.values, **now, **mine, **start}
    names = await names_of_actors(request, (correction.actor for correction in reply.corrections))
    return page(
        request,
        "catalogue_register_entry.html",
        form=form,
        entry=shown,
        note=texts.note(shown),
        price=_price(shown, texts),
        words=texts,
        sources=[(source, texts.say(source)) for source in SOURCES],
        branches=own_branches(request),
        corrections=[
            (correction, local_moment(request, correction.corrected_at), actor_name(correction.actor, names, words))
            for correction in reply.corrections
        ],
        is_saved=bool(request.query_params.get("saved")),
        may_correct=may(request, "catalog.manage"),
    )


def _price(entry: wire.Accession, words: Words) -> str:
    price = entry.acquisition.price
    return words.money(price.amount, price.currency) if entry.acquisition.HasField("price") else ""


def _sums(totals: wire.AccessionTotals) -> Sums:
    sums = Sums.empty()
    sums.items, sums.removed, sums.without_price = totals.items, totals.removed, totals.without_price
    sums.amounts.update({price.currency: price.amount for price in totals.prices})
    return sums


def _file_message(request: Request) -> wire.ListAccessionsRequest:
    values: dict[str, Any] = {name: request.query_params.get(name, "").strip()[:100] for name in FILTER}
    return wire.ListAccessionsRequest(**values)


def _layout(request: Request) -> str:
    return request.query_params.get("layout", "")[:40] or LAYOUTS[0]
