"""The port of channels: messages, outcomes, and the parts of a channel's URL."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from chassis.errors import Invalid, Refused, Unavailable
from chassis.http.outgoing import NoReply, OutgoingClient, Reply
from chassis.institutions import SANDBOX

AddressKind = Literal["email", "phone", "push", "none"]
State = Literal["accepted", "temporary", "permanent", "unknown"]
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Control characters except tab and line feed, marks of text direction (such as U+202E), and lone surrogates.
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ProviderTemplate:
    """A template stored at the provider. Outside its 24-hour window WhatsApp accepts only these.

    parameters  texts for {{1}}, {{2}} …
    """

    name: str
    language: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered notice for one person.

    id               the same for each attempt: Message-ID of a mail, idempotency key of a provider
    kind             kind of the notice
    address          e-mail address, phone number in E.164, or subscriptions of browsers as a JSON list; "" for none
    subject          one line, without member data
    html             the same text as HTML; None without it
    unsubscribe_url  link that ends notices of this kind with one POST
    is_in_window     the person wrote to the library on this channel in the last 24 hours
    codes            parts of the text that only the person may see, such as a password code; logs hide them
    """

    id: str
    kind: str
    address: str
    language: str
    subject: str
    text: str
    html: str | None = None
    template: ProviderTemplate | None = None
    unsubscribe_url: str | None = None
    is_in_window: bool = False
    codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt.

    state                accepted   the provider has accepted the message
                         temporary  it was not accepted; a later attempt may succeed
                         permanent  it was not accepted, and a later attempt would fail too
                         unknown    it was handed over, but there was no answer
    provider_id          the provider's id of the message
    reason               stable, for machines: UPPER_SNAKE; without addresses and secrets
    retry_after_seconds  waiting time that the provider states
    is_address_bad       permanent because of the address, which is then stored as refused
    is_mailbox_full      temporary: the mailbox of the address is full; tried for a day, because its owner must act
    is_channel_down      the channel failed, not the message; this counts for the channel's circuit
    is_pending           unknown so far: the provider may still answer; `ask` returns its answer
    ended_endpoints      endpoints of browsers whose subscriptions have ended, for every outcome
    """

    state: State
    provider_id: str = ""
    reason: str = ""
    retry_after_seconds: int | None = None
    is_address_bad: bool = False
    is_mailbox_full: bool = False
    is_channel_down: bool = False
    is_pending: bool = False
    ended_endpoints: tuple[str, ...] = field(default=(), repr=False)


# Of channels without a provider.
NO_SIGN_IN = Outcome("accepted", reason="NO_SIGN_IN")


class Channel(Protocol):
    """A way to reach people.

    name           unique in CHANNELS; stored in rows of attempts
    address_kind   the kind of address that it sends to
    deduplicates   the person gets a message id only once, even if it is sent twice
    institution    code of the only institution that uses it; "" for all
    """

    name: str
    address_kind: AddressKind
    institution: str = ""
    deduplicates: bool = False

    def send(self, message: Message) -> Outcome:
        """Hand a message over. Refusals and failures of the provider are outcomes, not exceptions."""
        ...

    def ask(self, _message_id: str) -> Outcome | None:
        """Return the outcome of a message, which may be pending; None if the channel has no query for it."""
        return None

    def sign_in(self) -> Outcome | None:
        """Try the provider's sign-in without sending a message; None if there is no way to try it."""
        return None

    def close(self) -> None:
        """Close connections; a later `send` opens them again."""
        return


def call_provider(
    client: OutgoingClient, provider: str, method: str, url: str, *, content: bytes = b"",
    headers: Mapping[str, str],
) -> Reply | Outcome:  # fmt: skip
    """Return the reply of a provider, or the outcome of a message that has no reply.

    provider  the beginning of reasons: WHATSAPP or GATEWAY
    """
    try:
        return client.request(method, url, content=content, headers=headers)
    except NoReply:
        return Outcome("unknown", reason=f"{provider}_WITHOUT_REPLY", is_channel_down=True)
    except (Refused, Unavailable) as problem:
        # A reply that is too large may follow an accepted message. After a refused address nothing was sent.
        is_late = problem.reason == "OUTGOING_REPLY_TOO_LARGE"
        return Outcome("unknown" if is_late else "temporary", reason=problem.reason, is_channel_down=True)


