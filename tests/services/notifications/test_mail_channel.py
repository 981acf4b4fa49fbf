"""Mails: headers without injection, both parts, one connection for a batch, and the meaning of each refusal."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import pytest
from lxml import html

from chassis.errors import Invalid
from services.notifications.channels import smtp
from services.notifications.channels.mail import compose, message_id_of, parse_address
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Channel, Message
from tests.fakes.mail_server import PASSWORD, USER, MailServer, authority_of, make_tls
from tests.fakes.payloads import PAYLOADS

MESSAGE = Message(
    id="0199c9f2-7a11-7c3e-8a55-5f1c6a1c9a01",
    kind="loan_due_soon",
    address="siti@example.org",
    language="id",
    subject="Buku perlu kembali",
    text="Teks",
    html="<p>Teks</p>",
    unsubscribe_url="https://katalog.example/api/v1/unsubscriptions/" + "a" * 300,
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tls(tmp_path_factory.mktemp("mail") / "tls")


@pytest.fixture
def server(tls: Path) -> Iterator[MailServer]:
    with MailServer(tls=tls) as server:
        yield server


def channel(
    server: MailServer, tls: Path, *, user: str = f"{USER.replace('@', '%40')}:{PASSWORD}@", more: str = ""
) -> Channel:
    [opened] = open_channels(
        f"smtp://{user}127.0.0.1:{server.port}?from=Perpustakaan%20Kota%20<pustaka%40kota.example>"
        f"&authority={authority_of(tls)}&timeout=3{more}"
    )
    return opened


class ScriptedServer:
    """A mail server that answers each piece of a client's data with the next reply, then closes."""

    def __init__(self, replies: Sequence[bytes]) -> None:
        self._replies = replies
        self.received: list[bytes] = []

    def __enter__(self) -> ScriptedServer:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._thread.join()
        self._socket.close()

    def channel(self) -> Channel:
        port = self._socket.getsockname()[1]
        [opened] = open_channels(f"smtp://127.0.0.1:{port}?tls=none&timeout=3&from=pustaka%40kota.example")
        return opened

    def _serve(self) -> None:
        client, _ = self._socket.accept()
        with client:
            client.sendall(b"220 ready\r\n")
            client.recv(1_000)
            client.sendall(b"250 here\r\n")
            for reply in self._replies:
                data = client.recv(10_000)
                while len(data) > 1_000 and not data.endswith(b"\r\n.\r\n"):
                    data += client.recv(10_000)
                self.received.append(data)
                client.sendall(reply)


def written(message: Message, *, name: str = "Perpustakaan Kota") -> bytes:
    to, sender = parse_address(message.address), parse_address("pustaka@kota.example")
    assert to
    assert sender
    return compose(message, sender=(name, sender), to=to)


def test_a_mail_has_both_parts_and_the_headers_of_an_automatic_notice_that_can_be_ended_with_one_click() -> None:
    mail = message_from_bytes(written(MESSAGE))
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert mail["Message-ID"] == f"<{MESSAGE.id}@kota.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "id"
    assert mail["List-Unsubscribe"] == f"<{MESSAGE.unsubscribe_url}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert isinstance(parsedate_to_datetime(mail["Date"]), datetime)


def test_a_second_attempt_has_the_same_message_id() -> None:
    assert message_from_bytes(written(MESSAGE))["Message-ID"] == message_from_bytes(written(MESSAGE))["Message-ID"]
    assert message_id_of("a>\r\nBcc: x", "kota.example").count("<") == 1


def test_no_name_and_no_title_adds_a_header_or_a_recipient() -> None:
    evil = 'Siti"\r\nBcc: semua@example.org\r\n\r\n<script>, x@example.org\u2028\x00'
    for subject in (evil, evil.encode().decode("latin-1"), "x" * 5_000, "\r\n.\r\nQUIT", "=?utf-8?q?=0D=0ABcc:_a@b?="):
        message = replace(MESSAGE, subject=subject, unsubscribe_url=f"https://k.example/\r\nBcc: {subject}")
        content = written(message, name=evil)
        mail = message_from_bytes(content)
        expected = {
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language", "Content-Type",
            "MIME-Version",
        }  # fmt: skip
        assert set(mail.keys()) == expected
        assert [address for _, address in getaddresses([mail["To"]])] == ["siti@example.org"]
        assert [address for _, address in getaddresses([mail["From"]])] == ["pustaka@kota.example"]
        assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in content.split(b"\r\n"))
        assert "\n" not in str(make_header(decode_header(mail["Subject"])))


