"""A real SMTP server of a library (aiosmtpd), with STARTTLS or TLS, authentication, and behaviour on request."""

from __future__ import annotations

import asyncio
import ssl
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from chassis.operations.certificate_files import AUTHORITY, MACHINE
from chassis.operations.certificates import make_certificates

USER, PASSWORD = "pustaka@kota.example", "rahasia-surat"


@dataclass
class Mail:
    """A mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes
    options: list[str]
    is_encrypted: bool
    user: str

    def parsed(self) -> Message:
        """Read it with the older parser of the standard library, which shares no code of headers with the writer."""
        return message_from_bytes(self.content)

    def part(self, kind: str) -> str:
        """Return the decoded text of a part: text/plain or text/html."""
        [part] = [part for part in self.parsed().walk() if part.get_content_type() == kind]
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        return payload.decode(part.get_content_charset() or "ascii")


class MailServer:
    """The server. `replies` are given for the next commands (MAIL, RCPT, DATA), one each, before the usual ones.

    is_silent     the connection is closed after the mail without a reply
    held          number of the mail that gets no reply until `is_released`; 0 for none
    is_slow       no mail gets a reply until `is_released`
    late_replies  given to these mails, one each, before the usual reply
    is_holding    such a mail has come
    """

    def __init__(self, *, tls: Path | None = None, implicit: bool = False, requires_login: bool = True) -> None:
        self.mails: list[Mail] = []
        self.connections = 0
        self.logins = 0
        self.mail_replies: list[str] = []
        self.rcpt_replies: list[str] = []
        self.data_replies: list[str] = []
        self.late_replies: list[str] = []
        self.is_silent = False
        self.held = 0
        self.is_holding, self.is_released = threading.Event(), threading.Event()
        self.is_slow = False
        self.requires_login = requires_login
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / f"{MACHINE}.crt", tls / f"{MACHINE}.key")
        self._context, self._implicit = context, implicit
        self._controller: Controller | None = None
        self.port = 0

    def start(self) -> MailServer:
        """Serve, on the same port as before after `close`."""
        double = self

        class OwnController(Controller):
            def factory(self) -> SMTP:
                return SMTP(self.handler, **self.SMTP_kwargs)

            def _trigger_server(self) -> None:
                assert self.server is not None
                self.port = self.server.sockets[0].getsockname()[1]
                super()._trigger_server()

        options: dict[str, Any] = {"enable_SMTPUTF8": True, "decode_data": False}
        if self._context and not self._implicit:
            options |= {"tls_context": self._context, "require_starttls": True}
        if self.requires_login:
            options |= {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": not self._implicit and self._context is not None,
            }
        self._controller = OwnController(
            double,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=self._context if self._implicit else None,
            **options,
        )
        self._controller.start()
        self.port = self._controller.port
        return self

    def close(self) -> None:
        """End the server."""
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    def __enter__(self) -> MailServer:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        self.logins += 1
        expected = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=data == expected, handled=False, auth_data=USER)

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Count connections: a client says EHLO again after STARTTLS."""
        if session.ssl is None or self._implicit:
            self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a sender."""
        if self.mail_replies:
            return self.mail_replies.pop(0)
        envelope.mail_from = address
        envelope.mail_options += options
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if self.rcpt_replies:
            return self.rcpt_replies.pop(0)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options += options
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take or refuse a mail."""
        if self.data_replies:
            return self.data_replies.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        user = str(session.auth_data or "") if session.authenticated else ""
        sender = envelope.mail_from or ""
        mail = Mail(
            sender, envelope.rcpt_tos, content, envelope.mail_options, self._implicit or session.ssl is not None, user
        )
        self.mails.append(mail)
        if self.is_slow or len(self.mails) == self.held:
            self.is_holding.set()
            while not self.is_released.is_set():
                await asyncio.sleep(0.01)
            if self.late_replies:
                return self.late_replies.pop(0)
        if self.is_silent:
            transport = server.transport
            assert transport is not None
            transport.abort()
        return "250 2.0.0 Ok: queued as 4FX9ZZ"


def make_tls(folder: Path, *names: str) -> Path:
    """Make certificates for these names and 127.0.0.1, and return their folder."""
    make_certificates(folder, ["127.0.0.1", "localhost", *names], renew=False)
    return folder


def authority_of(tls: Path) -> Path:
    """Return the file of the authority that signed them."""
    return tls / f"{AUTHORITY}.crt"
