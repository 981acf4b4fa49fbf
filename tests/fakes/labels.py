"""Labels, as the catalogue answers on the wire: two in the queue, one print and one range."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import clock, rpc
from chassis.cursors import read_cursor
from chassis.errors import Invalid, NotFound, Outdated, Refused
from rangkiang.catalog.v1 import labels_pb2 as wire
from services.catalog.cataloguing.labels import pdf
from services.catalog.cataloguing.labels.sheets import Sheet, released_sheets
from services.catalog.record.call_numbers import label_lines
from services.catalog.rpc.protobuf import fill
from tests.fakes.items import INSTITUTION_ID, ITEM_ID

PRINT_ID = "0192f3a4-5b6c-7d8e-9f0a-23456789abcd"
RANGE_ID = "0192f3a4-5b6c-7d8e-9f0b-23456789abcd"
_BARCODES = ("30001000000015", "30001000000023")
_LIBRARY = "Perpustakaan Kota Solok"


class FakeLabels:
    """The part of a Catalog servicer for labels. Confirming the print empties the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.confirmed = False

    def ListLabels(self, request: wire.ListLabelsRequest, context: Any) -> wire.ListLabelsReply:
        if request.cursor:
            read_cursor(request.cursor, "labels", UUID)
        if self.confirmed or rpc.context(context).institution != INSTITUTION_ID:
            return wire.ListLabelsReply()
        labels = [
            wire.Label(
                item=ITEM_ID, barcode=barcode, call_number="899.221 3 NAV r", title="Robohnya Surau Kami",
                branch="PKS/PST", collection="circulation", queued_at=rpc.timestamp(clock.now()),
            )
            for barcode in _BARCODES
        ]  # fmt: skip
        return wire.ListLabelsReply(labels=labels, total=2)

    def AddLabelPrint(self, request: wire.AddLabelPrintRequest, context: Any) -> wire.LabelPrint:
        if any(item != ITEM_ID for item in request.items):
            raise NotFound("ITEM_NOT_FOUND", item=request.items[0])
        if rpc.context(context).institution != INSTITUTION_ID:
            raise Refused("LABELS_NONE")
        return self._label_print()

    def ListLabelPrints(self, request: wire.ListLabelPrintsRequest, context: Any) -> wire.ListLabelPrintsReply:
        if request.cursor:
            read_cursor(request.cursor, "label_prints", UUID)
        is_own = rpc.context(context).institution == INSTITUTION_ID
        return wire.ListLabelPrintsReply(prints=[self._label_print()] if is_own else [])

    def GetLabelPrint(self, request: wire.GetLabelPrintRequest, context: Any) -> wire.LabelPrint:
        _check_own("LABEL_PRINT_UNKNOWN", "print", request.id, PRINT_ID, context)
        return self._label_print()

    def ConfirmLabelPrint(self, request: wire.ConfirmLabelPrintRequest, context: Any) -> wire.LabelPrint:
        _check_own("LABEL_PRINT_UNKNOWN", "print", request.id, PRINT_ID, context)
        self.confirmed = True
        return self._label_print()

    def PrintLabels(self, request: wire.PrintLabelsRequest, context: Any) -> wire.PrintLabelsReply:
        sheet = next((sheet for sheet in released_sheets() if sheet.code == (request.layout.sheet or "a4-3x8")), None)
        if sheet is None:
            raise Invalid("LABEL_SHEET_UNKNOWN", given=request.layout.sheet, known=[])
        if request.layout.start > sheet.labels:
            raise Invalid("LABEL_START_OUT_OF_BOUNDS", field="start", given=request.layout.start, most=sheet.labels)
        if request.print:
            _check_own("LABEL_PRINT_UNKNOWN", "print", request.print, PRINT_ID, context)
        elif request.range:
            _check_own("BARCODE_RANGE_UNKNOWN", "range", request.range, RANGE_ID, context)
        else:
            return wire.PrintLabelsReply(pdf=pdf.print_outlines(sheet))
        spine = label_lines("899.221 3 NAV r")
        labels = [pdf.PrintedLabel(_LIBRARY, barcode, "Robohnya Surau Kami", spine) for barcode in _BARCODES]
        kind = request.layout.kind or "both"
        return wire.PrintLabelsReply(pdf=pdf.print_labels(labels, sheet, kind=kind, start=request.layout.start or 1))

    def ListLabelSheets(self, _request: wire.ListLabelSheetsRequest, _context: Any) -> wire.LabelSheets:
        return wire.LabelSheets(version=2, sheets=map(_wire_sheet, released_sheets()))

    def PutLabelSheets(self, request: wire.PutLabelSheetsRequest, _context: Any) -> wire.LabelSheets:
        if request.version != 2:
            raise Outdated.at_version(2, given=request.version, changed=["sheets"], changed_at=clock.now())
        return wire.LabelSheets(version=3, sheets=[*request.sheets, *map(_wire_sheet, released_sheets())])

    def AddBarcodeRange(self, request: wire.AddBarcodeRangeRequest, _context: Any) -> wire.BarcodeRange:
        return _barcode_range(request.count)

    def ListBarcodeRanges(self, request: wire.ListBarcodeRangesRequest, context: Any) -> wire.ListBarcodeRangesReply:
        if request.cursor:
            read_cursor(request.cursor, "barcode_ranges", UUID)
        is_own = rpc.context(context).institution == INSTITUTION_ID
        return wire.ListBarcodeRangesReply(ranges=[_barcode_range(2)] if is_own else [])

    def GetBarcodeRange(self, request: wire.GetBarcodeRangeRequest, context: Any) -> wire.BarcodeRange:
        _check_own("BARCODE_RANGE_UNKNOWN", "range", request.id, RANGE_ID, context)
        return _barcode_range(2)

    def _label_print(self) -> wire.LabelPrint:
        row = wire.LabelPrint(id=PRINT_ID, count=2, made_at=rpc.timestamp(clock.now()))
        if self.confirmed:
            row.confirmed_at.GetCurrentTime()
        return row


def _check_own(reason: str, fact: str, given: str, known: str, context: Any) -> None:
    if (given, rpc.context(context).institution) != (known, INSTITUTION_ID):
        raise NotFound(reason, **{fact: given})


def _barcode_range(count: int) -> wire.BarcodeRange:
    return wire.BarcodeRange(
        id=RANGE_ID, count=count, first=_BARCODES[0], last=_BARCODES[1], used=0, reserved_at=rpc.timestamp(clock.now())
    )


def _wire_sheet(sheet: Sheet) -> wire.LabelSheet:
    return fill(wire.LabelSheet(), sheet)
