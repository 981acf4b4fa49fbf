"""The port of channels: messages, outcomes, and the parts of a channel's URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from chassis.errors import Invalid

AddressKind = Literal["email", "phone", "push", "none"]
State = Literal["accepted", "temporary", "permanent", "unknown"]
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Controls but tab and line feed, directions of text (U+202E turns what follows around), and halves of characters.
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

    id               stable: a second attempt has the same; Message-ID of a mail, key against repetition of a provider
    kind             kind of the notice
    address          e-mail address, phone number in E.164, subscriptions of browsers as a JSON list; "" for none
    subject          one line, without member data
    html             the same text as HTML; None without it
    unsubscribe_url  link that ends notices of this kind with one POST
    is_in_window     the person wrote to the library on this channel in the last 24 hours
    codes            parts of the text that only the person may see, such as the code of a slip; no log has them
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
                         unknown    it was handed over and no answer came
    provider_id          the provider's id of the message
    reason               stable, for machines: UPPER_SNAKE; without addresses and secrets
    retry_after_seconds  the time to wait that the provider states
    is_address_bad       permanent because of the address: it is marked as refused, and the desk sees this
    is_channel_down      the channel and not the message failed: it counts for the channel's circuit
    ended_endpoints      of browsers whose subscriptions have ended, whatever became of the others
    """

    state: State
    provider_id: str = ""
    reason: str = ""
    retry_after_seconds: int | None = None
    is_address_bad: bool = False
    is_channel_down: bool = False
    ended_endpoints: tuple[str, ...] = field(default=(), repr=False)


class Channel(Protocol):
    """A way to reach people.

    name           unique in CHANNELS; rows of attempts have it
    address_kind   what it sends to
    deduplicates   a second sending of the same message id reaches the person once
    """

    name: str
    address_kind: AddressKind
    deduplicates: bool

    def send(self, message: Message) -> Outcome:
        """Hand a message over. Provider's refusals and failures are outcomes; nothing is raised for them."""
        ...

    def ask(self, message_id: str) -> Outcome | None:
        """Query the outcome of a message; None when the provider has no such query or does not know the message."""
        ...

    def close(self) -> None:
        """Close connections; a later `send` opens them again."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelUrl:
    """A channel's URL as parts. It is never printed: its user, its password and its options may be secrets.

    name     of the channel: the option `name`, else the scheme
    options  decoded, without the common ones
    rate     messages a second; None: the adapter's own default
    burst    messages at once; None: the adapter's own default
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

    def take(self, option: str, default: str = "") -> str:
        """Return an option and remove it, so that `finish` finds unknown options."""
        return self.options.pop(option, default)

    def take_seconds(self, option: str, default: float) -> float:
        """Return an option that is a number of seconds between 0 and 300."""
        text = self.take(option, str(default))
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= 300:
            raise Invalid("CHANNEL_OPTION_INVALID", channel=self.name, option=option, why="1 … 300")
        return seconds

    def read_secret(self, file: Path) -> str:
        """Read a secret: the text of a file without blanks and line feeds at its ends.

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


def one_line(text: str, most: int = 200) -> str:
    """Return a text as one line: control characters and line separators are a blank, and a long one is cut."""
    line = " ".join(clean(_CONTROLS.sub(" ", text)).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Return a text without invisible characters and without those that change the direction of text."""
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n"))


def hide_codes(message: Message, text: str) -> str:
    """Return a text of the message without its codes, for logs."""
    for code in sorted(filter(None, message.codes), key=len, reverse=True):
        text = text.replace(code, "•" * 8)
    return text


def masked(address: str) -> str:
    """Return an address with most of its characters masked; a developer still recognises it."""
    if "@" in address:
        local, _, domain = address.partition("@")
        return f"{local[:1]}…@{domain}"
    return f"…{address[-3:]}" if len(address) > 6 else "…"
