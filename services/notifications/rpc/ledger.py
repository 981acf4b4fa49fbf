"""RPCs for the list of notices, attempts, channels, and the sending hours of an institution."""

from __future__ import annotations

import re

import grpc
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.audit.access_log import AccessLog
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.errors import NotFound
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from chassis.security.encryption import require_master_key
from rangkiang.notifications.v1 import notices_pb2 as wire
from services.notifications import ledger
from services.notifications.channels.port import Channel
from services.notifications.institutions import BranchDirectory, own_zone, rules_of, save_rules
from services.notifications.keys import read_own_master
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Attempt, Message, Notice, SendingRules

MOST_OWN = 50
# A signed link acts for the member, so the text that staff read must not contain it.
_LINK = re.compile(r"/l/[A-Za-z0-9_-]{16,}")


class LedgerMethods:
    """The part of the servicer for reading notices and channels."""

    _database: Database
    _access_log: AccessLog
    _settings: NotificationsSettings
    channels: tuple[Channel, ...]

    @reads
    def ListNotices(self, request: wire.ListNoticesRequest, session: Session, caller: Context) -> wire.ListNoticesReply:
        notice_filter = ledger.NoticeFilter(
            member=request.member_id,
            state=request.state,
            kind=request.kind,
            limit=max(0, request.limit),
            cursor=request.cursor,
            counts=not request.without_total,
        )
        page = ledger.list_notices(session, parse_id(caller.institution), notice_filter)
        places = BranchDirectory(session)
        notices = [_notice(notice, message, places) for notice, message in page.rows]
        self._access_log.record_list(
            caller,
            "notifications.list_notices",
            shown=len(notices),
            member_id=request.member_id,
            state=request.state,
            # Without notices of this kind, the text may be anything.
            kind=request.kind if notices else "",
            is_continued=bool(request.cursor),
        )
        return wire.ListNoticesReply(notices=notices, total=page.total, has_more=page.has_more, cursor=page.cursor)

    @reads
    def ListOwnNotices(
        self, request: wire.ListOwnNoticesRequest, session: Session, caller: Context
    ) -> wire.ListOwnNoticesReply:
        limit = min(max(1, request.limit or MOST_OWN), MOST_OWN)
        notice_filter = ledger.NoticeFilter(member=caller.actor, limit=limit, counts=False)
        page = ledger.list_notices(session, parse_id(caller.institution), notice_filter)
        places = BranchDirectory(session)
        notices = [_notice(notice, message, places) for notice, message in page.rows]
        return wire.ListOwnNoticesReply(notices=notices)

    @reads
    def GetNotice(self, request: wire.GetNoticeRequest, session: Session, caller: Context) -> wire.GetNoticeReply:
        notice, message = ledger.find_notice(session, parse_id(caller.institution), request.id)
        attempts = ledger.attempts_of(session, notice.message_id)
        subject = text = ""
        if message is not None and message.sealed is not None:
            subject, text = ledger.open_message(session, message, require_master_key(self._settings.master_key))
            text = _LINK.sub("/l/…", text)
        self._access_log.record(caller, "notifications.show", kind="notice", object_id=request.id)
        return wire.GetNoticeReply(
            notice=_notice(notice, message, BranchDirectory(session)),
            subject=subject,
            text=text,
            attempts=[_attempt(attempt) for attempt in attempts],
            is_resendable=ledger.is_resendable(notice),
        )

    def ResendNotice(self, request: wire.ResendNoticeRequest, context: grpc.ServicerContext) -> wire.ResendNoticeReply:
        caller = rpc.context(context)
        institution_id = parse_id(caller.institution)
        with self._database.reading(caller) as session:
            needs_key = ledger.needs_key(session, institution_id, request.id)
        master = read_own_master(self._database, self._settings.master_key) if needs_key else None
        with self._database.transaction(caller) as session:

            def act() -> wire.ResendNoticeReply:
                notice = ledger.resend(session, institution_id, request.id, context=caller, master=master)
                return wire.ResendNoticeReply(notice=_notice(notice, None, BranchDirectory(session)))

            return once(session, caller, request, wire.ResendNoticeReply, act)

    @writes_once
    def ResendUnknown(
        self, _request: wire.ResendUnknownRequest, session: Session, caller: Context
    ) -> wire.ResendUnknownReply:
        count = ledger.resend_unknown(session, parse_id(caller.institution), context=caller)
        return wire.ResendUnknownReply(count=count)

    @reads
    def GetChannelStatus(
        self, request: wire.GetChannelStatusRequest, session: Session, caller: Context
    ) -> wire.GetChannelStatusReply:
        own_names = [
            channel.name for channel in ledger.channels_of(session, parse_id(caller.institution), self.channels)
        ]
        names = [name for name in own_names if request.name in ("", name)]
        if request.name and not names:
            raise NotFound("CHANNEL_NOT_FOUND", channel=request.name[:16], known=[*own_names])
        rows = ledger.channel_health(session, parse_id(caller.institution), names)
        zone = own_zone(session, parse_id(caller.institution))
        return wire.GetChannelStatusReply(channels=rows, zone=zone)

    @reads
    def GetSendingRules(
        self, _request: wire.GetSendingRulesRequest, session: Session, caller: Context
    ) -> wire.GetSendingRulesReply:
        return wire.GetSendingRulesReply(rules=_rules(rules_of(session, parse_id(caller.institution))))

    @writes_once
    def PutSendingRules(
        self, request: wire.PutSendingRulesRequest, session: Session, caller: Context
    ) -> wire.PutSendingRulesReply:
        rules = request.rules
        institution_id = parse_id(caller.institution)
        row = save_rules(
            session, institution_id, opens=rules.opens, closes=rules.closes, version=rules.version, context=caller
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


def _notice(notice: Notice, message: Message | None, places: BranchDirectory) -> wire.Notice:
    return wire.Notice(
        id=str(notice.id),
        member_id=str(notice.member_id or ""),
        kind=notice.kind,
        loan_id=str(notice.loan_id or ""),
        item_id=str(notice.item_id or ""),
        title=notice.title,
        state=notice.state,
        reason=notice.reason,
        made_at=timestamp(notice.made_at),
        due_at=timestamp(notice.due_at),
        changed_at=timestamp(notice.changed_at),
        channel=message.channel if message is not None else "",
        message_id=str(notice.message_id or ""),
        language=message.language if message is not None else "",
        zone=places.zone_of(notice.institution_id, notice.branch_id),
    )


def _attempt(attempt: Attempt) -> wire.Attempt:
    return wire.Attempt(
        id=str(attempt.id),
        channel=attempt.channel,
        provider_id=attempt.provider_id,
        state=attempt.state,
        reason=attempt.reason,
        started_at=timestamp(attempt.started_at),
        ended_at=timestamp(attempt.ended_at),
    )


def _rules(row: SendingRules) -> wire.SendingRules:
    return wire.SendingRules(opens=row.opens, closes=row.closes, version=row.version)