def usable_by(institution: str, channels: Sequence[Channel]) -> tuple[Channel, ...]:
    """Return the channels that an institution, given by its code, uses; a sandbox sends nothing."""
    if institution.startswith(SANDBOX):
        return ()
    return tuple(channel for channel in channels if channel.institution in ("", institution))


@dataclass(frozen=True, slots=True)
class ChannelUrl:
    """The parts of a channel's URL. It is never printed, because user, password and options may be secrets.

    name     name of the channel: the option `name`, else the scheme
    options  decoded options, without the common ones (name, rate, burst) and the institution
    rate     messages a second; None for the default of the address kind
    burst    messages at once; None for the default of the address kind
    institution  see Channel
    """

    scheme: str
    name: str
    user: str = field(repr=False)
    password: str = field(repr=False)
    host: str
    port: int | None
    path: str
    options: dict[str, str] = field(repr=False)
    rate: float | None = None
    burst: int | None = None
    institution: str = ""

    def take(self, option: str, default: str = "") -> str:
        """Return an option and remove it, so that `finish` can find unknown options."""
        return self.options.pop(option, default)

    def take_seconds(self, option: str, default: float, *, most: int = 300) -> float:
        """Return an option as a number of seconds, more than 0 and at most `most`."""
        text = self.take(option, str(default))
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= most:
            raise Invalid("CHANNEL_OPTION_INVALID", channel=self.name, option=option, why=f"1 … {most}")
        return seconds

    def read_secret(self, file: Path) -> str:
        """Read a secret: the text of a file without leading and trailing whitespace.

        raises  Invalid  CHANNEL_FILE_UNUSABLE
        """
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as problem:
            raise self.unusable(file, problem) from None
        if not secret:
            raise Invalid("CHANNEL_FILE_UNUSABLE", channel=self.name, file=str(file), why="0 bytes")
        return secret

    def unusable(self, file: Path, problem: Exception) -> Invalid:
        """Return the error of a file that cannot be read."""
        why = problem.strerror if isinstance(problem, OSError) and problem.strerror else type(problem).__name__
        return Invalid("CHANNEL_FILE_UNUSABLE", channel=self.name, file=str(file), why=why)

    def finish(self) -> None:
        """Refuse options that the adapter does not know."""
        if self.options:
            raise Invalid("CHANNEL_OPTION_UNKNOWN", channel=self.name, option=", ".join(sorted(self.options)))


def send_and_wait(channel: Channel, message: Message, *, seconds: float = 60.0) -> Outcome:
    """Hand one message over, and wait for the outcome while it is pending."""
    outcome = channel.send(message)
    end = time.monotonic() + seconds
    while outcome.is_pending and time.monotonic() < end:
        time.sleep(0.2)
        outcome = channel.ask(message.id) or outcome
    return outcome


def is_whatsapp(name: str) -> bool:
    """Return whether a channel to phones, given by its name, uses the templates of WhatsApp, not those of SMS."""
    return "whatsapp" in name or name.startswith("wa")


def one_line(text: str, most: int = 200) -> str:
    """Return a text as one line: control characters and line separators become a blank, and long lines are cut."""
    line = " ".join(clean(_CONTROLS.sub(" ", text)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Return a text without invisible characters and without marks of text direction."""
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n"))


def hide_codes(message: Message, text: str) -> str:
    """Return a text of the message without its codes, for logs."""
    for code in sorted(filter(None, message.codes), key=len, reverse=True):
        text = text.replace(code, "•" * 8)
    return text


def masked(address: str) -> str:
    """Return an address with most of its characters masked, so that only its owner or a developer recognises it."""
    if "@" in address:
        local, _, domain = address.partition("@")
        return f"{local[:1]}…@{domain}"
    return f"…{address[-3:]}" if len(address) > 6 else "…"
