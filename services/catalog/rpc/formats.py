"""RPCs for records in exchange formats and for the list of all records."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.errors import Invalid
from chassis.ids import parse_id
from rangkiang.catalog.v1 import forms_pb2 as wire
from services.catalog import queries
from services.catalog.formats import FORMS, Entry
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.record import Record
from services.catalog.rpc.base import ServicerBase, wire_moment

LONGEST_ADDRESS = 2_000
MOST_LISTED, USUALLY_LISTED = 50_000, 1_000


class FormatMethods(ServicerBase):
    def GetForm(self, request: wire.GetFormRequest, context: grpc.ServicerContext) -> wire.GetFormReply:
        form = FORMS.get(request.form)
        if form is None:
            raise Invalid("FORM_UNKNOWN", form=request.form[:80], known=", ".join(FORMS))
        if len(request.address) > LONGEST_ADDRESS:
            raise Invalid("RECORD_ADDRESS_TOO_LONG", most=LONGEST_ADDRESS)
        with self._database.reading(rpc.context(context)) as session:
            found = queries.record(session, parse_id(request.id))
        entry = Entry(
            Record.unpack(found.marc),
            str(found.id),
            found.version,
            found.updated_at,
            found.holdings,
            found.source,
            found.institution,
            request.address.replace("{id}", str(found.id)),
        )
        try:
            content = form.alone(entry)
        except NotSerialisable as problem:
            raise Invalid(problem.reason, record=str(found.id), detail=problem.detail) from None
        return wire.GetFormReply(
            content=content,
            media_type=form.media_type,
            version=found.version,
            updated_at=wire_moment(found.updated_at),
        )

    def ListRecords(self, request: wire.ListRecordsRequest, context: grpc.ServicerContext) -> wire.ListRecordsReply:
        if request.after < 0 or request.limit > MOST_LISTED:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=request.limit, most=MOST_LISTED)
        with self._database.reading(rpc.context(context)) as session:
            found = queries.listed(session, after=request.after, limit=request.limit or USUALLY_LISTED)
            highest = queries.highest_number(session)
        return wire.ListRecordsReply(
            records=[
                wire.Listed(id=str(row.id), number=row.number, updated_at=wire_moment(row.updated_at)) for row in found
            ],
            highest=highest,
        )
