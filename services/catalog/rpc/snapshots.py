"""Copies from circulation's snapshot: states of items, and rules of reading in the library."""

from __future__ import annotations

from chassis.context import system
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.circulation.v1.events_pb2 import SnapshotRequest
from services.catalog.inventory import states

RESYNC = system("resync")


def copy_states(resources: Resources, channel: SyncChannel) -> int:
    """Copy the states of all items that are lent or in transit, and all rules. Returns their number."""
    stub = CirculationStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor))
        count += states.put_states(resources.database, reply.loans, RESYNC)
        with resources.database.transaction(RESYNC) as session:
            for rules in reply.policies:
                count += states.put_rules(session, rules)
        cursor = reply.cursor
        if not cursor:
            return count
