"""Copies of the snapshots of the catalogue and of members: at the first start, and for `rangkiang resync`."""

from __future__ import annotations

import time
from uuid import UUID

from chassis.context import system
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2 import SnapshotRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.members.v1.events_pb2 import SnapshotRequest as MembersSnapshotRequest
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.circulation import borrowers, copies, institutions

RESYNC = system("resync")
# A page is written in parts, so that acts of desks can write between two parts.
PART = 100
PAUSE_SECONDS = 0.001
NEWEST = 2**62  # version of an erased member: no fact has a newer version


def copy_institutions(resources: Resources, channel: SyncChannel) -> int:
    """Copy all institutions of the catalogue. Returns their number."""
    stub = CatalogStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor, of="institutions"))
        with resources.database.transaction(RESYNC) as session:
            count += institutions.copy_institutions(session, reply.institutions)
        cursor = reply.cursor
        if not cursor:
            return count


def copy_items(resources: Resources, channel: SyncChannel) -> int:
    """Copy all items of the catalogue. Returns their number."""
    stub = CatalogStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(SnapshotRequest(cursor=cursor, of="items"))
        for start in range(0, len(reply.items), PART):
            with resources.database.transaction(RESYNC) as session:
                count += copies.copy_items(session, reply.items[start : start + PART])
            time.sleep(PAUSE_SECONDS)
        cursor = reply.cursor
        if not cursor:
            return count


def copy_members(resources: Resources, channel: SyncChannel) -> int:
    """Copy all members, and remove erased members from their loans. Returns the number of members."""
    stub = MembersStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(MembersSnapshotRequest(cursor=cursor))
        for start in range(0, len(reply.members), PART):
            with resources.database.transaction(RESYNC) as session:
                count += borrowers.copy_members(session, reply.members[start : start + PART])
            time.sleep(PAUSE_SECONDS)
        for erased_id in reply.erased_ids:
            with resources.database.transaction(RESYNC) as session:
                borrowers.erase_member(session, UUID(erased_id), NEWEST)
        cursor = reply.cursor
        if not cursor:
            return count
