"""The gRPC servicer translates requests and results; a module for each part of the contract."""

from __future__ import annotations

import grpc

from chassis import audit, clock, rpc
from chassis.db import Database
from chassis.idempotency import once
from chassis.ids import parse_id
from chassis.service import Resources
from chassis.sql import insert_for
from rangkiang.notifications.v1 import notices_pb2 as wire
from rangkiang.notifications.v1.notifications_pb2_grpc import NotificationsServicer
from services.notifications.institutions import rules_of, save_rules
from services.notifications.rpc.conversations import ConversationMethods
from services.notifications.rpc.templates import TemplateMethods
from services.notifications.rpc.webhooks import WebhookMethods
from services.notifications.tables import Preference, SendingRules


class Notifications(TemplateMethods, ConversationMethods, WebhookMethods, NotificationsServicer):
    """The servicer of the whole contract."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database: Database = resources.database

    def GetSendingRules(
        self, _request: wire.GetSendingRulesRequest, context: grpc.ServicerContext
    ) -> wire.GetSendingRulesReply:
        caller = rpc.context(context)
        with self._database.reading(caller) as session:
            return wire.GetSendingRulesReply(rules=_rules(rules_of(session, parse_id(caller.institution))))

    def PutSendingRules(
        self, request: wire.PutSendingRulesRequest, context: grpc.ServicerContext
    ) -> wire.PutSendingRulesReply:
        caller, given = rpc.context(context), request.rules
        with self._database.transaction(caller) as session:

            def act() -> wire.PutSendingRulesReply:
                institution_id = parse_id(caller.institution)
                row = save_rules(
                    session,
                    institution_id,
                    opens=given.opens,
                    closes=given.closes,
                    version=given.version,
                    context=caller,
                )
                facts = {"opens": row.opens, "closes": row.closes}
                audit.record(
                    session,
                    caller,
                    "notifications.put_sending_rules",
                    kind="sending_rules",
                    object_id=institution_id,
                    facts=facts,
                )
                return wire.PutSendingRulesReply(rules=_rules(row))

            return once(session, caller, request, wire.PutSendingRulesReply, act)

    def OptOut(self, request: wire.OptOutRequest, context: grpc.ServicerContext) -> wire.OptOutReply:
        caller = rpc.context(context)
        kind, channel = request.kind[:32], request.channel[:16] or "all"
        with self._database.transaction(caller) as session:
            row = {
                "member_id": parse_id(caller.actor),
                "kind": kind,
                "channel": channel,
                "institution_id": parse_id(caller.institution),
                "allowed": False,
                "changed_at": clock.now(),
            }
            changed = {name: row[name] for name in ("allowed", "changed_at")}
            keys = ["member_id", "kind", "channel"]
            statement = insert_for(session, Preference).values(row)
            session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
        return wire.OptOutReply(kind=kind, channel=channel)


def _rules(row: SendingRules) -> wire.SendingRules:
    return wire.SendingRules(opens=row.opens, closes=row.closes, version=row.version)


def servicer(resources: Resources) -> Notifications:
    """Create the servicer of notifications."""
    return Notifications(resources)
