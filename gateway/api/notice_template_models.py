"""Models of the routes of notice templates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.models import Body, ResponseModel
from rangkiang.common.v1.models import Text
from rangkiang.notifications.v1 import templates_pb2 as wire

# The service checks kinds, channels and languages; this pattern only bounds the input.
NAME_PATTERN = r"^[a-z_]{1,32}$"


class ProviderBody(Body):
    """A template that WhatsApp has approved."""

    name: str = Field("", description="Name of the template.", max_length=128, examples=["pengingat_kembali"])
    language: str = Field("", description="The provider's language code.", max_length=16, examples=["id"])
    parameters: list[Annotated[str, Field(max_length=64)]] = Field(
        [], description="Names of the variables, in order.", max_length=20, examples=[["institution_name", "title"]]
    )


class NoticeTextBody(Body):
    """The text of a template."""

    subject: str = Field("", description="Subject, except for WhatsApp and SMS: one line without personal data.",
                         max_length=500, examples=["Batas kembali buku: {{ due_on|date }}"])  # fmt: skip
    body: str = Field(
        description="Body, with variables and the markup of docs/notices.md.",
        max_length=20_000,
        examples=["Yth. {{ recipient_name }},\n\n**{{ title }}** kembali paling lambat {{ due_on|date }}."],
    )
    provider: ProviderBody | None = Field(None, description="The approved template; only for WhatsApp.")

    def message(self) -> wire.TemplateText:
        provider = wire.ProviderTemplate(**self.provider.model_dump()) if self.provider else None
        return wire.TemplateText(subject=self.subject, body=self.body, provider=provider)


class RestoreBody(Body):
    """The version to restore."""

    version: int = Field(description="An earlier version; 0 is the default text.", ge=0, le=10**12, examples=[1])


class PreviewBody(Body):
    """A preview of `text`, or of the template in force when `text` is absent."""

    kind: str = Field(description="Kind of notices.", pattern=NAME_PATTERN, examples=["due_soon"])
    channel: str = Field(description="email, whatsapp, sms, push or print.", pattern=NAME_PATTERN, examples=["sms"])
    language: str = Field(description="id or en.", pattern=NAME_PATTERN, examples=["id"])
    text: NoticeTextBody | None = Field(None, description="A text that is not saved yet.")
    facts: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=500)]] = Field(
        {},
        description="Values of variables, such as those of a loan; other variables get sample values.",
        max_length=40,
        examples=[{"title": "Robohnya Surau Kami"}],
    )


class NoticeTestBody(Body):
    """The caller's own address for tests. Without a body the test goes to the confirmed address."""

    to: str = Field(
        "",
        description="Your e-mail address or phone number. A code is sent to an address that is not confirmed.",
        max_length=254,
        examples=["081234567890"],
    )
    code: str = Field("", description="The code that was sent to the address, which confirms it.", max_length=16)


class NoticeTest(ResponseModel):
    """The result of a test."""

    state: str
    """accepted, temporary, permanent or unknown; code_sent if a code was sent in place of the test; started for a
    repeated request."""
    reason: str
    """Reason code; empty when there is none."""


class Provider(ResponseModel):
    """A template that is stored at the provider."""

    name: str
    """Name of the template; empty for channels that have none."""
    language: str
    """The provider's language code."""
    parameters: list[str]
    """Names of the variables; in a preview, their values."""


class TemplateText(ResponseModel):
    """The text of a template."""

    subject: str
    """Subject of e-mails, push messages and letters."""
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
    """Version, for If-Match; 0 for the default text."""
    text: TemplateText
    """The text."""
    saved_by: str
    """Account (UUID) that saved the version; empty for version 0."""
    saved_at: str | None = None
    """Time at which the version was saved, ISO 8601 in UTC."""


class TemplateVersions(ResponseModel):
    """The versions of a template."""

    total: int
    """Number of versions in the list."""
    hits: list[Template]
    """The versions, the newest first; at most 100."""


class TemplateVariable(ResponseModel):
    """A variable that a template may use."""

    name: str
    """Name, as used in a text."""
    label: Text
    """Description."""
    type: str
    """text, date, moment, number, flag, link, code or list."""
    in_subject: bool
    """True when the variable has no personal data, so that a subject may use it."""
    is_required: bool
    """True when each text must use this variable, or an alternative in the same group of required variables."""
    fields: list[str]
    """Fields of each entry, for a list."""


class TemplateKind(ResponseModel):
    """A kind of notices."""

    name: str
    """Code of the kind."""
    label: Text
    """Name of the kind."""
    channels: list[str]
    """Channels that send this kind; the setting CHANNELS decides their order."""
    variables: list[TemplateVariable]
    """Variables that templates of this kind may use."""
    is_digest: bool
    """True when the notices of a day are combined in one message."""
    is_marketing: bool
    """True when sending needs the member's consent."""
    has_code: bool
    """True when the text has a one-time code."""


class SavedTemplate(ResponseModel):
    """A template that the institution has saved."""

    kind: str
    """Kind of notices."""
    channel: str
    """email, whatsapp, sms, push or print."""
    language: str
    """id or en."""
    version: int
    """The newest version."""


class Templates(ResponseModel):
    """Kinds of notices, and the templates that the institution has saved."""

    kinds: list[TemplateKind]
    """All kinds."""
    channels: list[str]
    """All channels."""
    saved: list[SavedTemplate]
    """Templates that differ from the default text."""


class NoticePreview(ResponseModel):
    """A rendered notice."""

    subject: str
    """Subject of e-mails, push messages and letters."""
    text: str
    """Plain text."""
    html: str
    """HTML, for e-mail."""
    provider: Provider
    """For WhatsApp: the provider's template with the values of its parameters."""
    sms_length: int
    """For SMS: number of characters; one message has at most 160."""
    sms_messages: int
    """For SMS: number of messages that are charged."""
