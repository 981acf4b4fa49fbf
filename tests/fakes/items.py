"""Items that staff add and change, as the catalogue answers on the wire."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from chassis import clock, rpc
from chassis.cursors import read_cursor
from chassis.errors import Invalid, NotFound, Outdated
from rangkiang.catalog.v1 import items_pb2
from rangkiang.catalog.v1.events_pb2 import ItemCopy

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
        return items_pb2.FastAddReply(
            item=ItemCopy(
                id=ITEM_ID, version=1, barcode=request.barcode, status="in_service", title=request.title,
                record_id=request.record_id if titles else _NEW_RECORD_ID,
            )
        )  # fmt: skip

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

    def ChangeItem(self, request: items_pb2.ChangeItemRequest, context: Any) -> items_pb2.ChangeItemReply:
        item = _item(request.id, context)
        self.request = request
        if request.version != item.version:
            raise Outdated.at_version(item.version, given=request.version, changed=["item"], changed_at=clock.now())
        item.version += 1
        item.status = request.status or item.status
        item.barcode = request.barcode or item.barcode
        return items_pb2.ChangeItemReply(item=item)


def _item(item_id: str, context: Any) -> items_pb2.ItemForEdit:
    if (item_id, rpc.context(context).institution) != (ITEM_ID, INSTITUTION_ID):
        raise NotFound("ITEM_NOT_FOUND", item=item_id)
    return items_pb2.ItemForEdit(
        id=ITEM_ID, version=2, barcode="KS0000987", status="in_service", title="Negeri 5 Menara", branch="PKS/PST"
    )
