"""RPCs for labels: the queue, prints, sheets and ranges of barcodes."""

from __future__ import annotations

import grpc
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context
from chassis.errors import Invalid
from chassis.rpc.methods import reads, writes, writes_once
from chassis.sentences import LocalText
from rangkiang.catalog.v1 import labels_pb2 as wire
from services.catalog.cataloguing.labels import pdf, prints, ranges, sheets
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment
from services.catalog.tables import LabelPrint

_SIZES = (
    "page_width", "page_height", "rows", "columns", "left", "top", "width", "height", "pitch_x", "pitch_y",
)  # fmt: skip


class LabelMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @reads
    def ListLabels(self, request: wire.ListLabelsRequest, session: Session, caller: Context) -> wire.ListLabelsReply:
        labels, cursor, total = prints.list_labels(
            session,
            _conditions(request),
            cursor=request.cursor,
            limit=request.limit,
            without_total=request.without_total,
            context=caller,
        )
        reply = wire.ListLabelsReply(cursor=cursor, total=total)
        for label in labels:
            reply.labels.add(
                item=str(label.item),
                barcode=label.barcode,
                call_number=label.call_number,
                title=label.title,
                branch=label.branch,
                collection=label.collection,
                queued_at=wire_moment(label.queued_at),
            )
        return reply

    @writes_once
    def AddLabelPrint(self, request: wire.AddLabelPrintRequest, session: Session, caller: Context) -> wire.LabelPrint:
        return _wire_print(prints.add_print(session, request.items, _conditions(request), context=caller))

    @reads
    def ListLabelPrints(
        self, request: wire.ListLabelPrintsRequest, session: Session, caller: Context
    ) -> wire.ListLabelPrintsReply:
        rows, cursor = prints.list_prints(session, cursor=request.cursor, limit=request.limit, context=caller)
        return wire.ListLabelPrintsReply(prints=map(_wire_print, rows), cursor=cursor)

    @reads
    def GetLabelPrint(self, request: wire.GetLabelPrintRequest, session: Session, caller: Context) -> wire.LabelPrint:
        return _wire_print(prints.get_print(session, request.id, context=caller))

    @writes_once
    def ConfirmLabelPrint(
        self, request: wire.ConfirmLabelPrintRequest, session: Session, caller: Context
    ) -> wire.LabelPrint:
        return _wire_print(prints.confirm_print(session, request.id, context=caller))

    def PrintLabels(self, request: wire.PrintLabelsRequest, context: grpc.ServicerContext) -> wire.PrintLabelsReply:
        caller, layout = rpc.context(context), request.layout
        kind = layout.kind or pdf.KINDS[0]
        if kind not in pdf.KINDS:
            raise Invalid("LABEL_KIND_UNKNOWN", field="kind", given=kind[:40], known=[*pdf.KINDS])
        with self._database.reading(caller) as session:
            sheet = sheets.find_sheet(session, layout.sheet, context=caller)
            start = layout.start or 1
            if start > sheet.labels:
                raise Invalid("LABEL_START_OUT_OF_BOUNDS", field="start", given=start, most=sheet.labels)
            if request.print:
                labels = prints.printed_labels(session, request.print, context=caller)
            elif request.range:
                labels = ranges.range_labels(session, request.range, context=caller)
            else:
                labels = []
        if not labels:
            return wire.PrintLabelsReply(pdf=pdf.print_outlines(sheet))
        printed = pdf.print_labels(labels, sheet, kind=kind, start=start, outlines=layout.outlines)
        return wire.PrintLabelsReply(pdf=printed)

    @reads
    def ListLabelSheets(
        self, _request: wire.ListLabelSheetsRequest, session: Session, caller: Context
    ) -> wire.LabelSheets:
        return _wire_sheets(session, caller)

    @writes
    def PutLabelSheets(
        self, request: wire.PutLabelSheetsRequest, session: Session, caller: Context
    ) -> wire.LabelSheets:
        own = [
            sheets.Sheet(
                code=sheet.code,
                name=LocalText(sheet.name.id, sheet.name.en),
                **{size: getattr(sheet, size) for size in _SIZES},
            )
            for sheet in request.sheets
        ]
        sheets.put_sheets(session, own, version=request.version, context=caller)
        return _wire_sheets(session, caller)

    @writes_once
    def AddBarcodeRange(
        self, request: wire.AddBarcodeRangeRequest, session: Session, caller: Context
    ) -> wire.BarcodeRange:
        return _wire_range(ranges.add_range(session, request.count, context=caller))

    @reads
    def ListBarcodeRanges(
        self, request: wire.ListBarcodeRangesRequest, session: Session, caller: Context
    ) -> wire.ListBarcodeRangesReply:
        rows, cursor = ranges.list_ranges(session, cursor=request.cursor, limit=request.limit, context=caller)
        return wire.ListBarcodeRangesReply(ranges=map(_wire_range, rows), cursor=cursor)

    @reads
    def GetBarcodeRange(
        self, request: wire.GetBarcodeRangeRequest, session: Session, caller: Context
    ) -> wire.BarcodeRange:
        return _wire_range(ranges.get_range(session, request.id, context=caller))


def _conditions(request: wire.ListLabelsRequest | wire.AddLabelPrintRequest) -> prints.Conditions:
    return prints.Conditions(request.branch, request.collection, rpc.moment_of(request, "queued_since"))


def _wire_print(row: LabelPrint) -> wire.LabelPrint:
    confirmed_at = None if row.confirmed_at is None else wire_moment(row.confirmed_at)
    return wire.LabelPrint(id=str(row.id), count=row.count, made_at=wire_moment(row.made_at), confirmed_at=confirmed_at)


def _wire_sheets(session: Session, caller: Context) -> wire.LabelSheets:
    version, known = sheets.get_sheets(session, context=caller)
    reply = wire.LabelSheets(version=version)
    for sheet in known:
        message = fill(reply.sheets.add(), sheet)
        message.is_own, message.is_measured = sheet.is_own, sheet.is_measured
    return reply


def _wire_range(row: ranges.Range) -> wire.BarcodeRange:
    return wire.BarcodeRange(
        id=str(row.id),
        count=row.count,
        first=row.first,
        last=row.last,
        used=row.used,
        reserved_at=wire_moment(row.reserved_at),
    )
