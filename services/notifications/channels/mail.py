"""Notices as mails: RFC 5322 with text and HTML, one-click unsubscription (RFC 8058), marked as automatic (RFC 3834).

Every text of people or institutions passes `one_line` before it becomes a header, and addresses are parsed and
written again, so that a name cannot add a header or a recipient.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import Compat32
from email.utils import format_datetime, formataddr

from chassis import clock
from services.notifications.channels.port import Message, clean, one_line

MOST_SUBJECT = 160
_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\x9f\u2028\u2029]{1,64}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
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


class _Policy(Compat32):
    """The policy of mails, which writes headers as they are; `compose` encodes them.

    The newer policies decode encoded words in a value, so a title could add a header (CVE-2024-6923), and write a long
    link of List-Unsubscribe as encoded words, which programs do not follow.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}\r\n".encode()


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")


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
    mail = EmailMessage(_POLICY)
    mail["From"] = formataddr((_encoded(one_line(name, 100)), str(address)))
    mail["To"] = str(to)
    if reply_to is not None:
        mail["Reply-To"] = str(reply_to)
    mail["Subject"] = _encoded(one_line(message.subject, MOST_SUBJECT))
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = message_id_of(message.id, address.domain)
    mail["Auto-Submitted"] = "auto-generated"
    if message.unsubscribe_url and _LINK.fullmatch(message.unsubscribe_url):
        mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        # One-click unsubscription needs https (RFC 8058 §3.1).
        if message.unsubscribe_url.startswith("https:"):
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Content-Language"] = "en" if message.language == "en" else "id"
    mail["MIME-Version"] = "1.0"
    if message.html is None:
        _set_text(mail, message.text, "plain")
    else:
        # Otherwise the library searches the texts for the boundary that it has chosen.
        mail["Content-Type"] = f'multipart/alternative; boundary="{secrets.token_hex(16)}"'
        mail.attach(_set_text(EmailMessage(_POLICY), message.text, "plain"))
        mail.attach(_set_text(EmailMessage(_POLICY), message.html, "html"))
    return mail.as_bytes()


def _set_text(part: EmailMessage, text: str, subtype: str) -> EmailMessage:
    """Set the content in quoted-printable, for which `set_content` takes five times as long."""
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    # SMTP needs an end of the last line.
    part.set_payload(binascii.b2a_qp(f"{clean(text)}\n".encode()).decode("ascii"))
    return part


def _encoded(line: str) -> str:
    """Return one line for a header. Text with `=?` is encoded too, because it would be read as an encoded word."""
    if line.isascii() and "=?" not in line:
        return line
    return Header(line, "utf-8", header_name="Subject").encode(linesep="\r\n")
