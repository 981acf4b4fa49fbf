"""RPCs for harvesters: changes of records in order, and the sets of records."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import grpc
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.rpc.methods import reads
from rangkiang.catalog.v1 import harvest_pb2 as wire
from services.catalog.formats import Entry, Form
from services.catalog.harvest.numbering import epoch_of, lock_changes, state_of
from services.catalog.harvest.reading import Changes, change_of, earliest_change, highest_change, page_of
from services.catalog.harvest.sets import list_sets
from services.catalog.marc.faults import NotSerialisable
from services.catalog.rpc.protobuf import ServicerPart, fill, moment_of, wire_moment
from services.catalog.rpc.records import check_form
from services.catalog.tables import Installation

USUALLY_LISTED, MOST_LISTED = 100, 1_000
# A reply ends after the record with which its content reaches this size; a gRPC message has at most 16 MB.
MOST_BYTES = 6_000_000


class HarvestMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    def Harvest(self, request: wire.HarvestRequest, context: grpc.ServicerContext) -> wire.HarvestReply:
        if request.after < 0 or request.limit > MOST_LISTED:
            raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=request.limit, most=MOST_LISTED)
        form = check_form(request.form, request.address) if request.form else None
        caller = rpc.context(context)
        reply = wire.HarvestReply()
        if request.id:
            with self._database.reading(caller) as session:
                row = change_of(session, parse_id(request.id))
            reply.changes.extend(_wire_change(row, form, request.address) for row in (row,) if row is not None)
            return reply
        changes = Changes(
            after=request.after,
            since=moment_of(request.since) if request.HasField("since") else None,
            until=moment_of(request.until) if request.HasField("until") else None,
            sets=tuple(request.sets),
        )
        if request.is_timed:
            # The wait is in a transaction of its own, because the read must begin after it.
            with self._database.transaction(caller) as session:
                reply.read_at.FromDatetime(lock_changes(session, shared=True))
        with self._database.reading(caller) as session:
            installation = session.scalars(select(Installation)).one()
            state = state_of(installation)
            reply.epoch = epoch_of(state)
            if request.after > highest_change(session) or request.epoch not in ("", reply.epoch):
                raise Invalid("CURSOR_INVALID")  # of another catalogue, or of this one before a restored backup
            page = page_of(session, changes, limit=request.limit or USUALLY_LISTED)
            if (earliest := earliest_change(session)) is not None:
                reply.earliest.FromDatetime(earliest)
        reply.cursor_key = blake2b(state, person=b"harvest cursors").digest()
        reply.reached, reply.is_complete, size = page.reached, page.is_complete, 0
        for row in page.rows:
            if size >= MOST_BYTES:
                reply.reached, reply.is_complete = reply.changes[-1].change_number, False
                break
            reply.changes.append(_wire_change(row, form, request.address))
            size += len(reply.changes[-1].content)
        return reply

    @reads
    def ListSets(self, _request: wire.ListSetsRequest, session: Session, _caller: Context) -> wire.ListSetsReply:
        reply = wire.ListSetsReply()
        for spec, name in list_sets(session):
            fill(reply.sets.add(spec=spec).name, name)
        return reply


def _wire_change(row: Any, form: Form | None, address: str) -> wire.Change:
    content = b""
    if form is not None and row.deleted_at is None:
        try:
            content = form.document(Entry.of_row(row, address))
        except NotSerialisable:
            content = b""
    return wire.Change(
        change_number=row.change_number,
        id=str(row.id),
        version=row.version,
        changed_at=wire_moment(row.changed_at),
        is_deleted=row.deleted_at is not None,
        sets=row.sets.split(),
        content=content,
    )
