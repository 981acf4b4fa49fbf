"""Copies from circulation's snapshot: states of items, and rules of reading in the library."""

from __future__ import annotations

from chassis.context import system
from chassis.ids import parse_id
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.circulation.v1.events_pb2 import SnapshotRequest
from services.catalog.inventory import states

RESYNC = system("resync")


def copy_states(resources: Resources, channel: SyncChannel) -> int:
    """Copy the states of all items that are lent or in transit, and all rules. Returns their number.

    Items that were out before the snapshot, and are not in it, are on the shelf.
    """
    stub = CirculationStub(channel)
    with resources.database.reading(RESYNC) as session:
        unnamed = states.load_states_out(session)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor))
        for loan in reply.loans:
            unnamed.pop(parse_id(loan.item_id), None)
        count += states.put_states(resources.database, reply.loans, RESYNC)
        with resources.database.transaction(RESYNC) as session:
            for rules in reply.policies:
                count += states.put_rules(session, rules)
        cursor = reply.cursor
        if not cursor:
            states.reset_states(resources.database, unnamed, RESYNC)
            return count
