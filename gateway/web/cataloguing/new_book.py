"""/catalogue/new: from an ISBN or a title to a record, its items, and the next book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Invalid
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.registers.layouts import SOURCES
from gateway.request_guard import accept_bodies
from gateway.sessions import require_scope, set_cookie
from gateway.web.cataloguing import short_form
from gateway.web.cataloguing.matches import Found, find, isbn_of, marc_to_copy, shown
from gateway.web.desk.policy_words import COLLECTIONS
from gateway.web.forms import Fields, Form, SignedInRouter, read_form, redirect, refuse, signed_in_form, whole_amount
from gateway.web.hits import local_text
from gateway.web.library import own_branches
from gateway.web.rendering import page
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import accessions_pb2, catalog_pb2, cataloguing_pb2, duplicates_pb2

router = SignedInRouter()

# What was entered for the last book, for the next one; until the browser closes.
LAST_COOKIE = "last_items"
_KEPT = ("branch", "collection", "source", "supplier", "document", "fund")
# A record for a copy, twice as long in the escapes of a form.
COPY_BODY_BYTES = 256 * 1024
_ITEM_FIELDS = {
    "ITEMS_OUT_OF_BOUNDS": "count",
    "BRANCH_UNKNOWN": "branch",
    "BARCODE_INVALID": "barcodes",
    "BARCODE_MISREAD": "barcodes",
    "BARCODE_NOT_RESERVED": "barcodes",
    "BARCODE_TAKEN": "barcodes",
    "BARCODE_TWICE": "barcodes",
    "BARCODES_TOO_MANY": "barcodes",
    "ACQUISITION_SOURCE_UNKNOWN": "source",
}
_ISBN_ERRORS = {"ISBN_CHECK_DIGIT_WRONG": "q", "ISBN_INVALID": "q"}


@router.get("/catalogue/new")
async def new_book(request: Request) -> Response:
    """Show the box; `q=` what it finds; `record=` the form of the items of a record of the institution."""
    require_scope(request, "catalog.edit")
    form = signed_in_form(request, {"q": request.query_params.get("q", "").strip()[:200]})
    record_id = request.query_params.get("record", "")[:64]
    if record_id:
        return await _items_page(request, form, record_id)
    text = form.values["q"]
    found = None
    if text:
        try:
            found = await find(request, text)
        except Invalid as problem:
            refuse(request, form, problem, _ISBN_ERRORS)
            found = Found()  # the book may have a wrong ISBN
        else:
            if isbn_of(text) and len(found.here) == 1:
                return redirect(f"/catalogue/new?record={found.here[0]['id']}")
    return _page(request, form, found)


@router.post("/catalogue/new")
@accept_bodies(COPY_BODY_BYTES)
async def save(request: Request) -> Response:
    """Save the record of the short form or a copy, or the items of a record."""
    fields = await read_form(request)
    form = signed_in_form(request, {**fields, "q": fields.text("q")})
    if fields.text("record"):
        return await _save_items(request, fields, form)
    if fields.get("change"):
        return await _found_again(request, form)
    service = catalog(request)
    try:
        marc = await marc_to_copy(request, fields)
        if not marc:
            short_form.check(form, words_of(request))
            if form.status != 200:
                return await _found_again(request, form)
            marc = short_form.marc_of(fields)
        if not fields.get("anyway"):
            reply = await call(request, service.FindDuplicates, duplicates_pb2.FindDuplicatesRequest(marc=marc))
            if reply.duplicates:
                return _duplicates_page(request, form, marc, reply)
        saved = await call(request, service.CreateRecord, cataloguing_pb2.CreateRecordRequest(marc=marc))
    except Error as problem:
        return await _found_again(request, refuse(request, form, problem, {}))
    return redirect(f"/catalogue/new?record={saved.id}")


async def _found_again(request: Request, form: Form) -> Response:
    """Show what was entered, with what had been found before."""
    try:
        found = await find(request, form.values["q"]) if form.values["q"] else Found()
    except Error:
        found = Found()
    return _page(request, form, found)


def _page(request: Request, form: Form, found: Found | None, added: dict[str, Any] | None = None) -> Response:
    """Show the box, with what was found below it, or with the items that were added last."""
    is_written = "title" in form.values
    if found is not None and "title" not in form.values:
        text = form.values["q"]
        is_isbn = bool(isbn_of(text))
        typed = {"isbn": text if is_isbn else "", "title": "" if is_isbn else text}
        form.values = {"language": "ind", **form.values, **typed}
    return page(
        request,
        "catalogue_new.html",
        form=form,
        found=found,
        is_written=is_written,
        added=added,
        **short_form_choices(request),
    )


def short_form_choices(request: Request) -> dict[str, Any]:
    """Return the options of the short form, for templates."""
    texts = words_of(request).texts
    return {"languages": _choices(texts, "code.language."), "audiences": _choices(texts, "code.audience.")}


def _choices(texts: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    return [(key.removeprefix(prefix), text) for key, text in texts.items() if key.startswith(prefix)]


def _duplicates_page(request: Request, form: Form, marc: bytes, reply: duplicates_pb2.FindDuplicatesReply) -> Response:
    lang = language(request)
    records = [
        {
            **shown(duplicate.record.id, duplicate.record.brief),
            "score": duplicate.score,
            "reasons": [local_text(reason, lang) for reason in duplicate.reasons],
        }
        for duplicate in reply.duplicates
    ]
    return page(
        request, "catalogue_duplicates.html", form=form, marc=marc.decode(), records=records, names=short_form.FIELDS
    )


async def _items_page(request: Request, form: Form, record_id: str) -> Response:
    """Show the form of the items of a record, with a call number: that of its items there are, or a new one."""
    branches = own_branches(request)
    last = _last(request)
    values = {
        "collection": "circulation",
        "source": "purchase",
        "branch": branches[0][0] if branches else "",
        **{name: value for name, value in last.items() if name != "branch" or value in dict(branches)},
        **form.values,
    }
    proposal = await call(
        request,
        catalog(request).ProposeCallNumber,
        accessions_pb2.ProposeCallNumberRequest(
            record_id=record_id,
            branch=values["branch"] if values["branch"] in dict(branches) else "",
            collection=values["collection"],
        ),
    )
    reply = await call(request, catalog(request).GetRecord, catalog_pb2.GetRecordRequest(id=record_id))
    own = [entry for entry in orjson.loads(reply.holdings or b"[]") if entry["institution"] == reply.institution]
    present = next((entry["call_number"] for entry in own if entry.get("call_number")), "")
    if form.status == 200:
        values["call_number"] = (not form.values.get("propose") and present) or proposal.call_number
    form.values = values
    return page(
        request,
        "catalogue_items.html",
        form=form,
        record=shown(record_id, reply.display),
        held=sum(entry["items"] for entry in own),
        proposal=proposal,
        branches=branches,
        collections=words_of(request).codes("collection", COLLECTIONS),
        sources=words_of(request).codes("acquisition", SOURCES),
    )


async def _save_items(request: Request, fields: Fields, form: Form) -> Response:
    """Add the items, and show their numbers above the box for the next book."""
    record_id = fields.text("record")[:64]
    if fields.get("propose"):
        return await _items_page(request, form, record_id)
    words = words_of(request)
    count, amount = fields.text("count") or "1", whole_amount(fields.text("price"))
    if not (count.isascii() and count.isdecimal() and len(count) < 5):
        form.add_error("count", words.say("catalogue.count_wrong"))
    if amount is None:
        form.add_error("price", words.say("catalogue.price_wrong"))
    if form.status != 200 or amount is None:
        return await _items_page(request, form, record_id)
    acquisition = accessions_pb2.Acquisition(
        price=accessions_pb2.Price(amount=amount) if amount >= 0 else None,
        **{name: fields.text(name) for name in ("source", "fund", "supplier", "document")},
    )
    message = accessions_pb2.AddItemsRequest(
        record_id=record_id,
        count=int(count),
        barcodes=fields.get("barcodes", "").split(),
        status="in_service",
        acquisition=acquisition,
        **{name: fields.text(name) for name in ("branch", "collection", "room", "call_number", "enumeration")},
    )
    try:
        reply = await call(request, catalog(request).AddItems, message)
    except Error as problem:
        return await _items_page(request, refuse(request, form, problem, _ITEM_FIELDS, labels="catalogue"), record_id)
    record = await call(request, catalog(request).GetRecord, catalog_pb2.GetRecordRequest(id=record_id))
    added = {
        "record": shown(record_id, record.display),
        "items": list(reply.items),
        "call_number": message.call_number,
    }
    response = _page(request, signed_in_form(request, {"q": ""}), None, added)
    kept = {name: fields.text(name)[:200] for name in _KEPT}
    set_cookie(request, response, LAST_COOKIE, urlencode(kept))
    return response


def _last(request: Request) -> dict[str, str]:
    """Return what was entered for the last book of this browser."""
    cookie = request.cookies.get(LAST_COOKIE, "").strip('"')
    return {name: value for name, value in parse_qsl(cookie[:2_000]) if name in _KEPT}
