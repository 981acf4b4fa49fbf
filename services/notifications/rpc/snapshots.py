"""Copies of the snapshots of the catalogue and of members: at the first start, and for `rangkiang resync`."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import select

from chassis.context import system
from chassis.rpc.client import SyncChannel
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2 import SnapshotRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.members.v1.events_pb2 import SnapshotRequest as MembersSnapshotRequest
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.notifications import institutions, members, merging
from services.notifications.conversations import store
from services.notifications.tables import Member
from services.notifications.webhooks.facts import forget_member

RESYNC = system("resync")
# A page is written in parts, so that other writers can write between two parts.
PART = 100
PAUSE_SECONDS = 0.001


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


def copy_members(resources: Resources, channel: SyncChannel) -> int:
    """Copy all members, and erase the texts of erased members. Returns the number of members."""
    stub = MembersStub(channel)
    count, cursor = 0, ""
    while True:
        reply = stub.Snapshot(MembersSnapshotRequest(cursor=cursor))
        for start in range(0, len(reply.members), PART):
            with resources.database.transaction(RESYNC) as session:
                count += merging.copy_members(session, reply.members[start : start + PART])
            time.sleep(PAUSE_SECONDS)
        for erased_id in reply.erased_ids:
            _erase(resources, UUID(erased_id))
        cursor = reply.cursor
        if not cursor:
            return count


def _erase(resources: Resources, member_id: UUID) -> None:
    """Erase the data of an erased member; an unknown member has no data."""
    with resources.database.transaction(RESYNC) as session:
        institution_id = session.scalar(select(Member.institution_id).where(Member.id == member_id))
        if institution_id is not None:
            members.erase_member(session, member_id, institution_id=institution_id)
            store.erase_member(session, member_id)
            forget_member(session, member_id)
