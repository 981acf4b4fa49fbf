"""Copies from circulation's snapshot: states of items, and rules of reading in the library."""

from __future__ import annotations

import time
from uuid import UUID

from chassis.context import system
from chassis.ids import parse_id
from chassis.resync import open_owner
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from rangkiang.circulation.v1.events_pb2 import SnapshotRequest
from services.catalog.inventory import states

RESYNC = system("resync")
COMPARING_SECONDS = 2.0  # further items of a large library are copied each night
ON_ITS_WAY_SECONDS = 3.0  # in which a fact reaches the catalogue


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


def find_differing_states(resources: Resources) -> list[UUID]:
    """Return the items whose state differs from circulation's, also after the time of a fact on its way.

    raises  Unavailable  circulation or a database does not answer
    """
    differing = _compare_states(resources)
    if differing:
        time.sleep(ON_ITS_WAY_SECONDS)
        differing &= _compare_states(resources)
    return sorted(differing)


def _compare_states(resources: Resources) -> set[UUID]:
    """Compare the items that are out with circulation's snapshot, or with its beginning in a large library."""
    with resources.database.reading(RESYNC) as session:
        ours = states.load_states_out(session)
    theirs: dict[UUID, int] = {}
    deadline, cursor = time.monotonic() + COMPARING_SECONDS, ""
    with open_owner(resources, "circulation") as channel:
        while time.monotonic() < deadline:
            reply = CirculationStub(channel).Snapshot(SnapshotRequest(cursor=cursor))
            theirs |= {parse_id(loan.item_id): loan.state_version for loan in reply.loans}
            cursor = reply.cursor
            if not cursor:
                break
    unnamed = set() if cursor else ours.keys() - theirs.keys()
    return unnamed | {item for item, version in theirs.items() if ours.get(item) != version}
