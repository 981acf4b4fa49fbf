"""Web push: messages to browsers, encrypted for each (RFC 8291) and signed by the library (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from webpush import VAPID, WebPush, WebPushSubscription
from webpush.vapid import VAPIDException

from chassis.addresses import Networks
from chassis.errors import Invalid, Refused, Unavailable
from chassis.http.outgoing import NoReply, OutgoingClient
from services.notifications.channels.mail import parse_address
from services.notifications.channels.port import AddressKind, Channel, ChannelUrl, Message, Outcome, clean, one_line

PRIVATE_KEY, PUBLIC_KEY = "vapid-private.pem", "vapid-public.pem"
TTL_SECONDS = 86_400
# Push services accept one record of RFC 8188, which has 4,096 bytes.
MOST_BYTES = 3_000
MOST_DEVICES = 10
# Reason of an accepted message that other devices of the member did not get.
SOME_DEVICES = "PUSH_SOME_DEVICES"
# One thread sends to all members, so a slow push service delays all others.
REQUEST_SECONDS = 3.0
REFUSALS = 3  # consecutive refusals of the signature by one endpoint, while other push services accept it
MOST_REMEMBERED = 2_000  # endpoints
Value = TypeVar("Value")
_SUBSCRIPTIONS = TypeAdapter(list[WebPushSubscription])
_WITHOUT_REPLY = ("PUSH_WITHOUT_REPLY", "OUTGOING_NOT_REACHED", "HOST_NOT_RESOLVED")
_ORDER = ("accepted", "unknown", "temporary", "permanent")
_LINK = re.compile(r"https?://[!-;=?-~]{1,800}")


class WebPushChannel(Channel):
    """Sends to the push services in the subscriptions of browsers."""

    address_kind: AddressKind = "push"
    # A message replaces a waiting message with the same topic, and a displayed one with the same tag.
    deduplicates = True

    def __init__(
        self,
        name: str,
        *,
        encryption: WebPush,
        client: OutgoingClient,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._encryption = encryption
        self._client = client
        self._monotonic = monotonic
        self._refusals: dict[str, _Refusals] = {}
        self._silent: dict[str, None] = {}
        self._accepted = 0

    def send(self, message: Message) -> Outcome:
        """Hand a message over to each browser of the person; accepted if at least one push service accepts it.

        It stops at the first push service that does not reply, and after REQUEST_SECONDS, because resolving or reaching
        a host may take long too. The next message tries such endpoints last.
        """
        try:
            subscriptions = _SUBSCRIPTIONS.validate_json(message.address)
            # The endpoints as they were added, because validation may change the text of a URL.
            endpoints = [entry["endpoint"] for entry in json.loads(message.address)]
        except ValidationError:
            subscriptions, endpoints = [], []
        pairs = list(zip(subscriptions[:MOST_DEVICES], endpoints[:MOST_DEVICES], strict=True))
        outcomes: list[Outcome] = []
        end = self._monotonic() + REQUEST_SECONDS
        for subscription, endpoint in sorted(pairs, key=lambda pair: pair[1] in self._silent):
            outcome = self._send(message, subscription, endpoint)
            outcomes.append(outcome)
            if outcome.reason in _WITHOUT_REPLY:
                _remember(self._silent, endpoint, None)
            else:
                self._silent.pop(endpoint, None)
            if outcome.reason == "PUSH_WITHOUT_REPLY" or self._monotonic() >= end:
                break
        if not outcomes:
            return Outcome("permanent", reason="ADDRESS_INVALID", is_address_bad=True)
        ended = tuple(endpoint for outcome in outcomes for endpoint in outcome.ended_endpoints)
        # "unknown" before "temporary", because a second attempt could show an accepted message twice.
        best = min(outcomes, key=lambda outcome: _ORDER.index(outcome.state))
        is_bad = all(outcome.is_address_bad for outcome in outcomes)
        accepted = sum(outcome.state == "accepted" for outcome in outcomes)
        if accepted and len(pairs) > accepted + len(ended):
            # The member has the message. A second attempt would show it again on the devices that have it.
            best = replace(best, reason=SOME_DEVICES)
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
        except Invalid:
            return _bad(endpoint, "ADDRESS_INVALID")
        except Refused as problem:
            if problem.reason == "OUTGOING_REPLY_TOO_LARGE":
                return Outcome("unknown", reason="PUSH_REPLY_TOO_LARGE")
            # A wrong DNS answer must not end a subscription: the device stays, and the next channel sends the notice.
            return Outcome("permanent", reason="PUSH_ADDRESS_REFUSED")
        except Unavailable as problem:
            return Outcome("temporary", reason=problem.reason)
        reason = f"PUSH_{reply.status}"
        if 200 <= reply.status < 300:
            self._accepted += 1
            self._refusals.pop(endpoint, None)
            return Outcome("accepted", provider_id=one_line(reply.headers.get("location", ""), 200))
        if reply.status in {404, 410}:
            return _bad(endpoint, "PUSH_SUBSCRIPTION_ENDED")
        if reply.status in {401, 403} and self._is_refused_for_good(endpoint):
            return _bad(endpoint, reason)
        if reply.status == 429 or reply.status >= 500:
            return Outcome("temporary", "", reason, reply.retry_after_seconds())
        # The endpoint comes from a browser, so its refusals, also 401 and 403, do not mean that the channel failed.
        return Outcome("permanent", reason=reason)

    def _is_refused_for_good(self, endpoint: str) -> bool:
        """Count a refusal of the signature by an endpoint (RFC 8292 §4.2). Return whether its subscription has ended.

        After REFUSALS refusals the browser probably subscribed with another key. But while no push service accepts
        the signature, the library's own key or clock may be wrong, and no subscription ends.
        """
        refusals = self._refusals.get(endpoint) or _Refusals(0, self._accepted)
        refusals = replace(refusals, count=refusals.count + 1)
        _remember(self._refusals, endpoint, refusals)
        return refusals.count >= REFUSALS and self._accepted > refusals.accepted_before


@dataclass(frozen=True, slots=True)
class _Refusals:
    """Consecutive refusals of the signature by one endpoint.

    accepted_before  number of messages that push services had accepted before the first refusal
    """

    count: int
    accepted_before: int


def _remember(remembered: dict[str, Value], endpoint: str, value: Value) -> None:
    """Store a value of an endpoint; the oldest values above MOST_REMEMBERED are deleted."""
    remembered.pop(endpoint, None)
    remembered[endpoint] = value
    if len(remembered) > MOST_REMEMBERED:
        del remembered[next(iter(remembered))]


def _bad(endpoint: str, reason: str) -> Outcome:
    return Outcome("permanent", reason=reason, is_address_bad=True, ended_endpoints=(endpoint,))


def make_keys(folder: Path) -> str:
    """Write a pair of keys to a folder and return the public key for browsers (`applicationServerKey`).

    raises  Invalid  VAPID_KEYS_EXIST  the folder has a key, with which browsers have subscribed
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
    """Return the public key of a folder for browsers (`applicationServerKey`); "" without a key."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return str(VAPID.get_application_server_key(load_pem_public_key((folder / PUBLIC_KEY).read_bytes())))
    except (OSError, ValueError):
        return ""


def _payload(message: Message) -> bytes:
    """Return the JSON for the service worker: title, body, tag and the link to open, in at most MOST_BYTES."""
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

    keys     folder that `rangkiang channels push-keys` has made
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
    client = OutgoingClient(allowed=allowed_networks, connect_seconds=REQUEST_SECONDS, total_seconds=REQUEST_SECONDS)
    return WebPushChannel(url.name, encryption=encryption, client=client)
