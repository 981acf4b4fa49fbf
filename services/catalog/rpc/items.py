"""RPCs for items one by one: copies for other services, edits, and items that a desk adds."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.errors import Invalid
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import items_pb2
from services.catalog.importing.fast_adds import fast_add
from services.catalog.institutions.events import copies_of_institutions
from services.catalog.items import edits, events
from services.catalog.rpc.protobuf import ServicerPart, fill


class ItemMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @reads
    def Snapshot(self, request: wire.SnapshotRequest, session: Session, _caller: Context) -> wire.SnapshotReply:
        match request.of:
            case "" | "institutions":
                return wire.SnapshotReply(institutions=copies_of_institutions(session))
            case "items":
                items, cursor = events.copy_page(session, request.cursor)
                return wire.SnapshotReply(items=items, cursor=cursor)
            case other:
                raise Invalid("SNAPSHOT_UNKNOWN", given=other[:40], known=["institutions", "items"])

    @reads
    def GetItemCopy(
        self, request: items_pb2.GetItemCopyRequest, session: Session, _caller: Context
    ) -> items_pb2.GetItemCopyReply:
        item = events.copy_of_item(
            session, item_id=request.id, barcode=request.barcode, institution_id=request.institution_id
        )
        return items_pb2.GetItemCopyReply(item=item)

    @writes_once
    def FastAdd(self, request: items_pb2.FastAddRequest, session: Session, caller: Context) -> items_pb2.FastAddReply:
        item = fast_add(
            session,
            barcode=request.barcode,
            branch=request.branch,
            record_id=request.record_id,
            title=request.title,
            author=request.author,
            context=caller,
        )
        return items_pb2.FastAddReply(item=item)

    @reads
    def GetItem(self, request: items_pb2.GetItemRequest, session: Session, caller: Context) -> items_pb2.GetItemReply:
        item = edits.get_item(session, request.id, context=caller)
        return items_pb2.GetItemReply(item=fill(items_pb2.ItemForEdit(), item))

    @reads
    def ListFastAdds(
        self, request: items_pb2.ListFastAddsRequest, session: Session, caller: Context
    ) -> items_pb2.ListFastAddsReply:
        items, cursor = edits.list_items(
            session,
            cursor=request.cursor,
            limit=request.limit,
            barcode=request.barcode,
            fast_adds_only=not request.every,
            context=caller,
        )
        return items_pb2.ListFastAddsReply(items=[fill(items_pb2.ItemForEdit(), item) for item in items], cursor=cursor)

    @writes
    def ChangeItem(
        self, request: items_pb2.ChangeItemRequest, session: Session, caller: Context
    ) -> items_pb2.ChangeItemReply:
        item = edits.change_item(
            session,
            request.id,
            request.version,
            barcode=request.barcode if request.HasField("barcode") else None,
            status=request.status if request.HasField("status") else None,
            context=caller,
        )
        return items_pb2.ChangeItemReply(item=fill(items_pb2.ItemForEdit(), item))