def test_forty_payloads_are_text_in_every_part_of_a_mail() -> None:
    for payload in PAYLOADS:
        # The templates escape; here the mail has to keep what they wrote.
        escaped = payload.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("'", "&#39;")
        content = written(replace(MESSAGE, subject=payload, text=payload, html=f'<p title="{escaped}">{escaped}</p>'))
        mail = message_from_bytes(content)
        parts = {part.get_content_type(): part.get_payload(decode=True) for part in mail.walk()}
        plain, markup = parts["text/plain"], parts["text/html"]
        assert isinstance(plain, bytes)
        assert isinstance(markup, bytes)
        kept = payload.replace("\u202e", "").replace("\u2028", "")
        assert plain.decode().rstrip("\r\n") == kept
        tree = html.fromstring(markup.decode())
        assert [element.tag for element in tree.iter()] == ["p"]
        assert tree.text == tree.get("title") == kept


def test_addresses_in_other_letters_are_written_as_the_net_knows_them() -> None:
    assert str(parse_address("siti@bücher.example")) == "siti@xn--bcher-kva.example"
    assert str(parse_address(" Siti@Example.ORG. ")) == "Siti@example.org"
    assert str(parse_address("ꦱꦶꦠꦶ@example.org")) == "ꦱꦶꦠꦶ@example.org"
    for text in (
        "", "@", "siti", "siti@", "@example.org", "a b@example.org", "siti@exa mple.org", "siti@-x.org", "a@b@c,d@e",
        "siti@example.org, ali@example.org", "siti@example.org\r\nBcc: x@y", "<siti@example.org>", "siti@.", "a..b@c",
        ".a@c", "siti@[127.0.0.1]", f"{'a' * 65}@example.org", "siti@" + "a" * 64 + ".org", "si\u202eti@example.org",
    ):  # fmt: skip
        assert parse_address(text) is None, text


def test_a_batch_uses_one_connection_and_one_login(server: MailServer, tls: Path) -> None:
    opened = channel(server, tls)
    for number in range(30):
        assert opened.send(replace(MESSAGE, id=f"notice-{number}")).state == "accepted"
    opened.close()
    assert (server.connections, server.logins, len(server.mails)) == (1, 1, 30)
    assert all(mail.is_encrypted and mail.sender == "pustaka@kota.example" for mail in server.mails)


