"""RPCs for templates: texts and previews."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from chassis.sentences import LocalText
from rangkiang.common.v1 import text_pb2
from rangkiang.notifications.v1 import templates_pb2 as wire
from services.notifications import staff_addresses
from services.notifications.channels.port import Channel
from services.notifications.ledger import channels_of
from services.notifications.rpc.template_tests import account_key, find_channel, sample_facts
from services.notifications.tables import Institution
from services.notifications.templates import gsm
from services.notifications.templates.kinds import CHANNELS, KINDS, Kind, Source
from services.notifications.templates.rendering import Rendered, refuse_faulty, render_source
from services.notifications.templates.store import (
    StoredTemplate,
    TemplateKey,
    list_versions,
    restore_template,
    save_template,
    saved_versions,
    template_in_force,
    template_key,
)

MOST_FACTS, LONGEST_FACT = 40, 500


class TemplateMethods:
    """The part of the servicer for templates."""

    channels: tuple[Channel, ...]

    @reads
    def ListTemplates(
        self, _request: wire.ListTemplatesRequest, session: Session, caller: Context
    ) -> wire.ListTemplatesReply:
        saved = saved_versions(session, parse_id(caller.institution))
        return wire.ListTemplatesReply(
            kinds=[_kind_message(kind) for kind in KINDS.values()],
            channels=CHANNELS,
            saved=[
                wire.SavedTemplate(kind=key.kind, channel=key.channel, language=key.language, version=version)
                for key, version in saved.items()
            ],
        )

    @reads
    def GetTemplate(self, request: wire.GetTemplateRequest, session: Session, caller: Context) -> wire.GetTemplateReply:
        template = template_in_force(session, parse_id(caller.institution), _key(request))
        channels = channels_of(session, parse_id(caller.institution), self.channels)
        channel = find_channel(channels, request.channel)
        own = account_key(caller, channel.address_kind) if channel is not None else None
        state = staff_addresses.address_state(session, own) if own is not None else ""
        return wire.GetTemplateReply(template=_message(template), test_address=state)

    @reads
    def ListTemplateVersions(
        self, request: wire.ListTemplateVersionsRequest, session: Session, caller: Context
    ) -> wire.ListTemplateVersionsReply:
        versions = list_versions(session, parse_id(caller.institution), _key(request))
        return wire.ListTemplateVersionsReply(versions=[_message(version) for version in versions])

    @writes_once
    def PutTemplate(self, request: wire.PutTemplateRequest, session: Session, caller: Context) -> wire.PutTemplateReply:
        saved = save_template(
            session,
            parse_id(caller.institution),
            _key(request),
            _source(request.text),
            version=request.version,
            context=caller,
        )
        return wire.PutTemplateReply(template=_message(saved))

    @writes_once
    def RestoreTemplate(
        self, request: wire.RestoreTemplateRequest, session: Session, caller: Context
    ) -> wire.RestoreTemplateReply:
        saved = restore_template(
            session,
            parse_id(caller.institution),
            _key(request),
            version=request.version,
            earlier=request.earlier,
            context=caller,
        )
        return wire.RestoreTemplateReply(template=_message(saved))

    @reads
    def PreviewNotice(
        self, request: wire.PreviewNoticeRequest, session: Session, caller: Context
    ) -> wire.PreviewNoticeReply:
        key = _key(request)
        kind = KINDS[key.kind]
        if len(request.facts) > MOST_FACTS or any(len(value) > LONGEST_FACT for value in request.facts.values()):
            raise Invalid("NOTICE_FACT_INVALID", kind=key.kind, fault=f"> {MOST_FACTS} / {LONGEST_FACT}")
        institution_id = parse_id(caller.institution)
        source = (
            _source(request.text)
            if request.HasField("text")
            else template_in_force(session, institution_id, key).source
        )
        refuse_faulty(source, kind, key.channel)
        facts = sample_facts(kind, key.language, session.get(Institution, institution_id))
        facts |= {name: value for name, value in request.facts.items() if name in kind.variables}
        rendered = render_source(source, kind=kind, channel=key.channel, language=key.language, facts=facts)
        return _preview(rendered, key.channel)


def _key(request: Any) -> TemplateKey:
    return template_key(request.kind, request.channel, request.language)


def _source(text: wire.TemplateText) -> Source:
    """Return the source from a message, with "\\n" as line ends."""
    return Source(
        subject=text.subject.strip(),
        body=text.body.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n",
        provider_name=text.provider.name.strip(),
        provider_language=text.provider.language.strip(),
        provider_parameters=tuple(text.provider.parameters),
    )


def _text_message(source: Source) -> wire.TemplateText:
    return wire.TemplateText(
        subject=source.subject,
        body=source.body,
        provider=wire.ProviderTemplate(
            name=source.provider_name, language=source.provider_language, parameters=source.provider_parameters
        ),
    )


def _message(template: StoredTemplate) -> wire.Template:
    return wire.Template(
        kind=template.key.kind,
        channel=template.key.channel,
        language=template.key.language,
        version=template.version,
        text=_text_message(template.source),
        saved_by=template.saved_by,
        saved_at=timestamp(template.saved_at),
    )


def _kind_message(kind: Kind) -> wire.TemplateKind:
    required = {name for names in kind.requires for name in names.split("|")}
    return wire.TemplateKind(
        name=kind.name,
        label=_local(kind.label),
        channels=kind.channels,
        variables=[
            wire.TemplateVariable(
                name=variable.name,
                label=_local(variable.label),
                type=variable.type,
                in_subject=variable.in_subject,
                is_required=variable.name in required,
                fields=variable.fields,
            )
            for variable in kind.variables.values()
        ],
        is_digest=not kind.goes_at_once,
        is_marketing=kind.basis == "marketing",
        has_code=kind.has_code,
    )


def _preview(rendered: Rendered, channel: str) -> wire.PreviewNoticeReply:
    length, messages = gsm.length(rendered.text) if channel == "sms" else (0, 0)
    reply = wire.PreviewNoticeReply(
        subject=rendered.subject, text=rendered.text, html=rendered.html or "", sms_length=length, sms_messages=messages
    )
    if rendered.provider is not None:
        reply.provider.name = rendered.provider.name
        reply.provider.language = rendered.provider.language
        reply.provider.parameters.extend(rendered.provider.parameters)
    return reply


def _local(text: LocalText) -> text_pb2.LocalText:
    return text_pb2.LocalText(id=text.id, en=text.en)
