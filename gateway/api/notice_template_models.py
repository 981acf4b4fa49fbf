"""Models of the routes of templates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.api.member_models import Body
from gateway.api.schemas import ResponseModel, Text
from rangkiang.notifications.v1 import templates_pb2 as wire

# The service says which kinds, channels and languages there are; this only limits what a request can have.
NAME_PATTERN = r"^[a-z_]{1,32}$"


class ProviderBody(Body):
    """A template that WhatsApp has approved."""

    name: str = Field("", description="Its name.", max_length=128, examples=["pengingat_kembali"])
    language: str = Field("", description="As the provider names it.", max_length=16, examples=["id"])
    parameters: list[Annotated[str, Field(max_length=64)]] = Field(
        [], description="Names of variables, in their order.", max_length=20, examples=[["institution_name", "title"]]
    )


class NoticeTextBody(Body):
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
    """A preview; without a text, of the template in force."""

    kind: str = Field(description="Kind of notices.", pattern=NAME_PATTERN, examples=["due_soon"])
    channel: str = Field(description="email, whatsapp, sms, push or print.", pattern=NAME_PATTERN, examples=["sms"])
    language: str = Field(description="id or en.", pattern=NAME_PATTERN, examples=["id"])
    text: NoticeTextBody | None = Field(None, description="A text that is not saved yet.")
    facts: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=500)]] = Field(
        {},
        description="Values of variables, such as those of a loan; the others are samples.",
        max_length=40,
        examples=[{"title": "Robohnya Surau Kami"}],
    )


class NoticeTestBody(Body):
    """The address of a test."""

    to: str = Field(description="An e-mail address or a phone number.", max_length=254, examples=["081234567890"])


class NoticeTest(ResponseModel):
    """The outcome of a test."""

    state: str
    """accepted, temporary, permanent or unknown; started for a repeated request."""
    reason: str
    """Reason, for machines."""


class Provider(ResponseModel):
    """A template that is stored at the provider."""

    name: str
    """Its name; empty for channels without one."""
    language: str
    """As the provider names it."""
    parameters: list[str]
    """Names of variables; in a preview their values."""


class TemplateText(ResponseModel):
    """The text of a template."""

    subject: str
    """Subject of mails, push messages and letters."""
    body: str
    """Body, with variables and markup."""
    provider: Provider
    """The provider's template, for WhatsApp."""


class Template(ResponseModel):
    """The text of a kind of notice for a channel and a language."""

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
    """A variable that a template may use."""

    name: str
    """Its name in a text."""
    label: Text
    """Its description."""
    type: str
    """text, date, moment, number, flag, link, code or list."""
    in_subject: bool
    """True when it has no data of a member."""
    is_required: bool
    """True when each text must use it, or another of those that are required together."""
    fields: list[str]
    """For a list: the fields of each entry."""


class TemplateKind(ResponseModel):
    """A kind of notices."""

    name: str
    """Its code."""
    label: Text
    """Its name."""
    channels: list[str]
    """Channels that are used when a member chose none, in their order."""
    variables: list[TemplateVariable]
    """Variables of its templates."""
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
    """Templates that differ from the default text."""


class NoticePreview(ResponseModel):
    """A rendered notice."""

    subject: str
    """Subject of mails, push messages and letters."""
    text: str
    """Plain text."""
    html: str
    """HTML of mails."""
    provider: Provider
    """For WhatsApp: the provider's template with the values of its parameters."""
    sms_length: int
    """For SMS: number of characters; 160 fit into one message."""
    sms_messages: int
    """For SMS: number of messages that are charged."""
