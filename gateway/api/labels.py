"""Routes of labels: the queue, also as CSV, prints and their PDF, sheets, and ranges of barcodes."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from chassis.output import csv_line
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import CSV_CONTENT, ID_PATTERN, PDF_CONTENT
from gateway.api.writes import Version, versioned
from gateway.clients import Catalog, call, catalog
from gateway.responses import csv_head, download
from rangkiang.catalog.v1 import labels_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["labels"], route_class=ApiRoute)
_ID_SCHEMA = WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN})
# The gateway does not check the form: the service refuses any id that is not one of the caller's institution (404).
PrintId = Annotated[
    str, Path(description="A print's identifier (UUID).", examples=["0192f3a4-5b6c-7d8e-9f0a-23456789abcd"]), _ID_SCHEMA
]
RangeId = Annotated[
    str, Path(description="A range's identifier (UUID).", examples=["0192f3a4-5b6c-7d8e-9f0b-23456789abcd"]), _ID_SCHEMA
]
# Most labels of one call, and of one file.
_PAGE, _MOST = 500, 50_000
_COLUMNS: Final = ("queued_at", "item", "barcode", "call_number", "title", "branch", "collection")
_WHOLE_QUEUE = models.LabelPrintBody()


@router.get("/labels", **documented("Labels to print", "catalog.ListLabels"))
async def list_labels(
    request: Request, query: Annotated[models.LabelsQuery, Query()], catalog: Catalog
) -> models.Labels:
    """List items that need a label: added, or with another barcode or call number, since their label was printed."""
    return to_model(models.Labels, await call(request, catalog.ListLabels, to_message(wire.ListLabelsRequest, query)))


@router.get(
    "/labels.csv",
    response_class=Response,
    **documented("Labels to print as CSV", "catalog.ListLabels", content=CSV_CONTENT),
)
async def list_labels_as_csv(request: Request, query: Annotated[models.LabelsConditions, Query()]) -> Response:
    """List the queue in one file, at most 50,000 labels."""
    return await labels_as_csv(request, to_message(wire.ListLabelsRequest, query))


async def labels_as_csv(request: Request, message: wire.ListLabelsRequest) -> Response:
    """Respond with all pages of the queue in one file."""
    message.limit, message.without_total = _PAGE, True
    lines = [csv_head(_COLUMNS)]
    while True:
        reply = await call(request, catalog(request).ListLabels, message)
        for label in reply.labels:
            values = (getattr(label, name) for name in _COLUMNS[1:])
            lines.append(csv_line([label.queued_at.ToJsonString(), *values]))
        if not reply.cursor or len(lines) > _MOST:
            return download("".join(lines), "labels.csv")
        message.cursor = reply.cursor


@router.post(
    "/label-prints", **documented("Put labels together", "catalog.AddLabelPrint", errors=(404, 409), status=201)
)
async def add_label_print(
    request: Request, catalog: Catalog, body: models.LabelPrintBody = _WHOLE_QUEUE
) -> models.LabelPrint:
    """Put labels together that are printed at once: those of items, or at most 1,000 from the beginning of the queue.

    They stay in the queue until the print is confirmed.
    """
    message = to_message(wire.AddLabelPrintRequest, body)
    return to_model(models.LabelPrint, await call(request, catalog.AddLabelPrint, message))


@router.get("/label-prints", **documented("Prints of labels", "catalog.ListLabelPrints"))
async def list_label_prints(
    request: Request, query: Annotated[models.LabelPrintsQuery, Query()], catalog: Catalog
) -> models.LabelPrints:
    """List the prints of the caller's institution, the latest first."""
    message = to_message(wire.ListLabelPrintsRequest, query)
    return to_model(models.LabelPrints, await call(request, catalog.ListLabelPrints, message))


@router.get("/label-prints/{print_id}", **documented("A print of labels", "catalog.GetLabelPrint", errors=(404,)))
async def get_label_print(
    request: Request, print_id: PrintId, query: NoParameters, catalog: Catalog
) -> models.LabelPrint:
    """Return a print of the caller's institution."""
    return to_model(
        models.LabelPrint, await call(request, catalog.GetLabelPrint, wire.GetLabelPrintRequest(id=print_id))
    )


@router.get(
    "/label-prints/{print_id}/labels.pdf",
    response_class=Response,
    **documented("Labels as PDF", "catalog.PrintLabels", errors=(404, 409), content=PDF_CONTENT),
)
async def print_labels(
    request: Request, print_id: PrintId, query: Annotated[models.LabelLayoutQuery, Query()], catalog: Catalog
) -> Response:
    """Return the labels of a print as PDF, with barcodes in Code 128, as often as needed and on any sheet.

    A barcode that scanners could not read on the label, because it is too long, is printed as a number alone.
    """
    message = wire.PrintLabelsRequest(print=print_id, layout=to_message(wire.LabelLayout, query))
    reply = await call(request, catalog.PrintLabels, message)
    return download(reply.pdf, "labels.pdf", is_shown=True)


