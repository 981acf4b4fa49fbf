"""Templates of notices: read, changed and returned to an earlier version; and previews of notices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import Body
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.schemas import ResponseModel, Text
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Notifications, call
from gateway.request_guard import accept_bodies
from rangkiang.notifications.v1 import templates_pb2 as wire

router = APIRouter(tags=["notice templates"], route_class=ApiRoute)

_SERVICE = "/rangkiang.notifications.v1.Notifications"
LONGEST_BODY_BYTES = 128 * 1024
# The service says which ones there are; these only limit what an address can have.
_NAME = r"^[a-z_]{1,32}$"
Kind = Annotated[str, Path(description="Kind of notices.", pattern=_NAME, examples=["due_soon"])]
Channel = Annotated[str, Path(description="email, whatsapp, sms, push or print.", pattern=_NAME, examples=["email"])]
Language = Annotated[str, Path(description="id or en.", pattern=_NAME, examples=["id"])]


class ProviderBody(Body):
    """A template that WhatsApp has approved."""

    name: str = Field("", description="Its name.", max_length=128, examples=["pengingat_kembali"])
    language: str = Field("", description="As the provider names it.", max_length=16, examples=["id"])
    parameters: list[Annotated[str, Field(max_length=64)]] = Field(
        [], description="Names of variables, in their order.", max_length=20, examples=[["institution_name", "title"]]
    )


class TextBody(Body):
    """The text of a template."""

    subject: str = Field("", description="Of mails, push messages and letters: one line without data of a member.",
                         max_length=500, examples=["Batas kembali buku: {{ due_on|date }}"])  # fmt: skip
    body: str = Field(
        description="With variables and the markup of docs/notices.md.",
        max_length=20_000,
        examples=["Yth. {{ recipient_name }},\n\n**{{ title }}** kembali paling lambat {{ due_on|date }}."],
    )
    provider: ProviderBody | None = Field(None, description="Of WhatsApp.")

    def message(self) -> wire.TemplateText:
        provider = wire.ProviderTemplate(**self.provider.model_dump()) if self.provider else None
        return wire.TemplateText(subject=self.subject, body=self.body, provider=provider)


class RestoreBody(Body):
    """The version to return to."""

    version: int = Field(description="An earlier version; 0 is the first text.", ge=0, le=10**12, examples=[1])


class PreviewBody(Body):
    """A notice to look at; without a text that of the template in force."""

    kind: str = Field(description="Kind of notices.", pattern=_NAME, examples=["due_soon"])
    channel: str = Field(description="email, whatsapp, sms, push or print.", pattern=_NAME, examples=["sms"])
    language: str = Field(description="id or en.", pattern=_NAME, examples=["id"])
    text: TextBody | None = Field(None, description="A text that is not saved yet.")
    facts: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=500)]] = Field(
        {},
        description="Values of variables, such as those of a loan; the others are samples.",
        max_length=40,
        examples=[{"title": "Robohnya Surau Kami"}],
    )


class TestBody(Body):
    """Where a test goes."""

    to: str = Field(description="An e-mail address or a phone number.", max_length=254, examples=["081234567890"])


class NoticeTest(ResponseModel):
    """What came of a test."""

    state: str
    """accepted, temporary, permanent or unknown; started for a repeated request."""
    reason: str
    """Why, for machines."""


class Provider(ResponseModel):
    """A template that the provider keeps."""

    name: str
    """Its name; empty for channels without one."""
    language: str
    """As the provider names it."""
    parameters: list[str]
    """Names of variables; in a preview their values."""


class TemplateText(ResponseModel):
    """The text of a template."""

    subject: str
    """Of mails, push messages and letters."""
    body: str
    """With variables and markup."""
    provider: Provider
    """Of WhatsApp."""


class Template(ResponseModel):
    """What a notice of a kind reads like on a channel in a language."""

    kind: str
    """Kind of notices."""
    channel: str
    """email, whatsapp, sms, push or print."""
    language: str
    """id or en."""
    version: int
    """0 for the text that every institution begins with."""
    text: TemplateText
    """The text."""
    saved_by: str
    """Account (UUID) that saved it; empty for version 0."""
    saved_at: str | None = None
    """When it was saved, ISO 8601 in UTC."""


class TemplateVersions(ResponseModel):
    """The versions of a template."""

    total: int
    """Versions in the list."""
    hits: list[Template]
    """The newest first; at most 100."""


class TemplateVariable(ResponseModel):
    """What a template may use."""

    name: str
    """As it is written in a text."""
    label: Text
    """What it is."""
    type: str
    """text, date, moment, number, flag, link, code or list."""
    in_subject: bool
    """True when it has no data of a member."""
    is_required: bool
    """True when each text must use it, or another of those that are required together."""
    fields: list[str]
    """Of a list: what each entry has."""


class TemplateKind(ResponseModel):
    """A kind of notices."""

    name: str
    """Its code."""
    label: Text
    """Its name."""
    channels: list[str]
    """Channels that are used when a member chose none, in their order."""
    variables: list[TemplateVariable]
    """What its templates may use."""
    is_digest: bool
    """True when it is folded into one message a day."""
    is_marketing: bool
    """True when it needs the member's consent."""
    has_code: bool
    """True when its text has a code that works once."""


