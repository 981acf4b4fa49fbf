"""Copies from other services' snapshots."""

from __future__ import annotations

from chassis.context import system
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2 import SnapshotRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from services.members import institutions

RESYNC = system("resync")


def copy_institutions(resources: Resources, channel: SyncChannel) -> int:
    """Copy every institution of the catalogue. Returns their number."""
    stub = CatalogStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor))
        with resources.database.transaction(RESYNC) as session:
            count += institutions.copy_institutions(session, reply.institutions)
        cursor = reply.cursor
        if not cursor:
            return count
