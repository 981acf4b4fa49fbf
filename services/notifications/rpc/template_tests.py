"""The RPC with which staff send a test of a template to themselves."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import phonenumbers
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import audit, clock, rpc
from chassis.context import Context
from chassis.database import idempotency
from chassis.database.db import Database
from chassis.errors import Invalid, Refused, TooMany
from chassis.ids import new_id, parse_id
from chassis.sentences import LocalText, sentence
from rangkiang.notifications.v1 import templates_pb2 as wire
from services.notifications import staff_addresses
from services.notifications.channels.port import Channel, Message, Outcome, ProviderTemplate
from services.notifications.keys import read_own_master
from services.notifications.ledger import channels_of
from services.notifications.settings import NotificationsSettings
from services.notifications.staff_addresses import AccountKey
from services.notifications.tables import Institution
from services.notifications.templates.kinds import KINDS, Kind, template_channel
from services.notifications.templates.rendering import render_source
from services.notifications.templates.store import TemplateKey, template_in_force, template_key

MOST_TESTS_AN_HOUR, MOST_CODES_AN_HOUR = 10, 5
CODE_SENT = "code_sent"
_SEND_TEST, _ASK_CODE = "notifications.send_test", "notifications.ask_test_code"
_EMAIL = re.compile(r"[^\s@<>\"(),:;\\\[\]]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")


class TemplateTestMethods:
    """The part of the servicer for tests of templates."""

    _database: Database
    channels: tuple[Channel, ...]
    _settings: NotificationsSettings

    def SendTest(self, request: wire.SendTestRequest, context: grpc.ServicerContext) -> wire.SendTestReply:
        caller = rpc.context(context)
        key = template_key(request.kind, request.channel, request.language)
        with self._database.reading(caller) as session:
            channel = _channel(channels_of(session, parse_id(caller.institution), self.channels), key.channel)
        own = account_key(caller, channel.address_kind)
        to, code = _address(request.to, channel), request.code.strip()
        with self._database.reading(caller) as session:
            is_known = bool(staff_addresses.address_state(session, own))
        if not to and not is_known:
            raise Invalid("NOTICE_TEST_CODE", field="code") if code else _missing()
        master = read_own_master(self._database, self._settings.master_key)
        if code:
            with self._database.transaction(caller) as session:
                staff_addresses.count_try(session, own)
        messages: list[Message] = []
        with self._database.transaction(caller) as session:

            def act() -> wire.SendTestReply:
                if code:
                    address = staff_addresses.confirm(session, master, own, code)
                else:
                    address = staff_addresses.confirmed_address(session, master, own)
                if to and to != address:
                    _record(session, caller, key, _ASK_CODE, most=MOST_CODES_AN_HOUR)
                    sent_code = staff_addresses.ask_code(session, master, own, to)
                    messages.append(_code_message(session, own.institution_id, key, to, sent_code))
                    return wire.SendTestReply(state=CODE_SENT)
                if not address:
                    raise _missing()
                _record(session, caller, key, _SEND_TEST, most=MOST_TESTS_AN_HOUR)
                messages.append(_test_message(session, own.institution_id, key, address))
                return wire.SendTestReply(state="started")

            reply = idempotency.once(session, caller, request, wire.SendTestReply, act)
        # After the transaction, which must not wait for a provider. A repeated call sends nothing.
        for message in messages:
            outcome: Outcome = channel.send(message)
            if reply.state != CODE_SENT or outcome.state != "accepted":
                reply = wire.SendTestReply(state=outcome.state, reason=outcome.reason)
        return reply


def account_key(caller: Context, address_kind: str) -> AccountKey:
    """Return the key of the caller's own address."""
    return AccountKey(parse_id(caller.institution), caller.actor, address_kind)


def find_channel(channels: tuple[Channel, ...], templates: str) -> Channel | None:
    """Return the first channel with an address for these templates; None without one."""
    for channel in channels:
        has_address = channel.address_kind in ("email", "phone")
        if has_address and template_channel(channel.name, channel.address_kind) == templates:
            return channel
    return None


