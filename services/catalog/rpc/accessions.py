"""RPCs for cataloguers: items that they add and remove, the numbers that items get, and the accession register."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1 import accessions_pb2 as wire
from rangkiang.catalog.v1 import register_pb2
from services.catalog.cataloguing import accession_numbers
from services.catalog.cataloguing.call_number_proposals import propose
from services.catalog.cataloguing.items import Acquisition, add_items
from services.catalog.cataloguing.register import entries
from services.catalog.cataloguing.register.corrections import correct_entry
from services.catalog.cataloguing.register.numbering import MOST_NUMBERED, number_items
from services.catalog.items.edits import remove_item
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment
from services.catalog.tables import AccessionGap


class AccessionMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @writes_once
    def AddItems(self, request: wire.AddItemsRequest, session: Session, caller: Context) -> wire.AddItemsReply:
        added = add_items(
            session,
            request.record_id,
            count=request.count,
            branch=request.branch,
            collection=request.collection,
            room=request.room,
            status=request.status,
            call_number=request.call_number,
            enumeration=request.enumeration,
            barcodes=request.barcodes,
            acquisition=_acquisition(request.acquisition),
            context=caller,
        )
        return wire.AddItemsReply(items=[fill(wire.AddedItem(), item) for item in added])

    @writes
    def RemoveItem(self, request: wire.RemoveItemRequest, session: Session, caller: Context) -> wire.RemoveItemReply:
        remove_item(session, request.id, request.version, reason=request.reason, context=caller)
        return wire.RemoveItemReply()

    @reads
    def ProposeCallNumber(
        self, request: wire.ProposeCallNumberRequest, session: Session, caller: Context
    ) -> wire.CallNumberProposal:
        proposal = propose(
            session, request.record_id, branch=request.branch, collection=request.collection, context=caller
        )
        return fill(wire.CallNumberProposal(), proposal)

    @reads
    def GetAccessionRules(
        self, _request: wire.GetAccessionRulesRequest, session: Session, caller: Context
    ) -> wire.AccessionRules:
        return _rules(session, accession_numbers.get_rules(session, context=caller), caller)

    @writes
    def PutAccessionRules(
        self, request: wire.PutAccessionRulesRequest, session: Session, caller: Context
    ) -> wire.AccessionRules:
        rules = accession_numbers.put_rules(session, request.pattern, version=request.version, context=caller)
        return _rules(session, rules, caller)

    @reads
    def ListAccessions(
        self, request: register_pb2.ListAccessionsRequest, session: Session, caller: Context
    ) -> register_pb2.ListAccessionsReply:
        wanted = entries.Filter(
            first=request.entered_from,
            last=request.entered_to,
            branch=request.branch,
            source=request.source,
            number=request.number,
        )
        rows, cursor = entries.list_entries(session, wanted, cursor=request.cursor, limit=request.limit, context=caller)
        reply = register_pb2.ListAccessionsReply(entries=[_entry(row) for row in rows], cursor=cursor)
        if not request.without_totals:
            fill(reply.totals, entries.total(session, wanted, context=caller))
            fill(reply.library, entries.library_name(session, context=caller))
        return reply

    @reads
    def GetAccession(
        self, request: register_pb2.GetAccessionRequest, session: Session, caller: Context
    ) -> register_pb2.GetAccessionReply:
        return _corrected(session, request.id, caller)

    @writes
    def CorrectAccession(
        self, request: register_pb2.CorrectAccessionRequest, session: Session, caller: Context
    ) -> register_pb2.GetAccessionReply:
        names = ("source", "acquired_on", "fund", "supplier", "document", "asset_code")
        given: Any = request.HasField
        changes: dict[str, Any] = {name: getattr(request, name) for name in names if given(name)}
        if request.without_price:
            changes["amount"] = None
        elif given("price"):
            changes |= {"amount": request.price.amount, "currency": request.price.currency or "IDR"}
        correct_entry(
            session,
            request.id,
            request.version,
            changes=changes,
            branch=request.branch if given("branch") else None,
            reason=request.reason,
            context=caller,
        )
        return _corrected(session, request.id, caller)

    @reads
    def ListAccessionGaps(
        self, request: register_pb2.ListAccessionGapsRequest, session: Session, caller: Context
    ) -> register_pb2.ListAccessionGapsReply:
        gaps, cursor = entries.list_gaps(
            session,
            first=request.entered_from,
            last=request.entered_to,
            cursor=request.cursor,
            limit=request.limit,
            context=caller,
        )
        return register_pb2.ListAccessionGapsReply(gaps=[_gap(gap) for gap in gaps], cursor=cursor)

    @writes_once
    def SkipAccessionNumbers(
        self, request: register_pb2.SkipAccessionNumbersRequest, session: Session, caller: Context
    ) -> register_pb2.AccessionGap:
        gap = accession_numbers.skip_numbers(
            session, request.count, source=request.source, reason=request.reason, context=caller
        )
        return _gap(gap)

    @writes_once
    def NumberItems(
        self, request: register_pb2.NumberItemsRequest, session: Session, caller: Context
    ) -> register_pb2.NumberItemsReply:
        numbering = number_items(
            session,
            branch=request.branch,
            acquisition=_acquisition(request.acquisition),
            cursor=request.cursor,
            limit=request.limit or MOST_NUMBERED,
            context=caller,
        )
        return fill(register_pb2.NumberItemsReply(), numbering)


def _acquisition(message: wire.Acquisition) -> Acquisition:
    return Acquisition(
        source=message.source,
        acquired_on=message.acquired_on,
        fund=message.fund,
        supplier=message.supplier,
        document=message.document,
        amount=message.price.amount if message.HasField("price") else None,
        currency=message.price.currency or "IDR",
        asset_code=message.asset_code,
    )


def _rules(session: Session, rules: accession_numbers.Rules, caller: Context) -> wire.AccessionRules:
    number = accession_numbers.next_number(session, context=caller)
    return fill(wire.AccessionRules(next_number=number), rules)


def _entry(entry: entries.Entry) -> register_pb2.Accession:
    message = fill(register_pb2.Accession(), entry)
    fill(message.acquisition, entry)
    return message


def _corrected(session: Session, entry_id: str, caller: Context) -> register_pb2.GetAccessionReply:
    entry, corrections = entries.get_entry(session, entry_id, context=caller)
    reply = register_pb2.GetAccessionReply(entry=_entry(entry))
    for correction in corrections:
        message = reply.corrections.add(
            version=correction.version,
            corrected_at=wire_moment(correction.corrected_at),
            actor=correction.actor,
            reason=correction.reason,
        )
        for change in correction.changes:
            fill(message.changes.add(), change)
    return reply


def _gap(gap: AccessionGap) -> register_pb2.AccessionGap:
    return fill(register_pb2.AccessionGap(count=gap.last - gap.first + 1), gap)