class SavedTemplate(ResponseModel):
    """A template that the institution has saved."""

    kind: str
    """Kind of notices."""
    channel: str
    """Its channel."""
    language: str
    """Its language."""
    version: int
    """The newest version."""


class Templates(ResponseModel):
    """Kinds of notices, and the templates that the institution has saved."""

    kinds: list[TemplateKind]
    """Every kind."""
    channels: list[str]
    """Every channel."""
    saved: list[SavedTemplate]
    """Templates that are not the first text any more."""


class NoticePreview(ResponseModel):
    """What a notice reads like."""

    subject: str
    """Of mails, push messages and letters."""
    text: str
    """As plain text."""
    html: str
    """Of mails."""
    provider: Provider
    """Of WhatsApp, with the values of its parameters."""
    sms_length: int
    """Of SMS: places of its alphabet; 160 are one message."""
    sms_messages: int
    """Of SMS: messages that are paid for."""


_TEXT_EXAMPLE: dict[str, Any] = {
    "subject": "Batas kembali buku: {{ due_on|date }}",
    "body": "**{{ title }}** kembali paling lambat {{ due_on|date }}.\n",
    "provider": {"name": "", "language": "", "parameters": []},
}
_EXAMPLE = {"kind": "due_soon", "channel": "email", "language": "id", "version": 1, "text": _TEXT_EXAMPLE,
            "saved_by": "0192f3a4-5b6c-7d8e-9f01-23456789ab01", "saved_at": "2026-11-26T03:12:00Z"}  # fmt: skip
_LIST_EXAMPLE = {
    "kinds": [
        {
            "name": "due_soon",
            "label": {"id": "Pengingat sebelum batas kembali", "en": "Reminder before a book is due"},
            "channels": ["push", "whatsapp", "email", "sms", "print"],
            "variables": [
                {"name": "title", "label": {"id": "Judul buku", "en": "Title of the book"}, "type": "text",
                 "in_subject": False, "is_required": True, "fields": []},
            ],
            "is_digest": True, "is_marketing": False, "has_code": False,
        },
    ],
    "channels": ["email", "whatsapp", "sms", "push", "print"],
    "saved": [{"kind": "due_soon", "channel": "email", "language": "id", "version": 1}],
}  # fmt: skip
_PREVIEW_EXAMPLE = {
    "subject": "",
    "text": 'Perpustakaan Kota: "Kemarau" mohon dikembalikan paling lambat Selasa, 24 November 2026.',
    "html": "",
    "provider": {"name": "", "language": "", "parameters": []},
    "sms_length": 88,
    "sms_messages": 1,
}
_ONE = "/templates/{notice_kind}/{channel}/{language}"


@router.get(
    "/templates",
    response_model=Templates,
    **documented(operation="list_templates", summary="Kinds and templates", example=_LIST_EXAMPLE, errors=ERRORS),
)
async def list_all(request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications) -> Response:
    """Kinds of notices with the variables of their templates; and what the institution has saved."""
    reply = await call(request, notifications.ListTemplates, wire.ListTemplatesRequest())
    return private(Templates(**plain(reply)))