def _channel(channels: tuple[Channel, ...], templates: str) -> Channel:
    channel = find_channel(channels, templates)
    if channel is None:
        raise Refused("NOTICE_TEST_CHANNEL", channel=templates)
    return channel


def _missing() -> Invalid:
    return Invalid("NOTICE_TEST_ADDRESS_MISSING", field="to")


def _record(session: Session, caller: Context, key: TemplateKey, act: str, *, most: int) -> None:
    """Record an act of the caller in the audit, at most so many times in an hour.

    raises  TooMany  NOTICE_TESTS_TOO_MANY
    """
    acts = audit.acts.c
    query = select(func.count()).where(
        acts.actor == caller.actor, acts.act == act, acts.at > clock.now() - timedelta(hours=1)
    )
    if (session.scalar(query) or 0) >= most:
        raise TooMany("NOTICE_TESTS_TOO_MANY", most=most)
    place = f"{key.kind}/{key.channel}/{key.language}"
    institution_id = parse_id(caller.institution)
    audit.record(session, caller, act, kind="template", object_id=institution_id, facts={"template": place})


def sample_facts(kind: Kind, language: str, institution: Institution | None) -> dict[str, Any]:
    """Return sample facts with the name of the institution."""
    facts = kind.sample_facts(language)
    if institution is not None:
        facts["institution_name"] = _name(institution, language)
    return facts


def _name(institution: Institution, language: str) -> str:
    return LocalText(institution.name_id, institution.name_en).in_language(language) or institution.code


def _test_message(session: Session, institution_id: UUID, key: TemplateKey, address: str) -> Message:
    source, kind = template_in_force(session, institution_id, key).source, KINDS[key.kind]
    facts = sample_facts(kind, key.language, session.get(Institution, institution_id))
    rendered = render_source(source, kind=kind, channel=key.channel, language=key.language, facts=facts)
    word = sentence("NOTICE_TEST_WORD").in_language(key.language)
    return Message(
        id=str(new_id()),
        kind=key.kind,
        address=address,
        language=key.language,
        subject=f"[{word}] {rendered.subject}",
        text=f"[{word}] {rendered.text}",
        html=rendered.html,
        template=rendered.provider,
    )


def _code_message(session: Session, institution_id: UUID, key: TemplateKey, address: str, code: str) -> Message:
    """Return the message with a code. It has no text of staff, because the address may be a stranger's."""
    institution = session.get(Institution, institution_id)
    facts = {
        "institution": _name(institution, key.language) if institution is not None else "",
        "code": code,
        "minutes": staff_addresses.CODE_LIVES.seconds // 60,
    }
    template = None
    if key.channel == "whatsapp":
        # WhatsApp accepts a code only in a template of its category Authentication, such as that of password codes.
        source = template_in_force(session, institution_id, TemplateKey("slip", "whatsapp", key.language)).source
        name = source.provider_name
        template = ProviderTemplate(name, source.provider_language, (code,)) if name else None
    return Message(
        id=str(new_id()),
        kind="test_code",
        address=address,
        language=key.language,
        subject=sentence("NOTICE_TEST_CODE_SUBJECT", **facts).in_language(key.language),
        text=sentence("NOTICE_TEST_CODE_TEXT", **facts).in_language(key.language),
        template=template,
    )


def _address(text: str, channel: Channel) -> str:
    """Return a typed address in the format of a channel; "" for none.

    raises  Invalid  NOTICE_TEST_ADDRESS
    """
    to = text.strip()
    if not to:
        return ""
    if channel.address_kind == "phone":
        try:
            number = phonenumbers.parse(to, "ID")
        except phonenumbers.NumberParseException:
            raise Invalid("NOTICE_TEST_ADDRESS", field="to") from None
        if not phonenumbers.is_possible_number(number):
            raise Invalid("NOTICE_TEST_ADDRESS", field="to")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not _EMAIL.fullmatch(to):
        raise Invalid("NOTICE_TEST_ADDRESS", field="to")
    return to
