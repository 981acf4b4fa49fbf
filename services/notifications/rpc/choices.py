"""RPCs for preferences, for members and for the desk, and for the print list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import grpc
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.audit.access_log import AccessLog
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, Refused
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.members.v1 import contacts_pb2
from rangkiang.notifications.v1 import notices_pb2 as wire
from rangkiang.notifications.v1 import print_pb2
from services.notifications import preferences
from services.notifications.channels.port import Channel
from services.notifications.institutions import own_zone
from services.notifications.keys import read_own_master
from services.notifications.ledger import channels_of, require_member
from services.notifications.members import hash_address, kept_id
from services.notifications.preferences import ALL, Answer, Choices
from services.notifications.rpc.sending import ServiceOwners
from services.notifications.sending import letters
from services.notifications.sending.letters import ListedLetter
from services.notifications.sending.owners import MOST_ASKED
from services.notifications.sending.recipients import NO_CHANNEL, find_recipient
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import RefusedAddress
from services.notifications.templates.kinds import CHANNELS, KINDS, template_channel
from services.notifications.templates.letter_pdf import print_letters

MOST_HANDED_OVER = 1_000
MOST_ANSWERS = 200


class ChoiceMethods:
    """The part of the servicer for preferences, and for the print list of members without a channel."""

    _database: Database
    _access_log: AccessLog
    owners: ServiceOwners
    channels: tuple[Channel, ...]
    _settings: NotificationsSettings

    @reads
    def GetPreferences(
        self, request: wire.GetPreferencesRequest, session: Session, caller: Context
    ) -> wire.GetPreferencesReply:
        member = require_member(session, request.member_id)
        return wire.GetPreferencesReply(preferences=self._preferences(session, member.id, caller))

    @writes_once
    def PutPreferences(
        self, request: wire.PutPreferencesRequest, session: Session, caller: Context
    ) -> wire.PutPreferencesReply:
        member = require_member(session, request.member_id)
        self._replace(session, member.id, caller, request)
        return wire.PutPreferencesReply(preferences=self._preferences(session, member.id, caller))

    @reads
    def GetOwnPreferences(
        self, _request: wire.GetOwnPreferencesRequest, session: Session, caller: Context
    ) -> wire.GetOwnPreferencesReply:
        member_id = kept_id(session, parse_id(caller.actor))
        return wire.GetOwnPreferencesReply(preferences=self._preferences(session, member_id, caller))

    @writes_once
    def PutOwnPreferences(
        self, request: wire.PutOwnPreferencesRequest, session: Session, caller: Context
    ) -> wire.PutOwnPreferencesReply:
        member_id = kept_id(session, parse_id(caller.actor))
        self._replace(session, member_id, caller, request)
        return wire.PutOwnPreferencesReply(preferences=self._preferences(session, member_id, caller))

    def _preferences(self, session: Session, member_id: UUID, caller: Context) -> wire.Preferences:
        answers = [
            wire.Preference(kind=answer.kind, channel=answer.channel, allowed=answer.allowed)
            for answer in preferences.list_answers(session, member_id)
        ]
        offered = self._offered(session, caller)
        choices = preferences.choices_of(preferences.answers_of(session, [member_id])[member_id], offered)
        return wire.Preferences(
            answers=answers,
            kinds=preferences.kinds(),
            channels=offered,
            choices=wire.NoticeChoices(kinds=choices.kinds, channels=choices.channels),
        )

    def _replace(
        self,
        session: Session,
        member_id: UUID,
        caller: Context,
        request: wire.PutPreferencesRequest | wire.PutOwnPreferencesRequest,
    ) -> None:
        answers = [Answer(answer.kind or ALL, answer.channel or ALL, answer.allowed) for answer in request.preferences]
        if len(answers) > MOST_ANSWERS:
            raise Invalid("NOTICES_TOO_MANY", most=MOST_ANSWERS)
        if request.HasField("choices"):
            if answers:
                raise Invalid("PREFERENCES_TWICE")
            choices = Choices(tuple(request.choices.kinds), tuple(request.choices.channels))
            before = preferences.answers_of(session, [member_id])[member_id]
            answers = preferences.choose(before, choices, self._offered(session, caller))
        preferences.replace_answers(session, member_id, parse_id(caller.institution), answers)
        facts = {f"{answer.kind}/{answer.channel}": answer.allowed for answer in answers}
        _record(session, caller, "notifications.put_preferences", member_id, facts)

    def _offered(self, session: Session, caller: Context) -> list[str]:
        """Return the template channels over which the caller's institution reaches members."""
        used = {
            template_channel(channel.name, channel.address_kind)
            for channel in channels_of(session, parse_id(caller.institution), self.channels)
            if channel.address_kind != "none"
        }
        return [name for name in CHANNELS if name in used]

    @writes
    def OptOut(self, request: wire.OptOutRequest, session: Session, caller: Context) -> wire.OptOutReply:
        kind, channel = request.kind or ALL, request.channel or ALL
        institution_id = parse_id(caller.institution)
        member_id = kept_id(session, parse_id(caller.actor))
        preferences.opt_out(session, member_id, institution_id, kind=kind, channel=channel)
        _record(session, caller, "notifications.opt_out", member_id, {"kind": kind, "channel": channel})
        return wire.OptOutReply(kind=kind, channel=channel)

    def CheckCode(self, request: wire.CheckCodeRequest, context: grpc.ServicerContext) -> wire.CheckCodeReply:
        caller, member_id = rpc.context(context), parse_id(request.member_id)
        contact = self.owners.contacts([member_id]).get(member_id)
        # The service members refuses unknown members.
        if contact is not None and contact.institution_id == caller.institution:
            with self._database.reading(caller) as session:
                channels = channels_of(session, parse_id(caller.institution), self.channels)
                refused = session.scalars(
                    select(RefusedAddress.address_hash).where(RefusedAddress.member_id == member_id)
                ).all()
            hash_of = self._hash_of(parse_id(caller.institution)) if refused else str.encode
            recipient = find_recipient(
                contact,
                KINDS["slip"],
                channels=channels,
                answers={},
                refused=refused,
                hash_of=hash_of,
                is_requested=True,
            )
            if not recipient.options:
                raise Refused("CODE_NO_CHANNEL" if recipient.reason == NO_CHANNEL else "CODE_NO_ADDRESS")
        return wire.CheckCodeReply()

    def _hash_of(self, institution_id: UUID) -> Callable[[str], bytes]:
        return partial(hash_address, read_own_master(self._database, self._settings.master_key), institution_id)

    def ListPrint(self, request: print_pb2.ListPrintRequest, context: grpc.ServicerContext) -> print_pb2.ListPrintReply:
        caller = rpc.context(context)
        listed, has_more = self._letters(caller, context, by=request.by)
        groups: dict[str, list[print_pb2.Letter]] = {}
        for entry in listed:
            letter = print_pb2.Letter(
                member_id=entry.contact.id,
                name=entry.recipient.name,
                address=entry.address,
                notice_ids=[str(notice.id) for notice in entry.notices],
                titles=[notice.title for notice in entry.notices if notice.title],
                oldest_at=timestamp(min(notice.made_at for notice in entry.notices)),
            )
            groups.setdefault(entry.group, []).append(letter)
        named = [print_pb2.PrintGroup(name=name, letters=of_group) for name, of_group in groups.items()]
        with self._database.reading(caller) as session:
            zone = own_zone(session, parse_id(caller.institution))
        return print_pb2.ListPrintReply(groups=named, zone=zone, has_more=has_more)

    def PrintLetters(
        self, request: print_pb2.PrintLettersRequest, context: grpc.ServicerContext
    ) -> print_pb2.PrintLettersReply:
        caller = rpc.context(context)
        paper = letters.check_paper(request.paper or "a4")
        only = {parse_id(member_id) for member_id in request.member_ids[:MOST_HANDED_OVER]}
        listed, _ = self._letters(caller, context, by=request.by, only=only)
        institution_id = parse_id(caller.institution)
        folded = letters.fold_letters(institution_id, listed)
        places = {question: self.owners.place(question) for question in {letter.place for letter in folded}}
        with self._database.reading(caller) as session:
            printed = letters.render_letters(session, institution_id, folded, places_named=places)
        # Outside the transaction, because a thousand letters take seconds.
        pdf = print_letters(printed, paper=paper)
        ids = [str(notice.id) for letter in listed for notice in letter.notices]
        return print_pb2.PrintLettersReply(pdf=pdf, letters=len(printed), notice_ids=ids)

    @writes_once
    def HandOver(
        self, request: print_pb2.HandOverRequest, session: Session, caller: Context
    ) -> print_pb2.HandOverReply:
        if len(request.notice_ids) > MOST_HANDED_OVER:
            raise Invalid("NOTICES_TOO_MANY", most=MOST_HANDED_OVER)
        ids = [parse_id(notice_id) for notice_id in request.notice_ids]
        count = letters.hand_over(session, parse_id(caller.institution), ids, context=caller)
        return print_pb2.HandOverReply(count=count)

    def _letters(
        self, caller: Context, grpc_context: Any, *, by: str, only: Collection[UUID] = ()
    ) -> tuple[list[ListedLetter], bool]:
        """Return the print list, and whether there is more. The service members records the read of addresses."""
        with self._database.reading(caller) as session:
            waiting = letters.printable(session, parse_id(caller.institution), only=only)
            session.expunge_all()
        metadata = [pair for pair in grpc_context.invocation_metadata() if pair[0] == "authorization"]
        contacts: dict[UUID, contacts_pb2.MemberContact] = {}
        ids = list(waiting.by_member)
        for start in range(0, len(ids), MOST_ASKED):
            contacts.update(self.owners.list_contacts(ids[start : start + MOST_ASKED], metadata))
        return letters.list_letters(waiting.by_member, contacts, by=by), waiting.has_more


def _record(session: Session, caller: Context, act: str, member_id: UUID, facts: Mapping[str, Any]) -> None:
    audit.record(session, caller, act, kind="member", object_id=member_id, facts=facts)
