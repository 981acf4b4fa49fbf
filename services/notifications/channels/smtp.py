"""Mails over SMTP (RFC 5321) with smtplib: STARTTLS or TLS from the start, sign-in, one connection for many mails."""

from __future__ import annotations

import queue
import smtplib
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from chassis.addresses import Networks
from chassis.errors import Invalid
from chassis.metrics import telemetry
from services.notifications.channels.mail import MailAddress, compose, parse_address, parse_sender
from services.notifications.channels.port import AddressKind, Channel, ChannelUrl, Message, Outcome

TIMEOUT_SECONDS = 20.0
# Servers close connections after some time or some mails; the default of Postfix is 100 mails.
MOST_PER_CONNECTION = 100
MOST_IDLE_SECONDS = 30.0
# The reply to a mail may take 10 minutes (RFC 5321 §4.5.3.2.6). A client that waits less sends mails a second time.
REPLY_SECONDS = 600.0
# After this time a mail waits in its thread, and the next mail uses another thread with another connection.
BLOCKING_SECONDS = 2.0
MOST_WAITING = 8  # mails that wait for replies; servers limit the connections of a client
# 421: the server closes the connection. -1: the server has closed it.
_CLOSING = (421, -1)
_MODES = ("starttls", "implicit", "none")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# The server got the whole mail and may have accepted it.
_WITHOUT_REPLY = Outcome("unknown", reason="MAIL_WITHOUT_REPLY", is_channel_down=True)
_PENDING = Outcome("unknown", reason="MAIL_WITHOUT_REPLY", is_pending=True)


# The outcome, recipient and bytes of each mail of a thread; None ends the thread.
_Mails = queue.SimpleQueue[tuple[Future[Outcome], MailAddress, bytes] | None]


