"""Copies from circulation's snapshot: states of items, and rules of reading in the library."""

from __future__ import annotations

import time
from uuid import UUID

from chassis.ids import parse_id
from chassis.operations.resync import FILLING, open_owner, read_snapshot
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from services.catalog.items import states

COMPARING_SECONDS = 2.0  # further items of a large library are copied each night
ON_ITS_WAY_SECONDS = 3.0  # in which an event reaches the catalogue


def copy_states(resources: Resources, channel: SyncChannel) -> int:
    """Copy the states of all items that are lent or in transit, and all rules. Returns their number.

    Items that were out before the snapshot, and are not in it, are on the shelf.
    """
    with resources.database.reading(FILLING) as session:
        unnamed = states.load_states_out(session)
    count = 0
    for reply in read_snapshot(channel, "circulation"):
        for loan in reply.loans:
            unnamed.pop(parse_id(loan.item_id), None)
        count += states.put_states(resources.database, reply.loans, FILLING)
        with resources.database.transaction(FILLING) as session:
            for rules in reply.policies:
                count += states.put_rules(session, rules)
    states.reset_states(resources.database, unnamed, FILLING)
    return count


def find_differing_states(resources: Resources) -> list[UUID]:
    """Return the items whose state differs from circulation's, also after the time of an event on its way.

    raises  Unavailable  circulation or a database does not answer
    """
    differing = _compare_states(resources)
    if differing:
        time.sleep(ON_ITS_WAY_SECONDS)
        differing &= _compare_states(resources)
    return sorted(differing)


def _compare_states(resources: Resources) -> set[UUID]:
    """Compare the items that are out with circulation's snapshot, or with its beginning in a large library."""
    with resources.database.reading(FILLING) as session:
        ours = states.load_states_out(session)
    theirs: dict[UUID, int] = {}
    deadline, is_complete = time.monotonic() + COMPARING_SECONDS, False
    with open_owner(resources, "circulation") as channel:
        for reply in read_snapshot(channel, "circulation"):
            theirs |= {parse_id(loan.item_id): loan.state_version for loan in reply.loans}
            is_complete = not reply.cursor
            if time.monotonic() > deadline:
                break
    unnamed = ours.keys() - theirs.keys() if is_complete else set()
    return unnamed | {item for item, version in theirs.items() if ours.get(item) != version}