@router.get(
    _ONE,
    response_model=Template,
    **documented(operation="get_template", summary="A template", example=_EXAMPLE, errors=ERRORS),
)
async def get(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: Annotated[QueryModel, Query()],
    notifications: Notifications,
) -> Response:
    """The template in force; its version is also the ETag."""
    message = wire.GetTemplateRequest(kind=notice_kind, channel=channel, language=language)
    return _template((await call(request, notifications.GetTemplate, message)).template)


@router.put(
    _ONE,
    response_model=Template,
    **documented(
        operation="put_template",
        summary="Change a template",
        example=_EXAMPLE,
        errors=(*ERRORS, 409),
        method=f"{_SERVICE}/PutTemplate",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def put(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: TextBody,
    notifications: Notifications,
    version: Version,
) -> Response:
    """Save a new version. A text with an unknown or a missing variable is refused with its name and line."""
    message = wire.PutTemplateRequest(
        kind=notice_kind, channel=channel, language=language, version=version, text=body.message()
    )
    return _template((await call(request, notifications.PutTemplate, message)).template)


@router.get(
    f"{_ONE}/versions",
    response_model=TemplateVersions,
    **documented(
        operation="list_template_versions",
        summary="Versions of a template",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=ERRORS,
    ),
)
async def versions(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    query: Annotated[QueryModel, Query()],
    notifications: Notifications,
) -> Response:
    """Every version with who saved it and when, the newest first; version 0 is the first text."""
    message = wire.ListTemplateVersionsRequest(kind=notice_kind, channel=channel, language=language)
    reply = await call(request, notifications.ListTemplateVersions, message)
    hits = [Template(**plain(one)) for one in reply.versions]
    return private(TemplateVersions(total=len(hits), hits=hits))


@router.put(
    f"{_ONE}/versions",
    response_model=Template,
    **documented(
        operation="restore_template",
        summary="Return to an earlier version",
        example=_EXAMPLE,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/RestoreTemplate",
    ),
)
async def restore(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: RestoreBody,
    notifications: Notifications,
    version: Version,
) -> Response:
    """Save an earlier version once more as the newest."""
    message = wire.RestoreTemplateRequest(
        kind=notice_kind, channel=channel, language=language, version=version, earlier=body.version
    )
    return _template((await call(request, notifications.RestoreTemplate, message)).template)


@router.post(
    f"{_ONE}/test",
    response_model=NoticeTest,
    **documented(
        operation="send_notice_test",
        summary="Try a template",
        example={"state": "accepted", "reason": ""},
        errors=(*ERRORS, 409),
        method=f"{_SERVICE}/SendTest",
    ),
)
async def send_test(
    request: Request,
    notice_kind: Kind,
    channel: Channel,
    language: Language,
    body: TestBody,
    notifications: Notifications,
) -> Response:
    """Send the template in force with samples to an address of the caller: at most ten times an hour."""
    message = wire.SendTestRequest(kind=notice_kind, channel=channel, language=language, to=body.to)
    return private(NoticeTest(**plain(await call(request, notifications.SendTest, message))))


@router.post(
    "/notices/preview",
    response_model=NoticePreview,
    **documented(
        operation="preview_notice",
        summary="What a notice reads like",
        example=_PREVIEW_EXAMPLE,
        errors=ERRORS,
        method=f"{_SERVICE}/PreviewNotice",
    ),
)
@accept_bodies(LONGEST_BODY_BYTES)
async def preview(request: Request, body: PreviewBody, notifications: Notifications) -> Response:
    """Render a notice by the template in force or by a text that is not saved; nothing is saved or sent."""
    message = wire.PreviewNoticeRequest(
        kind=body.kind,
        channel=body.channel,
        language=body.language,
        text=body.text.message() if body.text else None,
        facts=body.facts,
    )
    reply = await call(request, notifications.PreviewNotice, message)
    return private(NoticePreview(**plain(reply)))


def _template(message: wire.Template) -> Response:
    response = private(Template(**plain(message)))
    # Version 0 has an ETag too: it is the one that the first PUT names.
    response.headers["ETag"] = version_tag(message.version)
    return response
