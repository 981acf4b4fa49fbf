"""WhatsApp's Cloud API: templates that Meta has approved, and free text within 24 hours after the person wrote.

Statuses (delivered, read, failed) and messages of people arrive as callbacks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.addresses import Networks
from chassis.errors import Invalid
from chassis.http.outgoing import OutgoingClient, Reply
from services.notifications.channels.opening import parse_channels
from services.notifications.channels.port import (
    AddressKind,
    Channel,
    ChannelUrl,
    Message,
    Outcome,
    call_provider,
    clean,
    is_whatsapp,
    one_line,
)
from services.notifications.settings import NotificationsSettings

HOST = "graph.facebook.com"
VERSION = "v23.0"
TIMEOUT_SECONDS = 20.0
SECRET_FILE, VERIFY_TOKEN_FILE = "secret-file", "verify-token-file"
MOST_TEXT = 4_096
MOST_PARAMETER = 1_024
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ID = re.compile(r"[0-9]{5,20}")
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]")

# Error codes, grouped by the reaction of the sender. Other codes are refusals of this message, such as those of
# templates (132000 to 132018) and of marketing (130472, 131049, 131050).
# https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes (of 18 June 2026)
# Too many messages to one person in a short time; messages to others can be sent.
PAIR_LIMIT = 131056
# The limit of the application, of the account, or of the number's throughput.
TOO_FAST = frozenset({4, 80007, 130429})
# 131057 and 2494100: the account or its number is in maintenance.
AWAY = frozenset({1, 2, 131000, 131016, 131057, 133004, 2494100})
# The key (0, 190), permissions (3, 10, 131005), the number (33 deleted, 131037 without an approved name, 131045, 133006
# and 133010 not registered), bans (368, 131031), quality (131048) or payment (131042): staff must act first.
NEEDS_STAFF = frozenset({0, 3, 10, 33, 190, 368, 131005, 131031, 131037, 131042, 131045, 131048, 133006, 133010})
PERMISSIONS = range(200, 300)
# 131026: not on WhatsApp, an old version, or terms not accepted; 131021: the library's own number.
BAD_ADDRESS = frozenset({131021, 131026})
WINDOW_CLOSED = 131047


@dataclass(frozen=True, slots=True)
class Number:
    """A number whose callbacks are accepted.

    id            phone_number_id of Meta
    channel       name of its channel
    secret        app secret that signs its callbacks; "" for callbacks that are not expected
    verify_token  token with which Meta verifies the address of callbacks
    """

    id: str
    channel: str
    secret: str = field(repr=False)
    verify_token: str = field(repr=False)


def read_numbers(own: NotificationsSettings) -> list[Number]:
    """Return the numbers of CHANNELS. Without a file in its URL, a number has the secrets of the settings.

    raises  Invalid      CHANNEL_FILE_UNUSABLE, and errors of `parse_channels`
            Unavailable  SECRET_FILE_UNUSABLE
    """
    secret, verify_token = own.whatsapp_app_secret, own.whatsapp_verify_token
    return [
        Number(
            url.host,
            url.name,
            url.read_secret(Path(file)) if (file := url.take(SECRET_FILE)) else secret,
            url.read_secret(Path(file)) if (file := url.take(VERIFY_TOKEN_FILE)) else verify_token,
        )
        for url in parse_channels(own.channels)
        if url.scheme == "whatsapp"
    ]


class WhatsAppChannel(Channel):
    """Sends from a number of the library.

    The Cloud API has no idempotency key, so a second request sends a second message, and no query for the status of a
    message: its callbacks contain our id.
    """

    address_kind: AddressKind = "phone"

    def __init__(self, name: str, *, url: str, token: str, client: OutgoingClient, institution: str = "") -> None:
        self.name = name
        self.institution = institution
        self._url = url
        self._token = token
        self._client = client

    def __repr__(self) -> str:
        return f"WhatsAppChannel({self.name!r}, {self._url})"

    def send(self, message: Message) -> Outcome:
        """Hand a message over: as free text within the 24-hour window, else as the provider's template."""
        if not _E164.fullmatch(message.address):
            return Outcome("permanent", reason="ADDRESS_INVALID", is_address_bad=True)
        content = _content(message)
        if content is None:
            return Outcome("permanent", reason="WINDOW_CLOSED")
        document = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.address[1:],
            # Each status contains this id, even if the answer to this request is lost.
            "biz_opaque_callback_data": message.id,
            **content,
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        body = json.dumps(document).encode()
        reply = call_provider(self._client, "WHATSAPP", "POST", self._url, content=body, headers=headers)
        return reply if isinstance(reply, Outcome) else _judge(reply)

    def sign_in(self) -> Outcome:
        """Read the number of the library, which needs the token."""
        url = self._url.removesuffix("/messages") + "?fields=id"
        reply = call_provider(self._client, "WHATSAPP", "GET", url, headers={"Authorization": f"Bearer {self._token}"})
        if isinstance(reply, Outcome):
            return reply
        return Outcome("accepted") if 200 <= reply.status < 300 else _judge(reply)


