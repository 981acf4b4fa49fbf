"""RPCs for the standing of a member (renewal, blocks, merges, erasure), and for other services' copies."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.db import Database
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.members.v1 import events_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members.keys import Keys
from services.members.people import cards, erasure, events, merging, standing


class StandingMethods:
    """The part of the servicer for the standing of members and for copies of other services."""

    _database: Database
    _keys: Keys

    @writes_once
    def RenewMembership(
        self, request: wire.RenewMembershipRequest, session: Session, caller: Context
    ) -> wire.RenewMembershipReply:
        master = self._keys.master
        member = standing.renew(
            session, request.id, expires_on=request.expires_on, category=request.category, context=caller, master=master
        )
        return wire.RenewMembershipReply(
            id=str(member.id), version=member.version, expires_on=events.day_text(member.expires_on)
        )

    @writes_once
    def BlockMember(self, request: wire.BlockMemberRequest, session: Session, caller: Context) -> wire.BlockMemberReply:
        member, block = standing.block(
            session, request.id, request.reason, note=request.note, ends_on=request.ends_on, context=caller
        )
        return wire.BlockMemberReply(id=str(member.id), block_id=str(block.id), version=member.version)

    @writes
    def EndBlock(self, request: wire.EndBlockRequest, session: Session, caller: Context) -> wire.EndBlockReply:
        member = standing.end_block(session, request.id, request.block_id, context=caller)
        return wire.EndBlockReply(id=str(member.id), version=member.version)

    @writes_once
    def MergeMembers(
        self, request: wire.MergeMembersRequest, session: Session, caller: Context
    ) -> wire.MergeMembersReply:
        merge, kept = merging.merge(session, request.id, request.merged_id, context=caller)
        return wire.MergeMembersReply(merge_id=str(merge.id), version=kept.version)

    @reads
    def GetMerge(self, request: wire.GetMergeRequest, session: Session, _caller: Context) -> wire.GetMergeReply:
        merge = merging.get(session, request.id)
        return wire.GetMergeReply(
            id=str(merge.id), kept_id=str(merge.kept_id), merged_id=str(merge.merged_id), at=timestamp(merge.at),
            undone_at=timestamp(merge.undone_at),
        )  # fmt: skip

    @writes
    def UndoMerge(self, request: wire.UndoMergeRequest, session: Session, caller: Context) -> wire.UndoMergeReply:
        master = self._keys.master
        kept = merging.undo(session, request.id, request.merge_id, context=caller, master=master)
        return wire.UndoMergeReply(version=kept.version)

    @writes_once
    def EraseMember(self, request: wire.EraseMemberRequest, session: Session, caller: Context) -> wire.EraseMemberReply:
        return wire.EraseMemberReply(id=str(erasure.erase(session, request.id, context=caller).id))

    @reads
    def GetMemberFact(
        self, request: events_pb2.GetMemberFactRequest, session: Session, caller: Context
    ) -> events_pb2.GetMemberFactReply:
        member = cards.find(session, parse_id(caller.institution), request.member[:300], master=self._keys.master)
        return events_pb2.GetMemberFactReply(member=events.copies_of(session, [member])[0])

    @reads
    def Snapshot(
        self, request: events_pb2.SnapshotRequest, session: Session, _caller: Context
    ) -> events_pb2.SnapshotReply:
        return events.snapshot(session, request.cursor)
