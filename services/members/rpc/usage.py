"""RPCs for the plans of clients, and for the counts of what they request."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import grpc
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.ids import parse_or_nil
from chassis.rpc.methods import reads, writes
from rangkiang.members.v1 import staff_pb2 as wire
from services.members.rpc.staff import client_message, limits_in
from services.members.settings import MembersSettings
from services.members.sign_in import usage
from services.members.sign_in.usage import Count, Plan

MANAGE = "clients.manage"


class UsageMethods:
    """The part of the servicer for plans and counts."""

    _database: Database
    _settings: MembersSettings

    @writes
    def ChangeClient(
        self, request: wire.ChangeClientRequest, session: Session, caller: Context
    ) -> wire.ChangeClientReply:
        limits = limits_in(request)
        client = usage.change_plan(session, request.id, limits, version=request.version)
        audit.record(session, caller, "members.change_client", kind="client", object_id=client.id, facts=limits)
        return wire.ChangeClientReply(client=client_message(client))

    def CountUsage(self, request: wire.CountUsageRequest, context: grpc.ServicerContext) -> wire.CountUsageReply:
        caller = rpc.context(context)

        def count() -> wire.CountUsageReply:
            usage.add_counts(session, _counts(request))
            return self._plans(session, request)

        if not request.counts:
            with self._database.reading(caller) as session:
                return self._plans(session, request)
        with self._database.transaction(caller) as session:
            return once(session, caller, request, wire.CountUsageReply, count)

    @reads
    def ReportUsage(self, request: wire.ReportUsageRequest, session: Session, caller: Context) -> wire.ReportUsageReply:
        client_id = request.client_id if MANAGE in caller.scopes else caller.actor
        counts = [
            wire.UsageCount(
                client_id=str(row.client_id),
                client=name,
                day=row.day.isoformat(),
                protocol=row.protocol,
                requests=row.requests,
                records=row.records,
                refusals=row.refusals,
            )
            for name, row in usage.report(session, request.month, client_id)
        ]
        return wire.ReportUsageReply(counts=counts)

    def _plans(self, session: Session, request: wire.CountUsageRequest) -> wire.CountUsageReply:
        plans = usage.plans_of(session, request.client_ids, self._settings)
        return wire.CountUsageReply(plans=[_plan(plan) for plan in plans])


def _counts(request: wire.CountUsageRequest) -> list[Count]:
    counts = []
    for count in request.counts:
        with suppress(ValueError):
            day = date.fromisoformat(count.day)
            client_id = parse_or_nil(count.client_id)
            counts.append(Count(client_id, day, count.protocol, count.requests, count.records, count.refusals))
    return counts


def _plan(plan: Plan) -> wire.UsagePlan:
    minute, requests, records = plan.limits
    return wire.UsagePlan(
        client_id=str(plan.client_id),
        requests_a_minute=minute,
        requests_a_day=requests,
        records_a_day=records,
        day=plan.day.isoformat(),
        requests=plan.requests,
        records=plan.records,
    )