@router.post(
    "/label-prints/{print_id}/confirmations",
    **documented("Confirm a print of labels", "catalog.ConfirmLabelPrint", errors=(404,)),
)
async def confirm_label_print(request: Request, print_id: PrintId, catalog: Catalog) -> models.LabelPrint:
    """Confirm that the labels were printed well. They leave the queue, except those of items changed since."""
    message = wire.ConfirmLabelPrintRequest(id=print_id)
    return to_model(models.LabelPrint, await call(request, catalog.ConfirmLabelPrint, message))


@router.get("/label-sheets", **documented("Sheets of labels", "catalog.ListLabelSheets"))
async def list_label_sheets(
    request: Request, response: Response, query: NoParameters, catalog: Catalog
) -> models.LabelSheets:
    """Return the sheets that labels can be printed on. The ETag is the version of the institution's own sheets."""
    reply = await call(request, catalog.ListLabelSheets, wire.ListLabelSheetsRequest())
    return versioned(response, to_model(models.LabelSheets, reply), reply.version)


@router.put("/label-sheets", **documented("Replace own sheets of labels", "catalog.PutLabelSheets"))
async def put_label_sheets(
    request: Request, response: Response, body: models.LabelSheetsBody, catalog: Catalog, version: Version
) -> models.LabelSheets:
    """Replace the institution's own sheets. The labels of each must fit on its paper and not overlap."""
    message = to_message(wire.PutLabelSheetsRequest, body, version=version)
    reply = await call(request, catalog.PutLabelSheets, message)
    return versioned(response, to_model(models.LabelSheets, reply), reply.version)


@router.get(
    "/label-sheets/{sheet}/outlines.pdf",
    response_class=Response,
    **documented("Outlines of a sheet as PDF", "catalog.PrintLabels", content=PDF_CONTENT),
)
async def print_label_outlines(
    request: Request,
    sheet: Annotated[str, Path(description="Code of a sheet.", examples=["a4-3x8"], max_length=32)],
    query: NoParameters,
    catalog: Catalog,
) -> Response:
    """Return a test print with the outline and the number of each label, to compare with the sheet."""
    message = wire.PrintLabelsRequest(layout=wire.LabelLayout(sheet=sheet))
    return download((await call(request, catalog.PrintLabels, message)).pdf, "outlines.pdf", is_shown=True)


@router.post("/barcode-ranges", **documented("Reserve barcodes", "catalog.AddBarcodeRange", errors=(409,), status=201))
async def add_barcode_range(request: Request, body: models.BarcodeRangeBody, catalog: Catalog) -> models.BarcodeRange:
    """Reserve the next barcodes, to be printed before their items exist. No other item gets them."""
    message = to_message(wire.AddBarcodeRangeRequest, body)
    return to_model(models.BarcodeRange, await call(request, catalog.AddBarcodeRange, message))


@router.get("/barcode-ranges", **documented("Ranges of barcodes", "catalog.ListBarcodeRanges"))
async def list_barcode_ranges(
    request: Request, query: Annotated[models.BarcodeRangesQuery, Query()], catalog: Catalog
) -> models.BarcodeRanges:
    """List the ranges of the caller's institution, the latest first."""
    message = to_message(wire.ListBarcodeRangesRequest, query)
    return to_model(models.BarcodeRanges, await call(request, catalog.ListBarcodeRanges, message))


@router.get("/barcode-ranges/{range_id}", **documented("A range of barcodes", "catalog.GetBarcodeRange", errors=(404,)))
async def get_barcode_range(
    request: Request, range_id: RangeId, query: NoParameters, catalog: Catalog
) -> models.BarcodeRange:
    """Return a range of the caller's institution."""
    message = wire.GetBarcodeRangeRequest(id=range_id)
    return to_model(models.BarcodeRange, await call(request, catalog.GetBarcodeRange, message))


@router.get(
    "/barcode-ranges/{range_id}/labels.pdf",
    response_class=Response,
    **documented("Labels of a range as PDF", "catalog.PrintLabels", errors=(404, 409), content=PDF_CONTENT),
)
async def print_barcode_range(
    request: Request, range_id: RangeId, query: Annotated[models.LabelLayoutQuery, Query()], catalog: Catalog
) -> Response:
    """Return labels with the barcodes of a range that no item has yet."""
    message = wire.PrintLabelsRequest(range=range_id, layout=to_message(wire.LabelLayout, query))
    reply = await call(request, catalog.PrintLabels, message)
    return download(reply.pdf, "barcodes.pdf", is_shown=True)
