"""/catalogue/labels: the queue of labels, prints with their PDF and their confirmation, and barcodes printed ahead."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.api.labels import labels_as_csv
from gateway.clients import call, catalog
from gateway.libraries import libraries
from gateway.responses import download
from gateway.sessions import session_of
from gateway.web.desk.actors import local_moment
from gateway.web.desk.policy_words import COLLECTIONS
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.library import own_branches
from gateway.web.rendering import page, remember
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import items_pb2
from rangkiang.catalog.v1 import labels_pb2 as wire

router = SignedInRouter()

PATH, BARCODES = "/catalogue/labels", "/catalogue/labels/barcodes"
KINDS = ("both", "spine", "barcode")
# The sheet and the kind of label that this browser printed last.
LAYOUT_COOKIE = "labels"
_PAGE, _PRINTS, _RANGES = 50, 5, 20
_FILTERS = ("branch", "collection", "since")


@router.get(PATH)
async def labels(request: Request) -> Response:
    return await _queue(request, signed_in_form(request))


@router.get(f"{PATH}.csv")
async def labels_csv(request: Request) -> Response:
    """The queue that the page shows, in one file."""
    return await labels_as_csv(request, _conditions(request, wire.ListLabelsRequest(), request.query_params))


@router.post(f"{PATH}/prints")
async def add_print(request: Request) -> Response:
    """Put the ticked labels together, or all of the queue that the page shows."""
    fields = await read_form(request)
    items = fields.many("items")
    form = signed_in_form(request, {"items": items, **{name: fields.text(name) for name in _FILTERS}})
    message = wire.AddLabelPrintRequest()
    if fields.get("act") == "all":
        _conditions(request, message, fields)
    elif items:
        message.items.extend(items)
    else:
        form.add_error("", words_of(request).say("labels.none_ticked"))
        return await _queue(request, form)
    try:
        added = await call(request, catalog(request).AddLabelPrint, message)
    except Error as problem:
        return await _queue(request, refuse(request, form, problem, {}))
    return redirect(f"{PATH}/prints/{added.id}")


@router.get(f"{PATH}/prints/{{print_id}}")
async def label_print(request: Request) -> Response:
    return await _print(request, signed_in_form(request))


@router.get(f"{PATH}/prints/{{print_id}}/labels.pdf")
async def print_pdf(request: Request) -> Response:
    return await _pdf(request, wire.PrintLabelsRequest(print=request.path_params["print_id"]), "labels.pdf")


@router.post(f"{PATH}/prints/{{print_id}}/confirmation")
async def confirm(request: Request) -> Response:
    """Take the labels of the print out of the queue."""
    await read_form(request)
    print_id = request.path_params["print_id"]
    act = call(request, catalog(request).ConfirmLabelPrint, wire.ConfirmLabelPrintRequest(id=print_id))
    return await act_or_show(request, act, f"{PATH}?printed={print_id}", show=_print)


@router.get(f"{PATH}/outlines.pdf")
async def outlines_pdf(request: Request) -> Response:
    """A test print of a sheet."""
    return await _pdf(request, wire.PrintLabelsRequest(), "outlines.pdf")


@router.get(BARCODES)
async def barcodes(request: Request) -> Response:
    return await _ranges(request, signed_in_form(request, {"count": "24"}))


@router.post(BARCODES)
async def add_range(request: Request) -> Response:
    """Reserve barcodes to print ahead."""
    fields = await read_form(request)
    typed = fields.text("count")
    count = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 7 else 0
    form = signed_in_form(request, {"count": typed})
    try:
        added = await call(request, catalog(request).AddBarcodeRange, wire.AddBarcodeRangeRequest(count=count))
    except Error as problem:
        return await _ranges(request, refuse(request, form, problem, {"BARCODE_RANGE_OUT_OF_BOUNDS": "count"}))
    return redirect(f"{BARCODES}/{added.id}")


@router.get(f"{BARCODES}/{{range_id}}")
async def barcode_range(request: Request) -> Response:
    reply = await call(
        request, catalog(request).GetBarcodeRange, wire.GetBarcodeRangeRequest(id=request.path_params["range_id"])
    )
    pdf = f"{BARCODES}/{reply.id}/labels.pdf"
    return page(request, "catalogue_label_print.html", **await _layout(request), barcodes=reply, pdf=pdf, printing=None)


@router.get(f"{BARCODES}/{{range_id}}/labels.pdf")
async def range_pdf(request: Request) -> Response:
    return await _pdf(request, wire.PrintLabelsRequest(range=request.path_params["range_id"]), "barcodes.pdf")


async def _queue(request: Request, form: Form) -> Response:
    stub, params = catalog(request), {**request.query_params, **form.values}
    cursor, item_id = request.query_params.get("cursor", "")[:500], request.query_params.get("item", "")[:64]
    message = wire.ListLabelsRequest(limit=_PAGE, cursor=cursor)
    item = None
    if item_id:
        item = (await call(request, stub.GetItem, items_pb2.GetItemRequest(id=item_id))).item
        reply = wire.ListLabelsReply(labels=[_label(item)], total=1)
    else:
        reply = await call(request, stub.ListLabels, _conditions(request, message, params))
    prints = await call(request, stub.ListLabelPrints, wire.ListLabelPrintsRequest(limit=_PRINTS))
    filters = {name: str(params.get(name, ""))[:64] for name in _FILTERS}
    query = urlencode({name: value for name, value in filters.items() if value})
    words = words_of(request)
    printed = request.query_params.get("printed", "")
    return page(
        request,
        "catalogue_labels.html",
        form=form,
        item=item,
        labels=[(label, local_moment(request, label.queued_at)) for label in reply.labels],
        total=reply.total,
        prints=[(printing, local_moment(request, printing.made_at)) for printing in prints.prints],
        printed=next((each for each in prints.prints if each.id == printed and each.HasField("confirmed_at")), None),
        filters=filters,
        query=query,
        branches=own_branches(request),
        collections=words.codes("collection", [*({filters["collection"]} - {"", *COLLECTIONS}), *COLLECTIONS]),
        first=f"{PATH}?{query}" if cursor else "",
        after=f"{PATH}?{query}&{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
    )


async def _print(request: Request, form: Form) -> Response:
    message = wire.GetLabelPrintRequest(id=request.path_params["print_id"])
    printing = await call(request, catalog(request).GetLabelPrint, message)
    return page(
        request,
        "catalogue_label_print.html",
        **await _layout(request),
        form=form,
        printing=printing,
        confirmed_at=local_moment(request, printing.confirmed_at) if printing.HasField("confirmed_at") else "",
        pdf=f"{PATH}/prints/{printing.id}/labels.pdf",
    )


async def _ranges(request: Request, form: Form) -> Response:
    cursor = request.query_params.get("cursor", "")[:500]
    message = wire.ListBarcodeRangesRequest(limit=_RANGES, cursor=cursor)
    reply = await call(request, catalog(request).ListBarcodeRanges, message)
    return page(
        request,
        "catalogue_label_barcodes.html",
        form=form,
        ranges=[(span, local_moment(request, span.reserved_at)) for span in reply.ranges],
        first=BARCODES if cursor else "",
        after=f"{BARCODES}?{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
    )


async def _layout(request: Request) -> dict[str, Any]:
    """Return the sheets and kinds to choose from, with those that this browser printed last."""
    reply = await call(request, catalog(request).ListLabelSheets, wire.ListLabelSheetsRequest())
    sheet, _, kind = request.cookies.get(LAYOUT_COOKIE, "").partition(".")
    words = words_of(request)
    names = [
        (
            each.code,
            local_text(each.name, words.language),
            "" if each.is_measured else words.say("labels.unmeasured"),
        )
        for each in reply.sheets
    ]
    return {"sheets": names, "kinds": KINDS, "sheet": sheet, "kind": kind if kind in KINDS else KINDS[0]}


async def _pdf(request: Request, message: wire.PrintLabelsRequest, name: str) -> Response:
    params = request.query_params
    start, sheet, kind = params.get("start", ""), params.get("sheet", "")[:32], params.get("kind", "")[:16]
    message.layout.sheet, message.layout.kind = sheet, kind
    message.layout.start = int(start) if start.isascii() and start.isdecimal() and len(start) < 6 else 1
    message.layout.outlines = "outlines" in params
    reply = await call(request, catalog(request).PrintLabels, message)
    response = download(reply.pdf, name, is_shown=True)
    if message.print:  # barcodes printed ahead and outlines have one kind
        remember(request, response, LAYOUT_COOKIE, f"{sheet}.{kind}")
    return response


def _conditions(request: Request, message: Any, values: Any) -> Any:
    """Put the filters of the page into a message; a day begins at midnight of the caller's institution."""
    message.branch, message.collection = values.get("branch", "")[:100], values.get("collection", "")[:32]
    try:
        since = date.fromisoformat(values.get("since", ""))
    except ValueError:
        return message
    session = session_of(request)
    institution = libraries(request).known_directory().institutions.get(session.account.institution if session else "")
    zone = ZoneInfo(institution.zone or "UTC") if institution is not None else ZoneInfo("UTC")
    moment = Timestamp()
    moment.FromDatetime(datetime(since.year, since.month, since.day, tzinfo=zone))
    message.queued_since.CopyFrom(moment)
    return message


def _label(item: items_pb2.ItemForEdit) -> wire.Label:
    return wire.Label(
        item=item.id,
        barcode=item.barcode,
        call_number=item.call_number,
        title=item.title,
        branch=item.branch,
        collection=item.collection,
        queued_at=item.updated_at,
    )
