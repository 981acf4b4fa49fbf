"""WhatsApp's Cloud API with behaviour: templates, windows, errors by code, and signed callbacks in any order."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http_receiver import Answer, HttpReceiver, Received

TOKEN, APP_SECRET, VERIFY_TOKEN, PHONE_NUMBER_ID = (
    "EAAG-token",
    "rahasia-aplikasi",
    "kata-sandi-webhook",
    "123456789012345",
)
# Numbers of two libraries with their own apps, and their tokens.
OTHER_NUMBERS = {"210000000000001": "EAAG-token-pks", "210000000000002": "EAAG-token-unand"}


@dataclass
class WhatsAppCloud:
    """The API of PHONE_NUMBER_ID and of OTHER_NUMBERS.

    templates     name and language -> number of parameters
    open_windows  numbers (without +) that wrote in the last 24 hours
    unknown       numbers that WhatsApp does not know
    errors        HTTP status and code of the next requests
    senders       phone_number_id of each accepted message
    """

    templates: dict[tuple[str, str], int] = field(default_factory=lambda: {("loan_due_soon", "id"): 2})
    open_windows: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    errors: list[tuple[int, int]] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    is_silent: bool = False

    def __post_init__(self) -> None:
        self.server = HttpReceiver(self._answer)

    @property
    def host(self) -> str:
        """Host and port, for the option `host`."""
        return f"127.0.0.1:{self.server.port}"

    def _answer(self, request: Received) -> Answer:
        path = request.path.partition("?")[0]
        number, _, act = path.removeprefix("/").partition("/")[2].partition("/")
        token = {PHONE_NUMBER_ID: TOKEN, **OTHER_NUMBERS}.get(number)
        if request.headers.get("authorization") != f"Bearer {token or TOKEN}":
            return _error(401, 190)
        if token is not None and request.method == "GET" and act == "" and request.fields == {"fields": "id"}:
            return Answer(200, json.dumps({"id": number}).encode())
        if token is None or act != "messages":
            return _error(404, 100)
        if self.errors:
            return _error(*self.errors.pop(0))
        document = json.loads(request.body)
        if code := self._refusal(document):
            return _error(400, code)
        self.accepted.append(document)
        self.senders.append(number)
        if self.is_silent:
            return Answer(is_silent=True)
        reply = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": document["to"], "wa_id": document["to"]}],
            "messages": [{"id": f"wamid.{len(self.accepted)}"}],
        }
        return Answer(200, json.dumps(reply).encode())

    def _refusal(self, document: dict[str, Any]) -> int:
        if document.get("messaging_product") != "whatsapp" or not str(document.get("to", "")).isdigit():
            return 100
        if document["to"] in self.unknown:
            return 131026
        if document["type"] == "text":
            body = document["text"]["body"]
            return 100 if not 0 < len(body) <= 4096 else 0 if document["to"] in self.open_windows else 131047
        template = document["template"]
        expected = self.templates.get((template["name"], template["language"]["code"]))
        if expected is None:
            return 132001
        texts = [part["text"] for component in template["components"] for part in component["parameters"]]
        if len(texts) != expected:
            return 132000
        is_bad = any(not text or "\n" in text or "\t" in text or "    " in text for text in texts)
        return 132018 if is_bad else 0

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def __enter__(self) -> WhatsAppCloud:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def sign(body: bytes, secret: str = APP_SECRET) -> str:
    """Return X-Hub-Signature-256 of a callback."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def status_callback(
    provider_id: str, status: str, *, at: int, message_id: str = "", code: int = 0, number: str = PHONE_NUMBER_ID
) -> bytes:
    """Return the body of a callback about a message: sent, delivered, read or failed.

    at      seconds since 1970
    code    of the error of `failed`
    number  phone_number_id of the library's number
    """
    value: dict[str, Any] = {"id": provider_id, "status": status, "timestamp": str(at), "recipient_id": "6281234567890"}
    if message_id:
        value["biz_opaque_callback_data"] = message_id
    if code:
        value["errors"] = [{"code": code, "title": "Message undeliverable"}]
    return _callback({"statuses": [value]}, number)


def message_callback(
    provider_id: str, sender: str, text: str, *, at: int, kind: str = "text", number: str = PHONE_NUMBER_ID
) -> bytes:
    """Return the body of a callback about a message that somebody (digits without +) wrote to a number."""
    message: dict[str, Any] = {"from": sender, "id": provider_id, "timestamp": str(at), "type": kind}
    if kind == "text":
        message["text"] = {"body": text}
    elif kind == "button":
        message["button"] = {"payload": text, "text": text}
    elif kind == "interactive":
        message["interactive"] = {"type": "button_reply", "button_reply": {"id": text, "title": text}}
    return _callback({"contacts": [{"profile": {"name": "Siti"}, "wa_id": sender}], "messages": [message]}, number)


def _callback(value: dict[str, Any], number: str) -> bytes:
    metadata = {"display_phone_number": "6275112345", "phone_number_id": number}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    document = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
    return json.dumps(document).encode()


def _error(status: int, code: int) -> Answer:
    error = {"message": f"(#{code}) Error", "type": "OAuthException", "code": code, "fbtrace_id": "Az"}
    return Answer(status, json.dumps({"error": error}).encode())
