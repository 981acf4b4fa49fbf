"""RPCs for the standing of a member (renewal, blocks, merges, erasure), and for other services' copies."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.db import Database
from chassis.idempotency import once
from chassis.ids import parse_id
from rangkiang.members.v1 import events_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members.keys import Keys
from services.members.people import cards, erasure, facts, merging, standing


class StandingMethods:
    """The part of the servicer for the standing of members and for copies of other services."""

    _database: Database
    _keys: Keys

    def RenewMembership(
        self, request: wire.RenewMembershipRequest, context: grpc.ServicerContext
    ) -> wire.RenewMembershipReply:
        caller, master = rpc.context(context), self._keys.master
        with self._database.transaction(caller) as session:

            def act() -> wire.RenewMembershipReply:
                member = standing.renew(
                    session,
                    request.id,
                    expires_on=request.expires_on,
                    category=request.category,
                    context=caller,
                    master=master,
                )
                return wire.RenewMembershipReply(
                    id=str(member.id), version=member.version, expires_on=facts.day_text(member.expires_on)
                )

            return once(session, caller, request, wire.RenewMembershipReply, act)

    def BlockMember(self, request: wire.BlockMemberRequest, context: grpc.ServicerContext) -> wire.BlockMemberReply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:

            def act() -> wire.BlockMemberReply:
                member, block = standing.block(
                    session,
                    request.id,
                    request.reason,
                    note=request.note,
                    ends_on=request.ends_on,
                    context=caller,
                )
                return wire.BlockMemberReply(id=str(member.id), block_id=str(block.id), version=member.version)

            return once(session, caller, request, wire.BlockMemberReply, act)

    def EndBlock(self, request: wire.EndBlockRequest, context: grpc.ServicerContext) -> wire.EndBlockReply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:
            member = standing.end_block(session, request.id, request.block_id, context=caller)
        return wire.EndBlockReply(id=str(member.id), version=member.version)

    def MergeMembers(self, request: wire.MergeMembersRequest, context: grpc.ServicerContext) -> wire.MergeMembersReply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:

            def act() -> wire.MergeMembersReply:
                merge, kept = merging.merge(session, request.id, request.merged_id, context=caller)
                return wire.MergeMembersReply(merge_id=str(merge.id), version=kept.version)

            return once(session, caller, request, wire.MergeMembersReply, act)

    def UndoMerge(self, request: wire.UndoMergeRequest, context: grpc.ServicerContext) -> wire.UndoMergeReply:
        caller, master = rpc.context(context), self._keys.master
        with self._database.transaction(caller) as session:
            kept = merging.undo(session, request.id, request.merge_id, context=caller, master=master)
        return wire.UndoMergeReply(version=kept.version)

    def EraseMember(self, request: wire.EraseMemberRequest, context: grpc.ServicerContext) -> wire.EraseMemberReply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:

            def act() -> wire.EraseMemberReply:
                return wire.EraseMemberReply(id=str(erasure.erase(session, request.id, context=caller).id))

            return once(session, caller, request, wire.EraseMemberReply, act)

    def GetMemberFact(
        self, request: events_pb2.GetMemberFactRequest, context: grpc.ServicerContext
    ) -> events_pb2.GetMemberFactReply:
        caller = rpc.context(context)
        with self._database.reading(caller) as session:
            member = cards.find(session, parse_id(caller.institution), request.member[:300], master=self._keys.master)
            return events_pb2.GetMemberFactReply(member=facts.facts_of(session, [member])[0])

    def Snapshot(self, request: events_pb2.SnapshotRequest, context: grpc.ServicerContext) -> events_pb2.SnapshotReply:
        with self._database.reading(rpc.context(context)) as session:
            return facts.snapshot(session, request.cursor)
