"""Rented SMS and WhatsApp gateways: one HTTP request for each message, described by a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from chassis.addresses import Networks
from chassis.errors import Invalid
from chassis.http.outgoing import OutgoingClient, Reply
from services.notifications.channels.gateway_spec import GatewaySpec, Question, fill, parse_json, read_spec, value_at
from services.notifications.channels.port import (
    AddressKind,
    Channel,
    ChannelUrl,
    Message,
    Outcome,
    call_provider,
    clean,
    one_line,
)

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_IN_HEADER = re.compile(r"[^\x20-\x7e]")


class GatewayChannel(Channel):
    """Sends to a gateway with the requests of its description."""

    def __init__(
        self, name: str, spec: GatewaySpec, *, is_json: bool, secrets: Mapping[str, str], client: OutgoingClient
    ):
        self.name = name
        self.address_kind: AddressKind = spec.address
        self.deduplicates = spec.deduplicates
        self._spec = spec
        self._is_json = is_json
        self._secrets = {f"secret:{key}": value for key, value in secrets.items()}
        self._client = client

    def __repr__(self) -> str:
        return f"GatewayChannel({self.name!r}, {urlsplit(self._spec.url).hostname})"

    def send(self, message: Message) -> Outcome:
        """Hand a message over."""
        spec = self._spec
        address = self._written(message.address)
        if address is None:
            return Outcome("permanent", reason="ADDRESS_INVALID", is_address_bad=True)
        text = clean(message.text).strip()
        if len(text) > spec.most_characters:
            text = text[: spec.most_characters - 1].rstrip() + "…"
        facts = {
            **self._secrets,
            "to": address,
            "text": text,
            "subject": one_line(message.subject),
            "id": message.id,
            "language": message.language,
        }
        reply = self._call(spec.url, spec.fields, spec.method, facts)
        return reply if isinstance(reply, Outcome) else self._judge(reply)

    def ask(self, message_id: str) -> Outcome | None:
        """Query the state of a message, if the description of the gateway has a status request."""
        question = self._spec.ask
        if question is None:
            return None
        outcome = self._get(question, message_id)
        return outcome if outcome.state == "accepted" else None

    def sign_in(self) -> Outcome | None:
        """Send the request `check` of the description, such as one for the balance; None without it."""
        return self._get(self._spec.check) if self._spec.check is not None else None

    def _get(self, question: Question, message_id: str = "") -> Outcome:
        """Return "accepted" when the reply to a question is that of success."""
        facts = {**self._secrets, "id": message_id, "to": "", "text": "", "subject": "", "language": ""}
        reply = self._call(question.url, question.fields, "GET", facts)
        if isinstance(reply, Outcome):
            return reply
        body = reply.body.decode("utf-8", "replace")
        if question.success.holds(reply.status, body, parse_json(body)):
            return Outcome("accepted", provider_id=self._id(body))
        return Outcome("temporary", reason=f"GATEWAY_{reply.status}")

    def _call(self, url: str, fields: Mapping[str, Any], method: str, facts: Mapping[str, str]) -> Reply | Outcome:
        target = fill(url, facts, is_url=True)
        headers = {name: _NOT_IN_HEADER.sub("", fill(text, facts)) for name, text in self._spec.headers.items()}
        filled = fill(dict(fields), facts)
        if method == "GET":
            query = urlencode(filled)
            mark = "&" if urlsplit(target).query else "?"
            target = f"{target}{mark}{query}" if query else target
            return call_provider(self._client, "GATEWAY", "GET", target, headers=headers)
        if self._is_json:
            content, kind = json.dumps(filled).encode(), "application/json"
        else:
            content, kind = urlencode(filled).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **headers}
        return call_provider(self._client, "GATEWAY", "POST", target, content=content, headers=headers)

    def _judge(self, reply: Reply) -> Outcome:
        body = reply.body.decode("utf-8", "replace")
        document = parse_json(body)
        for refusal in self._spec.refusals:
            if refusal.holds(reply.status, body, document):
                return Outcome(
                    refusal.state,
                    reason="GATEWAY_REFUSED",
                    is_address_bad=refusal.bad_address,
                    is_channel_down=refusal.channel,
                )
        success = self._spec.success
        if (success.status or 200 <= reply.status < 300) and success.holds(reply.status, body, document):
            return Outcome("accepted", provider_id=self._id(body))
        reason = f"GATEWAY_{reply.status}"
        if reply.status in {400, 404, 405, 406, 410, 411, 413, 414, 415, 422}:
            return Outcome("permanent", reason=reason)
        # 429, 5xx, wrong keys, and replies that the description does not contain.
        return Outcome("temporary", "", reason, reply.retry_after_seconds(), is_channel_down=reply.status != 429)

    def _id(self, body: str) -> str:
        place = self._spec.provider_id
        if place.path:
            value = value_at(parse_json(body), place.path)
            return "" if value is None else one_line(str(value), 100)
        match = re.search(place.regex, body) if place.regex else None
        return one_line(match.group(match.lastindex or 0), 100) if match else ""

    def _written(self, address: str) -> str | None:
        """Return the address in the format of the gateway; None if it has no such format."""
        if self._spec.address == "email":
            return address or None
        if not _E164.fullmatch(address):
            return None
        match self._spec.phone:
            case "62":
                return address[1:]
            case "0":
                return "0" + address[3:] if address.startswith("+62") else None
            case _:
                return address


def open_gateway(url: ChannelUrl, *, allowed_networks: Networks = ()) -> GatewayChannel:
    """Open `http+form:/etc/rangkiang/sms.toml?key=…` or `http+json:…`. The options are named secrets.

    raises  Invalid  CHANNEL_FILE_UNUSABLE, CHANNEL_FILE_INVALID, CHANNEL_NEEDS, CHANNEL_OPTION_UNKNOWN
    """
    path = Path(url.path)
    if not url.path or url.host:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option=f"{url.scheme}:/…/sms.toml")
    spec = _read(url, path)
    is_json = url.scheme == "http+json"
    if not is_json and any(not isinstance(value, str | int | float) for value in spec.fields.values()):
        raise Invalid(
            "CHANNEL_FILE_INVALID", channel=url.name, file=str(path), why="fields: http+form has no tables and lists"
        )
    secrets = {name: url.read_secret(path.parent / file) for name, file in spec.secrets.items()}
    secrets |= {name: url.take(name) for name in sorted(spec.secret_names() & set(url.options))}
    if missing := spec.secret_names() - set(secrets):
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option=", ".join(sorted(missing)))
    url.finish()
    client = OutgoingClient(
        allowed=allowed_networks, requires_https=not spec.allow_http, total_seconds=spec.timeout_seconds
    )
    return GatewayChannel(url.name, spec, is_json=is_json, secrets=secrets, client=client)


def _read(url: ChannelUrl, path: Path) -> GatewaySpec:
    try:
        return read_spec(path)
    except OSError as problem:
        raise url.unusable(path, problem) from None
    except ValueError as problem:
        raise Invalid("CHANNEL_FILE_INVALID", channel=url.name, file=str(path), why=str(problem)) from None
