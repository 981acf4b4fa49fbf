"""WhatsApp callbacks: signature and content. Statuses arrive in any order, and each callback may arrive twice."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chassis.errors import Forbidden, Invalid
from services.notifications.channels.whatsapp import Number

MOST_BYTES = 3 * 1024 * 1024
MOST_TEXT = 4_096
_PREFIX = "sha256="


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a message that was sent.

    message_id  our id of the message, if the provider returns it
    status      "sent", "delivered", "read" or "failed"
    code        error code of "failed"; 0 without one
    number      phone_number_id of the library's number
    """

    number: str
    provider_id: str
    message_id: str
    status: str
    at: datetime
    code: int


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a person.

    number  phone_number_id of the number that the person wrote to
    sender  E.164
    text    "" for pictures, voice messages and so on
    """

    number: str
    provider_id: str
    sender: str
    text: str
    at: datetime


def numbers_signed_by(body: bytes, signature: str, numbers: Sequence[Number]) -> dict[str, Number]:
    """Return phone_number_id -> number, for the numbers whose secret has signed a callback (X-Hub-Signature-256).

    A callback reports about these numbers alone, so that the owner of another app cannot write to them.

    raises  Forbidden  CALLBACK_SIGNATURE_WRONG
    """
    signed = {number.id: number for number in numbers if number.secret and _is_signed(body, signature, number.secret)}
    if not signed:
        raise Forbidden("CALLBACK_SIGNATURE_WRONG")
    return signed


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    expected = _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def read_callback(body: bytes) -> tuple[list[Status], list[Inbound]]:
    """Read a callback with a valid signature. Parts that this release does not know are ignored.

    raises  Invalid  CALLBACK_UNREADABLE
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("CALLBACK_UNREADABLE") from None
    statuses: list[Status] = []
    messages: list[Inbound] = []
    for entry in _list(document, "entry"):
        for change in _list(entry, "changes"):
            value = change.get("value")
            number = _text(_get(value, "metadata", "phone_number_id"), 32)
            statuses += [status for part in _list(value, "statuses") if (status := _status(part, number))]
            messages += [message for part in _list(value, "messages") if (message := _inbound(part, number))]
    return statuses, messages


def _status(part: dict[str, Any], number: str) -> Status | None:
    name, provider_id = part.get("status"), _text(part.get("id"), 128)
    if name not in {"sent", "delivered", "read", "failed"} or not provider_id:
        return None
    codes = [error.get("code") for error in _list(part, "errors")]
    code = codes[0] if codes and isinstance(codes[0], int) else 0
    return Status(number, provider_id, _text(part.get("biz_opaque_callback_data"), 64), name, _time(part), code)


def _inbound(part: dict[str, Any], number: str) -> Inbound | None:
    sender, provider_id = _text(part.get("from"), 15), _text(part.get("id"), 200)
    if not (sender.isascii() and sender.isdigit() and len(sender) >= 7 and provider_id):
        return None
    return Inbound(number, provider_id, f"+{sender}", _body(part), _time(part))


def _body(part: dict[str, Any]) -> str:
    match part.get("type"):
        case "text":
            content = _get(part, "text", "body")
        case "button":
            content = _get(part, "button", "text")
        case "interactive":
            content = _get(part, "interactive", "button_reply", "title") or _get(
                part, "interactive", "list_reply", "title"
            )
        case _:
            content = None
    return _text(content, MOST_TEXT)


def _get(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(value: Any, name: str) -> list[dict[str, Any]]:
    parts = value.get(name) if isinstance(value, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _text(value: Any, most: int) -> str:
    # PostgreSQL cannot store NUL, and a lone surrogate cannot be encoded.
    text = value.replace("\x00", "") if isinstance(value, str) else ""
    return text.encode("utf-8", "replace").decode()[:most]


def _time(part: dict[str, Any]) -> datetime:
    text = str(part.get("timestamp", ""))
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= 11 else 0
    return datetime.fromtimestamp(seconds, UTC)