def test_a_new_connection_follows_after_a_hundred_mails(
    server: MailServer, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MOST_PER_CONNECTION", 10)
    opened = channel(server, tls)
    for number in range(25):
        opened.send(replace(MESSAGE, id=f"notice-{number}"))
    opened.close()
    assert (server.connections, len(server.mails)) == (3, 25)


def test_a_server_that_was_started_again_is_found_by_the_next_mail(
    server: MailServer, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MOST_IDLE_SECONDS", 0.0)
    opened = channel(server, tls)
    assert opened.send(MESSAGE).state == "accepted"
    server.close()
    assert opened.send(MESSAGE).state == "temporary"
    server.start()
    assert opened.send(MESSAGE).state == "accepted"
    opened.close()


@pytest.mark.parametrize(
    ("reply", "state", "is_address_bad"),
    [
        ("550 5.1.1 No such user", "permanent", True),
        ("553 Mailbox name not allowed", "permanent", True),
        ("550 5.7.1 Relaying denied", "permanent", False),
        ("554 5.7.1 Client host blocked", "permanent", False),
        ("450 4.2.1 Mailbox busy", "temporary", False),
        ("452 4.2.2 Mailbox full", "temporary", False),
        ("552 5.2.2 Mailbox full", "temporary", False),
        ("550 5.2.2 Over quota", "temporary", False),
        ("552 Exceeded storage allocation", "temporary", False),
        ("552 5.3.4 Message too big", "permanent", True),
    ],
)
def test_a_refused_recipient_is_permanent_or_temporary_as_the_server_says(
    server: MailServer, tls: Path, reply: str, state: str, is_address_bad: bool
) -> None:
    server.rcpt_replies.append(reply)
    opened = channel(server, tls)
    outcome = opened.send(MESSAGE)
    assert (outcome.state, outcome.is_address_bad, outcome.is_channel_down) == (state, is_address_bad, False)
    assert "siti" not in outcome.reason
    # The refusal leaves the connection usable.
    assert opened.send(MESSAGE).state == "accepted"
    assert server.connections == 1
    opened.close()


@pytest.mark.parametrize(("reply", "state"), [("550 5.7.1 Not you", "permanent"), ("451 4.3.0 Later", "temporary")])
def test_a_refused_sender_says_nothing_about_the_recipient(
    server: MailServer, tls: Path, reply: str, state: str
) -> None:
    server.mail_replies.append(reply)
    opened = channel(server, tls)
    outcome = opened.send(MESSAGE)
    assert (outcome.state, outcome.is_address_bad, outcome.is_channel_down) == (state, False, False)
    assert opened.send(MESSAGE).state == "accepted"
    assert (server.connections, len(server.mails)) == (1, 1)
    opened.close()


@pytest.mark.parametrize("accepted", [0, 1, 2])
def test_a_mail_stays_with_us_when_the_server_closes_the_connection_among_the_commands(accepted: int) -> None:
    with ScriptedServer([*[b"250 ok\r\n"] * accepted, b"421 Closing\r\n"]) as server:
        outcome = server.channel().send(MESSAGE)
    assert (outcome.state, outcome.reason) == ("temporary", "MAIL_SERVER_CLOSED")
    assert outcome.is_channel_down
    assert b"Message-ID" not in b"".join(server.received)


def test_a_full_mailbox_is_known_from_the_reply_to_the_recipient_or_to_the_mail(server: MailServer, tls: Path) -> None:
    server.rcpt_replies += ["552 5.2.2 Mailbox full", "450 4.2.1 Mailbox busy"]
    opened = channel(server, tls)
    assert [opened.send(MESSAGE).is_mailbox_full for _ in range(2)] == [True, False]
    server.data_replies.append("452 4.2.2 Over quota")
    assert opened.send(MESSAGE).is_mailbox_full
    opened.close()


def test_a_refused_mail_says_nothing_about_its_address(server: MailServer, tls: Path) -> None:
    server.data_replies += ["554 5.6.0 Content", "451 4.3.0 Try later"]
    opened = channel(server, tls)
    first, second = opened.send(MESSAGE), opened.send(MESSAGE)
    assert (first.state, first.reason, first.is_address_bad) == ("permanent", "SMTP_554_5_6_0", False)
    assert (second.state, second.reason) == ("temporary", "SMTP_451_4_3_0")
    opened.close()


# The server of this test asks for a password without STARTTLS, inside TLS.
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_tls_from_the_start(tls: Path) -> None:
    with MailServer(tls=tls, implicit=True) as server:
        opened = channel(server, tls, more="&tls=implicit")
        assert opened.send(MESSAGE).state == "accepted"
        assert server.mails[0].is_encrypted
        opened.close()


def test_failures_of_the_connection_are_named(server: MailServer, tls: Path, tmp_path: Path) -> None:
    with MailServer(requires_login=False) as plain:
        assert channel(plain, tls, user="").send(MESSAGE).reason == "MAIL_WITHOUT_STARTTLS"
        assert plain.mails == []
        opened = channel(plain, tls, user="", more="&tls=none")
        assert opened.send(MESSAGE).state == "accepted"
        opened.close()
    assert channel(server, tls, user=f"{USER.replace('@', '%40')}:salah@").send(MESSAGE).reason == "MAIL_LOGIN_REFUSED"
    stranger = make_tls(tmp_path / "other")
    refused = channel(server, stranger).send(MESSAGE)
    assert (refused.reason, refused.state, refused.is_channel_down) == ("MAIL_CERTIFICATE_INVALID", "temporary", True)
    [nowhere] = open_channels("smtp://mail.invalid?from=a@kota.example")
    assert nowhere.send(MESSAGE).reason == "MAIL_SERVER_NOT_FOUND"


def test_an_address_in_utf8_needs_a_server_that_takes_it(
    server: MailServer, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = channel(server, tls)
    message = replace(MESSAGE, address="ꦱꦶꦠꦶ@example.org")
    assert opened.send(message).state == "accepted"
    assert server.mails[0].recipients == ["ꦱꦶꦠꦶ@example.org"]
    monkeypatch.setattr(smtplib.SMTP, "has_extn", lambda *_: False)
    assert opened.send(message).reason == "ADDRESS_NEEDS_SMTPUTF8"
    opened.close()


def test_a_password_never_goes_to_another_machine_in_clear() -> None:
    with pytest.raises(Invalid) as error:
        open_channels("smtp://pustaka:rahasia@mail.example:25?tls=none&from=a@kota.example")
    assert error.value.reason == "CHANNEL_PASSWORD_IN_CLEAR"