class SmtpChannel(Channel):
    """Sends mails through the mail server of the library or of its provider.

    A negative reply to a recipient or a mail is a refusal of the message. Failures of connection, TLS and
    authentication are failures of the channel.
    """

    # The Message-ID is the same for each attempt, but few servers drop a second mail with it.
    address_kind: AddressKind = "email"

    def __init__(
        self,
        name: str,
        *,
        host: str,
        port: int,
        mode: str,
        user: str,
        password: str,
        sender: tuple[str, MailAddress],
        reply_to: MailAddress | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        reply_seconds: float = REPLY_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self._host, self._port, self._mode = host, port, mode
        self._user, self._password = user, password
        self._sender, self._reply_to = sender, reply_to
        self._timeout_seconds, self._reply_seconds = timeout_seconds, reply_seconds
        self._tls = tls or ssl.create_default_context()
        self._waiting: dict[str, Future[Outcome]] = {}  # by message
        self._idle: list[_Mails] = []  # of the threads that wait for a mail

    def __repr__(self) -> str:
        return f"SmtpChannel({self.name!r}, {self._host}:{self._port}, {self._mode})"

    def send(self, message: Message) -> Outcome:
        """Hand a mail over; the outcome is pending when the server has not replied to it after BLOCKING_SECONDS."""
        to = parse_address(message.address)
        if to is None:
            return Outcome("permanent", reason="ADDRESS_INVALID", is_address_bad=True)
        if sum(not mail.done() for mail in self._waiting.values()) >= MOST_WAITING:
            return Outcome("temporary", reason="RATE_LIMITED", retry_after_seconds=round(BLOCKING_SECONDS))
        mail = compose(message, sender=self._sender, to=to, reply_to=self._reply_to)
        with telemetry.span(
            "SMTP DATA", kind="client", messaging_message_id=message.id, server_address=self._host,
            server_port=self._port,
        ):  # fmt: skip
            waiting = self._waiting[message.id] = Future()
            mails = self._idle.pop() if self._idle else self._start_thread()
            mails.put((waiting, to, mail))
            return self._outcome(message.id, BLOCKING_SECONDS)

    def ask(self, message_id: str) -> Outcome | None:
        """Return the outcome of a mail that waits for its reply; SMTP has no other query."""
        return self._outcome(message_id, 0) if message_id in self._waiting else None

    def _outcome(self, message_id: str, seconds: float) -> Outcome:
        try:
            outcome = self._waiting[message_id].result(seconds)
        except TimeoutError:
            return _PENDING
        del self._waiting[message_id]
        return outcome

    def sign_in(self) -> Outcome:
        """Connect, start TLS and sign in, and end the connection."""
        try:
            _end(self._connect())
        except (smtplib.SMTPException, OSError) as problem:
            return Outcome("temporary", reason=_reason(problem), is_channel_down=True)
        return Outcome("accepted")

    def close(self) -> None:
        """End the connections that are idle."""
        while self._idle:
            self._idle.pop().put(None)

    def _start_thread(self) -> _Mails:
        """Start a thread with its own connection. Returns the queue of its mails, of which None ends the thread."""
        mails: _Mails = queue.SimpleQueue()
        # A daemon, because a process that ends does not wait for the reply.
        threading.Thread(target=self._hand_over, args=(mails,), daemon=True).start()
        return mails

    def _hand_over(self, mails: _Mails) -> None:
        server: _Connection | None = None
        while (job := mails.get()) is not None:
            waiting, to, mail = job
            try:
                server, outcome = self._send(server, to, mail)
            except Exception as problem:
                server = None
                waiting.set_exception(problem)
                continue
            finally:
                self._idle.append(mails)
            waiting.set_result(outcome)
        if server is not None:
            _end(server)

    def _send(self, server: _Connection | None, to: MailAddress, mail: bytes) -> tuple[_Connection | None, Outcome]:
        """Send one mail over this or a new connection. Returns the connection for the next mail."""
        if server is not None and time.monotonic() - server.used_at > MOST_IDLE_SECONDS:
            _end(server)
            server = None
        try:
            server = server or self._connect()
        except (smtplib.SMTPException, OSError) as problem:
            return None, Outcome("temporary", reason=_reason(problem), is_channel_down=True)
        outcome = self._deliver(server, to, mail)
        server.mails += 1
        server.used_at = time.monotonic()
        if outcome.is_channel_down or server.mails >= MOST_PER_CONNECTION:
            _end(server)
            server = None
        return server, outcome

    def _deliver(self, server: _Connection, to: MailAddress, mail: bytes) -> Outcome:
        """Send one mail with single commands, so that the outcome is known when the connection breaks."""
        if not to.is_ascii and not server.has_extn("smtputf8"):
            return Outcome("permanent", reason="ADDRESS_NEEDS_SMTPUTF8", is_address_bad=True)
        is_recipient = False
        try:
            code, text = server.mail(str(self._sender[1]), [] if to.is_ascii else ["SMTPUTF8", "BODY=8BITMIME"])
            if code == 250:
                code, text = server.rcpt(str(to))
                is_recipient = code not in (250, 251)
                if not is_recipient:
                    code, text = server.docmd("DATA")
            if code != 354:
                is_address_bad = is_recipient and code >= 500 and not _is_policy(text)
                return self._refused(server, code, text, is_address_bad=is_address_bad)
            # A line that begins with a dot gets a second dot (RFC 5321 §4.5.2), because a single dot ends the mail.
            server.send(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except (smtplib.SMTPException, OSError) as problem:
            return Outcome("temporary", reason=_reason(problem), is_channel_down=True)
        try:
            server.wait_at_most(self._reply_seconds)
            code, text = server.getreply()
            server.wait_at_most(self._timeout_seconds)
        except (smtplib.SMTPException, OSError):
            return _WITHOUT_REPLY
        if code == 250:
            return Outcome("accepted", provider_id=_queue_id(text))
        return self._refused(server, code, text, is_address_bad=False)

    def _refused(self, server: smtplib.SMTP, code: int, text: bytes, *, is_address_bad: bool) -> Outcome:
        """Return the outcome of a refusal: after 4xx a later attempt may succeed, after 5xx not (RFC 5321 §4.2.1)."""
        with suppress(smtplib.SMTPException, OSError):
            server.rset()
        enhanced = _enhanced(text)
        reason = f"SMTP_{code}{enhanced}"
        if code in _CLOSING:
            return Outcome("temporary", reason="MAIL_SERVER_CLOSED", is_channel_down=True)
        # A full mailbox is emptied some day, although many servers report it as permanent: 5.2.2, or 552 alone.
        if enhanced.endswith("_2_2") or (code == 552 and not enhanced):
            return Outcome("temporary", reason=reason, is_mailbox_full=True)
        if 500 <= code < 600:
            return Outcome("permanent", reason=reason, is_address_bad=is_address_bad)
        return Outcome("temporary", reason=reason)

    def _connect(self) -> _Connection:
        domain, seconds = self._sender[1].domain, self._timeout_seconds
        server: _Connection
        if self._mode == "implicit":
            server = _TlsConnection(self._host, self._port, domain, timeout=seconds, context=self._tls)
        else:
            server = _Connection(self._host, self._port, domain, timeout=seconds)
        try:
            server.ehlo_or_helo_if_needed()
            if self._mode == "starttls":
                server.starttls(context=self._tls)
                server.ehlo_or_helo_if_needed()
            if self._user:
                server.login(self._user, self._password)
        except (smtplib.SMTPException, OSError):
            _end(server)
            raise
        return server


class _Connection(smtplib.SMTP):
    """A connection, the number of mails sent over it, and the moment (monotonic) of its last mail."""

    mails = 0
    used_at = 0.0

    def wait_at_most(self, seconds: float) -> None:
        """Limit the time until a reply."""
        if self.sock is not None:
            self.sock.settimeout(seconds)


class _TlsConnection(smtplib.SMTP_SSL, _Connection):
    pass


def _end(server: _Connection) -> None:
    with suppress(smtplib.SMTPException, OSError):
        server.wait_at_most(2)
        server.quit()
    server.close()


def _enhanced(text: bytes) -> str:
    """Return the enhanced status code of a reply (RFC 3463), such as _5_1_1. Its text may have personal data."""
    first = text.partition(b" ")[0]
    parts = first.split(b".")
    is_code = len(parts) == 3 and all(part.isdigit() and len(part) < 4 for part in parts)
    return "_" + first.decode().replace(".", "_") if is_code else ""


def _is_policy(text: bytes) -> bool:
    """Return whether a refusal is about the sender (relaying, reputation or content, 5.7.x), not the recipient."""
    return text.startswith(b"5.7.") or b"relay" in text.lower()


def _queue_id(text: bytes) -> str:
    """Return the queue id in a reply such as `2.0.0 Ok: queued as 4Fx1Yz`, with which an operator finds the mail."""
    words = text.decode("ascii", "replace").split()
    return words[-1][:64] if "queued" in " ".join(words).lower() and words[-1].isalnum() else ""


def _reason(problem: Exception) -> str:
    """Return the reason of a failure of the channel."""
    match problem:
        case ssl.SSLCertVerificationError():
            return "MAIL_CERTIFICATE_INVALID"
        case ssl.SSLError():
            return "MAIL_TLS_FAILED"
        case smtplib.SMTPNotSupportedError():
            return "MAIL_WITHOUT_STARTTLS" if "STARTTLS" in str(problem) else "MAIL_WITHOUT_LOGIN"
        case smtplib.SMTPAuthenticationError():
            return "MAIL_LOGIN_REFUSED"
        case smtplib.SMTPResponseException():
            return f"SMTP_{problem.smtp_code}"
        case TimeoutError():
            return "MAIL_SERVER_TIMEOUT"
        case socket.gaierror():
            return "MAIL_SERVER_NOT_FOUND"
        case _:
            return "MAIL_SERVER_AWAY"


def open_smtp(url: ChannelUrl, *, allowed_networks: Networks = ()) -> SmtpChannel:
    """Open `smtp://user:password@host:587?tls=starttls&from=Name <address>`.

    Options: tls (starttls by default, implicit, none), from, reply-to, timeout (seconds), reply-timeout (seconds until
    the reply to a mail), authority (file of a CA).

    raises  Invalid  CHANNEL_NEEDS, CHANNEL_OPTION_INVALID, CHANNEL_OPTION_UNKNOWN, CHANNEL_FILE_UNUSABLE
                     CHANNEL_PASSWORD_IN_CLEAR  a password without TLS to another machine
    """
    mode = url.take("tls", "implicit" if url.port == 465 else "starttls")
    if not url.host:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="host")
    if mode not in _MODES:
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="tls", why=", ".join(_MODES))
    if mode == "none" and url.user and url.host not in _LOOPBACK:
        raise Invalid("CHANNEL_PASSWORD_IN_CLEAR", channel=url.name)
    if bool(url.user) != bool(url.password):
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="user:password")
    if url.user and not (url.user + url.password).isascii():
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="user:password", why="ASCII")
    sender = parse_sender(url.take("from"))
    if sender is None or not sender[1].is_ascii:
        raise Invalid("CHANNEL_NEEDS", channel=url.name, option="from")
    reply_text = url.take("reply-to")
    reply_to = parse_address(reply_text)
    if reply_text and (reply_to is None or not reply_to.is_ascii):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=url.name, option="reply-to", why="address@example.org")
    seconds = url.take_seconds("timeout", TIMEOUT_SECONDS)
    reply_seconds = url.take_seconds("reply-timeout", REPLY_SECONDS, most=3_600)
    tls = _authority(url)
    url.finish()
    return SmtpChannel(
        url.name,
        host=url.host,
        port=url.port or {"implicit": 465, "starttls": 587, "none": 25}[mode],
        mode=mode,
        user=url.user,
        password=url.password,
        sender=sender,
        reply_to=reply_to,
        timeout_seconds=seconds,
        reply_seconds=reply_seconds,
        tls=tls,
    )


def _authority(url: ChannelUrl) -> ssl.SSLContext:
    file = url.take("authority")
    try:
        return ssl.create_default_context(cafile=file or None)
    except (OSError, ssl.SSLError) as problem:
        raise url.unusable(Path(file), problem) from None
