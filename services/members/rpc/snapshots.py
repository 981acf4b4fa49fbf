"""Copies of other services' snapshots."""

from __future__ import annotations

from uuid import UUID

from chassis import clock
from chassis.context import system
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2 import SnapshotRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.circulation.v1 import events_pb2 as circulation
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from services.members import institutions
from services.members.people import loans

RESYNC = system("resync")


def copy_institutions(resources: Resources, channel: SyncChannel) -> int:
    """Copy all institutions of the catalogue. Returns their number."""
    stub = CatalogStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor))
        with resources.database.transaction(RESYNC) as session:
            count += institutions.copy_institutions(session, reply.institutions)
        cursor = reply.cursor
        if not cursor:
            return count


def copy_loans(resources: Resources, channel: SyncChannel) -> int:
    """Copy all open loans of circulation, and mark the others as returned. Returns the number of open loans."""
    stub = CirculationStub(channel)
    began_at, seen, cursor = clock.now(), set[UUID](), ""
    while True:
        reply = stub.Snapshot(circulation.SnapshotRequest(cursor=cursor))
        with resources.database.transaction(RESYNC) as session:
            seen.update(loans.copy_open_loans(session, reply.loans))
            if not reply.cursor:
                loans.return_missing(session, seen, began_at=began_at)
                return len(seen)
        cursor = reply.cursor
