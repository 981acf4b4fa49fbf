"""Notices as mails: RFC 5322 with text and HTML, one-click unsubscription (RFC 8058), marked as automatic (RFC 3834).

Every text of people or institutions passes `one_line` before it becomes a header, and addresses are parsed and
written again, so that a name cannot add a header or a recipient.
"""

from __future__ import annotations

import base64
import hashlib
import re
from binascii import b2a_qp
from dataclasses import dataclass
from email.utils import format_datetime

from chassis import clock
from services.notifications.channels.port import Message, clean, one_line

MOST_SUBJECT = 160
# 60 characters in base64; with =?utf-8?b? and ?= at most the 75 that RFC 2047 §2 allows.
MOST_WORD_BYTES = 45
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\x9f\u2028\u2029]{1,64}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
# A quoted-printable text never contains "=_" (RFC 2045 §6.7).
_BOUNDARY = b"=_rangkiang_"
_QUOTED = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
_LINK = re.compile(r"https?://[!-;=?-~]{1,800}")


@dataclass(frozen=True, slots=True)
class MailAddress:
    """An address that is safe in a header. The domain is ASCII; the local part may be UTF-8 (RFC 6531)."""

    local: str
    domain: str

    @property
    def is_ascii(self) -> bool:
        return self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> MailAddress | None:
    """Read one address without a name; None if it is invalid. An international domain becomes its ASCII form (IDN)."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = domain.split(".")
    is_domain = len(domain) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    is_local = (
        bool(_LOCAL.fullmatch(local))
        and clean(local) == local
        and not local.startswith(".")
        and not local.endswith(".")
    )
    return MailAddress(local, domain) if at and is_domain and is_local and ".." not in local else None


def parse_sender(text: str) -> tuple[str, MailAddress] | None:
    """Read `Perpustakaan Kota <pustaka@example.org>` or an address alone; None if it is neither."""
    name, opening, rest = text.strip().rpartition("<")
    if not opening:
        parsed = parse_address(text)
        return ("", parsed) if parsed else None
    parsed = parse_address(rest.removesuffix(">")) if rest.endswith(">") else None
    return (name.strip().strip('"'), parsed) if parsed else None


def message_id_of(message_id: str, domain: str) -> str:
    """Return the Message-ID of a notice, which is the same for each attempt."""
    left = message_id if _ID.fullmatch(message_id) else hashlib.sha256(message_id.encode()).hexdigest()[:40]
    return f"<{left}@{domain}>"


def compose(
    message: Message, *, sender: tuple[str, MailAddress], to: MailAddress, reply_to: MailAddress | None = None
) -> bytes:
    """Return the mail as bytes with CRLF. It is 7-bit, except for addresses in UTF-8."""
    name, address = sender
    headers = {
        "From": f"{_phrase(name)}<{address}>" if name else str(address),
        "To": str(to),
        "Reply-To": str(reply_to or ""),
        "Subject": _encoded(one_line(message.subject, MOST_SUBJECT)),
        "Date": format_datetime(clock.now()),
        "Message-ID": message_id_of(message.id, address.domain),
        "Auto-Submitted": "auto-generated",
        "Content-Language": "en" if message.language == "en" else "id",
    }
    if message.unsubscribe_url and _LINK.fullmatch(message.unsubscribe_url):
        headers["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        # One-click unsubscription needs https (RFC 8058 §3.1).
        if message.unsubscribe_url.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    lines = [f"{header}: {value}\r\n" for header, value in headers.items() if value]
    return "".join(lines).encode() + _content(message)


def _content(message: Message) -> bytes:
    """Return the headers of the content, an empty line, and the text with its HTML as the preferred alternative.

    EmailMessage of the standard library would take half of the CPU time of a notice.
    """
    plain = _part("plain", message.text)
    if message.html is None:
        return b"MIME-Version: 1.0\r\n" + plain
    begin, end = b"--%s\r\n" % _BOUNDARY, b"--%s--\r\n" % _BOUNDARY
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="%s"\r\n\r\n' % _BOUNDARY
    return b"".join((head, begin, plain, begin, _part("html", message.html), end))


def _part(subtype: str, text: str) -> bytes:
    """Return a text with its headers as quoted-printable (RFC 2045 §6.7), with a line end at its end."""
    lines = clean(text).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"
    body = b2a_qp(lines.encode(), istext=True).replace(b"\n", b"\r\n")
    return b"Content-Type: text/%s; charset=utf-8\r\n" % subtype.encode() + _QUOTED + body


def _phrase(name: str) -> str:
    """Return a display name as a quoted string or as encoded words, with a blank at its end."""
    encoded = _encoded(one_line(name, 100))
    if encoded.startswith("=?"):
        return encoded + " "
    escaped = encoded.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" '


def _encoded(line: str) -> str:
    """Return one line for a header: unchanged, or as encoded words (RFC 2047) of at most 75 characters.

    EmailMessage of the standard library decodes encoded words in its input and writes an encoded line feed as a line
    feed (CVE-2024-6923), so a title could add a header. Therefore text with `=?` is encoded again.
    """
    if line.isascii() and "=?" not in line:
        return line
    words, word = [], b""
    for character in line:
        encoded = character.encode()
        if len(word) + len(encoded) > MOST_WORD_BYTES:
            words.append(word)
            word = b""
        word += encoded
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)
