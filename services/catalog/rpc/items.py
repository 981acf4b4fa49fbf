"""RPCs for items one by one: copies for other services, edits, and items that a desk adds."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.errors import Invalid
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import items_pb2
from services.catalog.institutions import copies_of_institutions
from services.catalog.inventory import copies
from services.catalog.rpc.protobuf import ServicerPart


class ItemMethods(ServicerPart):
    def Snapshot(self, request: wire.SnapshotRequest, context: grpc.ServicerContext) -> wire.SnapshotReply:
        with self._database.reading(rpc.context(context)) as session:
            match request.of:
                case "" | "institutions":
                    return wire.SnapshotReply(institutions=copies_of_institutions(session))
                case "items":
                    items, cursor = copies.copy_page(session, request.cursor)
                    return wire.SnapshotReply(items=items, cursor=cursor)
                case other:
                    raise Invalid("SNAPSHOT_UNKNOWN", given=other[:40], known="institutions, items")

    def GetItemCopy(
        self, request: items_pb2.GetItemCopyRequest, context: grpc.ServicerContext
    ) -> items_pb2.GetItemCopyReply:
        with self._database.reading(rpc.context(context)) as session:
            item = copies.copy_of_item(
                session, item_id=request.id, barcode=request.barcode, institution_id=request.institution_id
            )
        return items_pb2.GetItemCopyReply(item=item)
