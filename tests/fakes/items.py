"""Items that staff add and change, as the catalogue answers on the wire."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from chassis import clock, rpc
from chassis.cursors import read_cursor
from chassis.errors import Invalid, NotFound, Outdated
from rangkiang.catalog.v1 import accessions_pb2, items_pb2, register_pb2
from rangkiang.catalog.v1.events_pb2 import ItemCopy
from services.catalog.cataloguing.accession_numbers import SOURCES, USUAL_PATTERN, check_pattern
from tests.fakes.books import BOOKS

ITEM_ID = "0192f3a4-5b6c-7d8e-9f07-23456789abcd"
_NEW_RECORD_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
LONGEST_TITLE = 500
# The institution of the item.
INSTITUTION_ID = "00000000-0000-0000-0000-000000000001"


class FakeItems:
    """The part of a Catalog servicer that has one item, in its second version, and those that desks have added."""

    request: Any
    books: Any

    def __init__(self) -> None:
        super().__init__()
        self.added: dict[str, ItemCopy] = {}

    def FastAdd(self, request: items_pb2.FastAddRequest, context: Any) -> items_pb2.FastAddReply:
        self.request = request
        if len(request.title) > LONGEST_TITLE:
            raise Invalid("FAST_ADD_TEXT", field="title", most=LONGEST_TITLE)
        titles = [book.title for book in self.books if book.id == request.record_id]
        self.added[request.barcode] = ItemCopy(
            id=str(uuid5(UUID(ITEM_ID), request.barcode)), version=1, barcode=request.barcode, status="in_service",
            title=titles[0] if titles else request.title, institution_id=rpc.context(context).institution,
        )  # fmt: skip
        edited = items_pb2.ItemForEdit(
            id=ITEM_ID, version=1, barcode=request.barcode, status="in_service", title=request.title,
            record_id=request.record_id if titles else _NEW_RECORD_ID, branch=request.branch, is_fast_add=True,
        )  # fmt: skip
        edited.updated_at.GetCurrentTime()
        return items_pb2.FastAddReply(item=self.added[request.barcode], edited=edited)

    def GetItemCopy(self, request: items_pb2.GetItemCopyRequest, _context: Any) -> items_pb2.GetItemCopyReply:
        if request.barcode not in self.added:
            raise NotFound("ITEM_NOT_FOUND", item=request.barcode)
        return items_pb2.GetItemCopyReply(item=self.added[request.barcode])

    def GetItem(self, request: items_pb2.GetItemRequest, context: Any) -> items_pb2.GetItemReply:
        return items_pb2.GetItemReply(item=_item(request.id, context))

    def ListFastAdds(self, request: items_pb2.ListFastAddsRequest, context: Any) -> items_pb2.ListFastAddsReply:
        self.request = request
        if request.cursor:
            read_cursor(request.cursor, "items", UUID)
        items = [_item(ITEM_ID, context)] if rpc.context(context).institution == INSTITUTION_ID else []
        return items_pb2.ListFastAddsReply(items=items)

    def ListItemChanges(
        self, request: items_pb2.ListItemChangesRequest, context: Any
    ) -> items_pb2.ListItemChangesReply:
        if request.cursor:
            read_cursor(request.cursor, "item_changes", int)
        _item(request.id, context)
        values = [items_pb2.ChangedValue(field="status", before="in_service", after="in_repair")]
        change = items_pb2.ItemChange(act="change_item", actor=str(UUID(int=9)), values=values)
        change.made_at.FromSeconds(1_790_000_000)
        return items_pb2.ListItemChangesReply(changes=[change])

    def ChangeItem(self, request: items_pb2.ChangeItemRequest, context: Any) -> items_pb2.ChangeItemReply:
        item = _item(request.id, context)
        self.request = request
        if request.version != item.version:
            raise Outdated.at_version(item.version, given=request.version, changed=["item"], changed_at=clock.now())
        item.version += 1
        item.status = request.status or item.status
        item.barcode = request.barcode or item.barcode
        return items_pb2.ChangeItemReply(item=item)

    def AddItems(self, request: accessions_pb2.AddItemsRequest, context: Any) -> accessions_pb2.AddItemsReply:
        self.request = request
        is_known = request.record_id in {book.id for book in self.books}
        if not is_known or rpc.context(context).institution != INSTITUTION_ID:
            raise NotFound("RECORD_UNKNOWN", record=request.record_id)
        number = "00001/PKS/H/2026"
        items = [accessions_pb2.AddedItem(id=ITEM_ID, version=1, barcode="30001000000015", accession_number=number)]
        return accessions_pb2.AddItemsReply(items=items)

    def ProposeCallNumber(
        self, request: accessions_pb2.ProposeCallNumberRequest, context: Any
    ) -> accessions_pb2.CallNumberProposal:
        is_known = request.record_id in {book.id for book in self.books}
        if not is_known or rpc.context(context).institution != INSTITUTION_ID:
            raise NotFound("RECORD_UNKNOWN", record=request.record_id)
        return accessions_pb2.CallNumberProposal(call_number="899.221 3 NAV r")

    def RemoveItem(self, request: accessions_pb2.RemoveItemRequest, context: Any) -> accessions_pb2.RemoveItemReply:
        item = _item(request.id, context)
        if request.version != item.version:
            raise Outdated.at_version(item.version, given=request.version, changed=["item"], changed_at=clock.now())
        return accessions_pb2.RemoveItemReply()

    def GetAccessionRules(self, _request: Any, _context: Any) -> accessions_pb2.AccessionRules:
        return accessions_pb2.AccessionRules(version=2, pattern=USUAL_PATTERN, next_number="00002/PKS/P/2026")

    def PutAccessionRules(
        self, request: accessions_pb2.PutAccessionRulesRequest, _context: Any
    ) -> accessions_pb2.AccessionRules:
        check_pattern(request.pattern)
        if request.version != 2:
            raise Outdated.at_version(2, given=request.version, changed=["pattern"], changed_at=clock.now())
        return accessions_pb2.AccessionRules(version=3, pattern=request.pattern, next_number="2")

    def ListAccessions(self, request: register_pb2.ListAccessionsRequest, context: Any) -> Any:
        if request.cursor:
            read_cursor(request.cursor, "accessions", str, str, int)
        if request.source and request.source not in SOURCES:
            raise Invalid("ACQUISITION_SOURCE_UNKNOWN", given=request.source, known=[*SOURCES])
        entries = [_entry()] if rpc.context(context).institution == INSTITUTION_ID else []
        reply = register_pb2.ListAccessionsReply(entries=entries)
        reply.totals.items = len(entries)
        return reply

    def GetAccession(self, request: register_pb2.GetAccessionRequest, context: Any) -> register_pb2.GetAccessionReply:
        if (request.id, rpc.context(context).institution) != (ITEM_ID, INSTITUTION_ID):
            raise NotFound("ACCESSION_NOT_FOUND", accession=request.id)
        return register_pb2.GetAccessionReply(entry=_entry())

    def CorrectAccession(
        self, request: register_pb2.CorrectAccessionRequest, context: Any
    ) -> register_pb2.GetAccessionReply:
        reply = self.GetAccession(register_pb2.GetAccessionRequest(id=request.id), context)
        if request.version != reply.entry.version:
            raise Outdated.at_version(2, given=request.version, changed=["fund"], changed_at=clock.now())
        reply.entry.version += 1
        return reply

    def ListAccessionGaps(self, request: register_pb2.ListAccessionGapsRequest, _context: Any) -> Any:
        if request.cursor:
            read_cursor(request.cursor, "accession_gaps", str, UUID)
        return register_pb2.ListAccessionGapsReply()

    def SkipAccessionNumbers(
        self, request: register_pb2.SkipAccessionNumbersRequest, _context: Any
    ) -> register_pb2.AccessionGap:
        if request.source not in SOURCES:
            raise Invalid("ACQUISITION_SOURCE_UNKNOWN", given=request.source, known=[*SOURCES])
        number = "00002/PKS/H/2026"
        return register_pb2.AccessionGap(
            id=_NEW_RECORD_ID, first_number=number, last_number=number, count=1, reason=request.reason,
            entered_on="2026-12-01",
        )  # fmt: skip

    def NumberItems(self, _request: Any, _context: Any) -> register_pb2.NumberItemsReply:
        return register_pb2.NumberItemsReply()


def _entry() -> register_pb2.Accession:
    entry = register_pb2.Accession(
        id=ITEM_ID, version=2, number="00001/PKS/H/2026", entered_on="2026-12-01", record_id=_NEW_RECORD_ID,
        branch="PKS/PST",
    )  # fmt: skip
    entry.acquisition.source, entry.acquisition.acquired_on = "gift", "2026-12-01"
    entry.book.title = "Negeri 5 Menara"
    return entry


def _item(item_id: str, context: Any) -> items_pb2.ItemForEdit:
    if (item_id, rpc.context(context).institution) != (ITEM_ID, INSTITUTION_ID):
        raise NotFound("ITEM_NOT_FOUND", item=item_id)
    return items_pb2.ItemForEdit(
        id=ITEM_ID, version=2, barcode="KS0000987", status="in_service", title="Negeri 5 Menara", branch="PKS/PST",
        record_id=BOOKS[0].id, is_fast_add=True, updated_at=rpc.timestamp(clock.now()),
    )  # fmt: skip
