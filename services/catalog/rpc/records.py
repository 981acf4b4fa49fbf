"""RPCs for records, their items, records in exchange formats, and the list of all records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.branches import full_code
from chassis.context import Context
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.rpc.methods import reads
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import forms_pb2, items_pb2
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog import queries
from services.catalog.formats import FORMS, Entry, Form
from services.catalog.items.lending import lending_of_row
from services.catalog.marc.faults import NotSerialisable
from services.catalog.record import call_numbers, page
from services.catalog.record.holdings import availability_of, with_full_codes
from services.catalog.record.item_facts import facts_of_packed
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment
from services.catalog.search.availability import load_availability
from services.catalog.works.editions import work_of_record

LONGEST_ADDRESS = 2_000
MOST_LISTED, USUALLY_LISTED = 50_000, 1_000


class RecordMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @reads
    def GetRecord(self, request: wire.GetRecordRequest, session: Session, _caller: Context) -> wire.GetRecordReply:
        record = page.load_record_page(session, parse_id(request.id), branch=request.branch)
        work_id, editions = work_of_record(session, record.number)
        return wire.GetRecordReply(
            id=str(record.id),
            version=record.version,
            display=record.display,
            holdings=with_full_codes(record.holdings),
            updated_at=wire_moment(record.updated_at),
            source=record.source,
            institution=record.institution,
            work_id=work_id,
            editions=editions,
        )

    def ListItems(self, request: wire.ListItemsRequest, context: grpc.ServicerContext) -> wire.ListItemsReply:
        record, items = page.load_items(
            self._database, context=rpc.context(context), record_id=parse_id(request.record_id), branch=request.branch
        )
        return wire.ListItemsReply(
            record_version=record.version,
            record_title=facts_of_packed(record.marc).title,
            items=[_wire_item(item) for item in items],
        )

    def GetAvailability(
        self, request: items_pb2.GetAvailabilityRequest, context: grpc.ServicerContext
    ) -> items_pb2.GetAvailabilityReply:
        results = load_availability(
            self._database, self._index, context=rpc.context(context), ids=request.ids, isbns=request.isbns
        )
        return items_pb2.GetAvailabilityReply(
            results=[fill(items_pb2.AvailabilityResult(), result) for result in results]
        )

    def GetForm(self, request: forms_pb2.GetFormRequest, context: grpc.ServicerContext) -> forms_pb2.GetFormReply:
        form = check_form(request.form, request.address)
        with self._database.reading(rpc.context(context)) as session:
            row = queries.record(session, parse_id(request.id))
        try:
            content = form.document(Entry.of_row(row, request.address))
        except NotSerialisable as problem:
            raise Invalid(problem.reason, record=str(row.id), detail=problem.detail) from None
        return forms_pb2.GetFormReply(
            content=content, media_type=form.media_type, version=row.version, updated_at=wire_moment(row.updated_at)
        )

    def ListRecords(
        self, request: forms_pb2.ListRecordsRequest, context: grpc.ServicerContext
    ) -> forms_pb2.ListRecordsReply:
        if request.after < 0 or request.limit > MOST_LISTED:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=request.limit, most=MOST_LISTED)
        with self._database.reading(rpc.context(context)) as session:
            limit = request.limit or USUALLY_LISTED
            if request.deleted:
                rows = queries.list_deleted(session, limit=limit)
            else:
                rows = queries.list_records(session, after=request.after, limit=limit)
            highest = queries.highest_number(session)
        return forms_pb2.ListRecordsReply(
            records=[
                forms_pb2.Listed(
                    id=str(row.id),
                    number=row.number,
                    updated_at=wire_moment(row.updated_at),
                    deleted_at=wire_moment(row.deleted_at) if request.deleted else None,
                )
                for row in rows
            ],
            highest=highest,
        )


def check_form(name: str, address: str) -> Form:
    """Return the format with this name.

    address  of records' pages, for the format
    raises   Invalid  FORM_UNKNOWN, RECORD_ADDRESS_TOO_LONG
    """
    form = FORMS.get(name)
    if form is None:
        raise Invalid("FORM_UNKNOWN", form=name[:80], known=[*FORMS])
    if len(address) > LONGEST_ADDRESS:
        raise Invalid("RECORD_ADDRESS_TOO_LONG", most=LONGEST_ADDRESS)
    return form


def _wire_item(item: Any) -> wire.Item:
    lending = lending_of_row(item)
    availability = availability_of(item, lending)
    return wire.Item(
        id=str(item.id),
        barcode=item.barcode or "",
        call_number=item.call_number,
        institution=item.institution,
        branch=full_code(item.institution, item.branch),
        branch_name=WireText(id=item.name_id, en=item.name_en),
        collection=item.collection,
        material=item.material,
        status=item.status,
        availability=availability,
        due_on=lending.due_on if availability == "out_until" else "",
        copy=item.copy,
        room=item.room,
        enumeration=item.enumeration,
        chronology=item.chronology,
        pieces=item.pieces,
        call_number_parts=_parts(item.call_number, item.enumeration, item.copy),
    )


def _parts(call_number: str, enumeration: str, copy: str) -> wire.CallNumber | None:
    """Return the parts of an item's call number, with its volume and copy."""
    if not call_number:
        return None
    parts = call_numbers.parse(call_number)
    whole = replace(parts, volume=parts.volume or enumeration, copy=parts.copy or copy)
    return wire.CallNumber(
        prefix=whole.prefix,
        class_number=whole.class_number,
        author_mark=whole.author_mark,
        title_mark=whole.title_mark,
        volume=whole.volume,
        copy=whole.copy,
        sort_key=whole.sort_key,
    )
