"""Channels without a provider: the console of a developer, and the list of letters to print."""

from __future__ import annotations

import logging

from chassis.addresses import Networks
from chassis.errors import Invalid
from services.notifications.channels.port import (
    NO_SIGN_IN,
    AddressKind,
    Channel,
    ChannelUrl,
    Message,
    Outcome,
    hide_codes,
    masked,
    one_line,
)

_log = logging.getLogger(__name__)


class ConsoleChannel(Channel):
    """Writes messages to the log instead of sending them, without codes and with masked addresses."""

    deduplicates = True

    def __init__(self, name: str, address_kind: AddressKind) -> None:
        self.name = name
        self.address_kind = address_kind

    def send(self, message: Message) -> Outcome:
        """Log the message."""
        text = hide_codes(message, message.text).strip()
        # A text must not be able to imitate a line of the log.
        lines = [one_line(line, 2_000) for line in text.splitlines()]
        head = f"{message.kind} → {masked(message.address)}: {one_line(hide_codes(message, message.subject))}"
        # One log record for each line, because the log escapes line ends within a record.
        for line in (head, *lines):
            _log.info("notice | %s", line)
        return Outcome("accepted", provider_id=message.id)

    def sign_in(self) -> Outcome:
        return NO_SIGN_IN


class PrintChannel(Channel):
    """Accepts every message. The notice is on the print list until staff mark it as handed over."""

    address_kind: AddressKind = "none"
    deduplicates = True

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, message: Message) -> Outcome:
        """Accept the message, which the print list shows."""
        return Outcome("accepted", provider_id=message.id)

    def ask(self, message_id: str) -> Outcome | None:
        """Return the same outcome as `send`, because the row still exists."""
        return Outcome("accepted", provider_id=message_id)

    def sign_in(self) -> Outcome:
        return NO_SIGN_IN


def open_console(url: ChannelUrl, *, allowed_networks: Networks = ()) -> ConsoleChannel:
    """Open `console:` or `console:?address=phone`. Without the option the channel is for mails."""
    kind = url.take("address", "email")
    if kind not in {"email", "phone", "push", "none"}:
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="address", why="email, phone, push, none")
    url.finish()
    return ConsoleChannel(url.name, kind)  # type: ignore[arg-type]


def open_print(url: ChannelUrl, *, allowed_networks: Networks = ()) -> PrintChannel:
    """Open `print:`."""
    url.finish()
    return PrintChannel(url.name)
