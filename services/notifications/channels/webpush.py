"""Web push: messages to browsers, encrypted for each (RFC 8291) and signed by the library (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from webpush import VAPID, WebPush, WebPushSubscription
from webpush.vapid import VAPIDException

from chassis.addresses import Networks
from chassis.errors import Invalid, Refused, Unavailable
from chassis.outgoing import NoReply, OutgoingClient
from services.notifications.channels.mail import parse_address
from services.notifications.channels.port import AddressKind, ChannelUrl, Message, Outcome, clean, one_line

PRIVATE_KEY, PUBLIC_KEY = "vapid-private.pem", "vapid-public.pem"
TTL_SECONDS = 86_400
# A record of RFC 8188 has 4,096 bytes; push services take no more than one.
MOST_BYTES = 3_000
MOST_DEVICES = 10
_SUBSCRIPTIONS = TypeAdapter(list[WebPushSubscription])
_ORDER = ("accepted", "unknown", "temporary", "permanent")
_LINK = re.compile(r"https?://[!-;=?-~]{1,800}")


class WebPushChannel:
    """Sends to the push service that a browser has named in its subscription."""

    address_kind: AddressKind = "push"
    # The message's topic replaces one that waits, and its tag one that is shown.
    deduplicates = True

    def __init__(self, name: str, *, encryption: WebPush, client: OutgoingClient) -> None:
        self.name = name
        self._encryption = encryption
        self._client = client

    def send(self, message: Message) -> Outcome:
        """Hand a message over to each browser of the person: accepted when one push service takes it."""
        try:
            subscriptions = _SUBSCRIPTIONS.validate_json(message.address)
            # As they were added: the validated address may be written in another way.
            endpoints = [entry["endpoint"] for entry in json.loads(message.address)]
        except ValidationError:
            subscriptions, endpoints = [], []
        pairs = zip(subscriptions[:MOST_DEVICES], endpoints[:MOST_DEVICES], strict=True)
        outcomes = [self._send(message, subscription, endpoint) for subscription, endpoint in pairs]
        if not outcomes:
            return Outcome("permanent", reason="ADDRESS_INVALID", is_address_bad=True)
        ended = tuple(endpoint for one in outcomes for endpoint in one.ended_endpoints)
        # One that may have the message comes before one that may get it later; the latter would show it twice.
        best = min(outcomes, key=lambda outcome: _ORDER.index(outcome.state))
        is_bad = all(outcome.is_address_bad for outcome in outcomes)
        return replace(best, ended_endpoints=ended, is_address_bad=is_bad)

    def _send(self, message: Message, subscription: WebPushSubscription, endpoint: str) -> Outcome:
        try:
            prepared = self._encryption.get(_payload(message), subscription)
        except ValueError:
            return _bad(endpoint, "ADDRESS_INVALID")
        headers = {
            **{name: str(value) for name, value in prepared.headers.items()},
            "Content-Type": "application/octet-stream",
            "Urgency": "normal",
            "Topic": _topic(message.id),
        }
        try:
            reply = self._client.request("POST", endpoint, content=prepared.encrypted, headers=headers)
        except NoReply:
            return Outcome("unknown", reason="PUSH_WITHOUT_REPLY")
        except (Invalid, Refused):
            # The browser named an address that this machine does not call.
            return _bad(endpoint, "PUSH_ADDRESS_REFUSED")
        except Unavailable as problem:
            return Outcome("temporary", reason=problem.reason)
        reason = f"PUSH_{reply.status}"
        if 200 <= reply.status < 300:
            return Outcome("accepted", provider_id=one_line(reply.headers.get("location", ""), 200))
        if reply.status in {404, 410}:
            return _bad(endpoint, "PUSH_SUBSCRIPTION_ENDED")
        if reply.status in {400, 401, 403}:
            # RFC 8292 §4.2: the signature or its key.
            return Outcome("permanent", reason=reason, is_channel_down=True)
        if reply.status == 429 or reply.status >= 500:
            return Outcome("temporary", "", reason, reply.retry_after_seconds())
        return Outcome("permanent", reason=reason)

    def ask(self, _message_id: str) -> Outcome | None:
        """Return None: push services keep no id of ours."""
        return None

    def close(self) -> None:
        """Close nothing: each browser has its own push service."""


def _bad(endpoint: str, reason: str) -> Outcome:
    return Outcome("permanent", reason=reason, is_address_bad=True, ended_endpoints=(endpoint,))


def make_keys(folder: Path) -> str:
    """Write a pair of keys to a folder and return the public key as browsers want it (`applicationServerKey`).

    raises  Invalid  VAPID_KEYS_EXIST: browsers are subscribed with the key that is there
            OSError
    """
    if (folder / PRIVATE_KEY).exists():
        raise Invalid("VAPID_KEYS_EXIST", folder=str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    private, public, application_key = VAPID.generate_keys()
    with open(os.open(folder / PRIVATE_KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    (folder / PUBLIC_KEY).write_bytes(public)
    return str(application_key)


def public_key(folder: Path) -> str:
    """Return the public key of a folder as browsers want it; "" without one."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return str(VAPID.get_application_server_key(load_pem_public_key((folder / PUBLIC_KEY).read_bytes())))
    except (OSError, ValueError):
        return ""


def _payload(message: Message) -> bytes:
    """Return what the service worker shows: title, body, tag and the link that it opens, in at most MOST_BYTES."""
    links = _LINK.findall(message.text)
    document = {
        "title": one_line(message.subject, 120),
        "body": "",
        "tag": message.id,
        "lang": message.language,
        "url": links[0] if links else "",
    }
    left = MOST_BYTES - len(json.dumps(document, ensure_ascii=False).encode())
    document["body"] = _cut(clean(message.text).strip(), left)
    return json.dumps(document, ensure_ascii=False).encode()


def _cut(text: str, most_bytes: int) -> str:
    while len(json.dumps(text, ensure_ascii=False).encode()) > most_bytes:
        text = text[: len(text) * 3 // 4].rstrip() + "…"
    return text


def _topic(message_id: str) -> str:
    """Return a topic: at most 32 characters of base64url (RFC 8030 §5.4)."""
    return base64.urlsafe_b64encode(hashlib.sha256(message_id.encode()).digest()[:24]).decode()


def open_webpush(url: ChannelUrl, *, allowed_networks: Networks = ()) -> WebPushChannel:
    """Open `webpush:?keys=/var/lib/rangkiang/vapid&contact=pustaka@example.org`.

    keys     folder that `rangkiang notifications push-keys` has made
    contact  address at which push services reach the operator

    raises   Invalid  CHANNEL_NEEDS, CHANNEL_OPTION_UNKNOWN, CHANNEL_FILE_UNUSABLE
    """
    folder, contact = url.take("keys"), url.take("contact")
    if not folder:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="keys")
    address = parse_address(contact)
    if address is None or not address.is_ascii:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="contact")
    url.finish()
    private, public = Path(folder) / PRIVATE_KEY, Path(folder) / PUBLIC_KEY
    try:
        encryption = WebPush(private, public, subscriber=str(address), ttl=TTL_SECONDS)
    except (OSError, ValueError, VAPIDException) as problem:
        raise url.unusable(private, problem) from None
    return WebPushChannel(url.name, encryption=encryption, client=OutgoingClient(allowed=allowed_networks))
