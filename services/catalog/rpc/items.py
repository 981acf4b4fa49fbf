"""RPCs for items one by one: copies for other services, edits, and items that a desk adds."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context
from chassis.errors import Invalid
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import items_pb2
from services.catalog.importing.fast_adds import fast_add
from services.catalog.institutions.events import copies_of_institutions
from services.catalog.items import changes, edits, events
from services.catalog.rpc.protobuf import ServicerPart, fill, wire_moment

_CHANGES = ("barcode", "status", "branch", "collection", "room", "call_number", "record_id")


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
        edited = edits.get_item(session, item.id, context=caller)
        return items_pb2.FastAddReply(item=item, edited=fill(items_pb2.ItemForEdit(), edited))

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
            updated_since=rpc.moment_of(request, "updated_since"),
            context=caller,
        )
        return items_pb2.ListFastAddsReply(items=[fill(items_pb2.ItemForEdit(), item) for item in items], cursor=cursor)

    @reads
    def ListItemChanges(
        self, request: items_pb2.ListItemChangesRequest, session: Session, caller: Context
    ) -> items_pb2.ListItemChangesReply:
        found, cursor = changes.list_changes(
            session, request.id, cursor=request.cursor, limit=request.limit, context=caller
        )
        return items_pb2.ListItemChangesReply(changes=map(_wire_change, found), cursor=cursor)

    @writes
    def ChangeItem(
        self, request: items_pb2.ChangeItemRequest, session: Session, caller: Context
    ) -> items_pb2.ChangeItemReply:
        given: Any = request.HasField
        item = edits.change_item(
            session,
            request.id,
            request.version,
            **{name: getattr(request, name) if given(name) else None for name in _CHANGES},
            context=caller,
        )
        return items_pb2.ChangeItemReply(item=fill(items_pb2.ItemForEdit(), item))


def _wire_change(change: changes.ItemChange) -> items_pb2.ItemChange:
    values = [items_pb2.ChangedValue(field=field, before=old, after=new) for field, old, new in change.values]
    return items_pb2.ItemChange(made_at=wire_moment(change.made_at), actor=change.actor, act=change.act, values=values)
