"""Copies the open loans of circulation's snapshot."""

from __future__ import annotations

from uuid import UUID

from chassis import clock
from chassis.operations.resync import FILLING, read_snapshot
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from services.members.people import loans


def copy_loans(resources: Resources, channel: SyncChannel) -> int:
    """Copy all open loans of circulation, and mark the others as returned. Returns the number of open loans."""
    began_at, seen = clock.now(), set[UUID]()
    for reply in read_snapshot(channel, "circulation"):
        with resources.database.transaction(FILLING) as session:
            seen.update(loans.copy_open_loans(session, reply.loans))
            if not reply.cursor:
                loans.return_missing(session, seen, began_at=began_at)
    return len(seen)