def outcome_of_error(code: int, *, retry_after_seconds: int | None = None) -> Outcome:
    """Return the outcome for an error code of a reply or of a status `failed`."""
    reason = f"WHATSAPP_{code}"
    if code == PAIR_LIMIT:
        return Outcome("temporary", reason=reason, retry_after_seconds=retry_after_seconds or 60)
    if code in TOO_FAST:
        return Outcome("temporary", "", reason, retry_after_seconds or 60, is_channel_down=True)
    if code in AWAY or code in NEEDS_STAFF or code in PERMISSIONS:
        return Outcome("temporary", "", reason, retry_after_seconds, is_channel_down=True)
    if code in BAD_ADDRESS:
        return Outcome("permanent", reason=reason, is_address_bad=True)
    if code == WINDOW_CLOSED:
        return Outcome("permanent", reason="WINDOW_CLOSED")
    return Outcome("permanent", reason=reason)


def _content(message: Message) -> dict[str, Any] | None:
    if message.is_in_window or message.template is None:
        if not message.is_in_window:
            return None
        text = clean(message.text).strip()
        if len(text) > MOST_TEXT:
            text = text[: MOST_TEXT - 1].rstrip() + "…"
        # Without a preview, because WhatsApp's servers would open links that act for a member.
        return {"type": "text", "text": {"preview_url": False, "body": text}}
    template = message.template
    # A parameter may not have line feeds, tabs or four blanks in a row (error 132018), and may not be empty.
    parameters = [{"type": "text", "text": one_line(text, MOST_PARAMETER) or "–"} for text in template.parameters]
    components = [{"type": "body", "parameters": parameters}] if parameters else []
    content = {"name": template.name, "language": {"code": template.language}, "components": components}
    return {"type": "template", "template": content}


def _judge(reply: Reply) -> Outcome:
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        document = {}
    if 200 <= reply.status < 300:
        messages = document.get("messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        if isinstance(first, dict) and isinstance(first.get("id"), str):
            return Outcome("accepted", provider_id=first["id"][:200])
        return Outcome("unknown", reason="WHATSAPP_WITHOUT_ID", is_channel_down=True)
    error = document.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    seconds = reply.retry_after_seconds()
    if isinstance(code, int) and code not in {0, 1}:
        return outcome_of_error(code, retry_after_seconds=seconds)
    reason = f"WHATSAPP_HTTP_{reply.status}"
    if reply.status == 429:
        return Outcome("temporary", "", reason, seconds or 60)
    if reply.status >= 500 or reply.status in {401, 403, 408} or isinstance(code, int):
        return Outcome("temporary", "", reason, seconds, is_channel_down=True)
    return Outcome("permanent", reason=reason)


def open_whatsapp(url: ChannelUrl, *, allowed_networks: Networks = ()) -> WhatsAppChannel:
    """Open `whatsapp://PHONE_NUMBER_ID?token-file=/run/secrets/whatsapp&version=v23.0`.

    Options: token-file or token, version, host (for another provider with the same API), tls (none for tests), timeout,
    institution, and for callbacks secret-file and verify-token-file, see `read_numbers`.

    raises  Invalid  CHANNEL_NEEDS, CHANNEL_OPTION_INVALID, CHANNEL_OPTION_UNKNOWN, CHANNEL_FILE_UNUSABLE
    """
    if not _ID.fullmatch(url.host):
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="whatsapp://PHONE_NUMBER_ID")
    if not is_whatsapp(url.name):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="name", why="wa…, whatsapp…")
    for option in (SECRET_FILE, VERIFY_TOKEN_FILE):
        if file := url.take(option):
            url.read_secret(Path(file))
    version = url.take("version", VERSION)
    if not _VERSION.fullmatch(version):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="version", why=VERSION)
    file, token = url.take("token-file"), url.take("token")
    if not file and not token:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="token-file")
    token = url.read_secret(Path(file)) if file else token
    if not (token.isascii() and token.isprintable()):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="token", why="ASCII")
    host = url.take("host", HOST)
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,255}", host):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="host", why=HOST)
    tls = url.take("tls", "implicit")
    if tls not in {"implicit", "none"}:
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="tls", why="implicit, none")
    seconds = url.take_seconds("timeout", TIMEOUT_SECONDS)
    url.finish()
    # Without TLS only allowed networks are called.
    scheme = "https" if tls == "implicit" else "http"
    client = OutgoingClient(allowed=allowed_networks, total_seconds=seconds)
    messages_url = f"{scheme}://{host}/{version}/{url.host}/messages"
    return WhatsAppChannel(url.name, url=messages_url, token=token, client=client, institution=url.institution)
