"""Every channel of notices keeps one contract, whatever carries the message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chassis.addresses import networks
from services.notifications.channels.limits import LimitedChannel
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Channel, Message, ProviderTemplate
from services.notifications.channels.webpush import make_keys
from tests.fakes.mail_server import PASSWORD, USER, MailServer, authority_of, make_tls
from tests.fakes.payloads import PAYLOADS
from tests.fakes.push_service import PushService
from tests.fakes.sms_gateway import KEY, SmsGateway
from tests.fakes.whatsapp_cloud import PHONE_NUMBER_ID, TOKEN, WhatsAppCloud

LOOPBACK = networks("127.0.0.0/8")
MESSAGE = Message(
    id="0199c9f2-7a11-7c3e-8a55-5f1c6a1c9a01",
    kind="loan_due_soon",
    address="siti@example.org",
    language="id",
    subject="Buku perlu kembali Selasa, 24 November 2026",
    text="Siti, buku Laskar Pelangi kembali paling lambat Selasa, 24 November 2026.\nhttps://katalog.example/n/abc",
    template=ProviderTemplate("loan_due_soon", "id", ("Siti", "Laskar Pelangi")),
)


@dataclass
class Rig:
    """A channel and its provider.

    texts    every text that reached people, in order
    refuse   the provider does not know the address
    silence  the provider takes a message and does not answer
    leave    the provider goes away, and comes back with the function that this returns
    """

    channel: Channel
    address: str
    texts: Callable[[], list[str]]
    refuse: Callable[[], None] | None = None
    silence: Callable[[], None] | None = None
    leave: Callable[[], None] | None = None
    secret: str = "–"
    can_be_asked: bool = False

    def message(self, **changes: Any) -> Message:
        return replace(MESSAGE, address=self.address, **changes)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tls(tmp_path_factory.mktemp("mail") / "tls")


def one(urls: str) -> Channel:
    [channel] = open_channels(urls, allowed_networks=LOOPBACK, push_networks=LOOPBACK)
    return channel


def smtp(stack: ExitStack, tls: Path, _folder: Path) -> Rig:
    server = stack.enter_context(MailServer(tls=tls))
    sender = quote("Perpustakaan Kota <pustaka@kota.example>")
    channel = one(
        f"smtp://{quote(USER)}:{PASSWORD}@127.0.0.1:{server.port}?from={sender}&authority={authority_of(tls)}&timeout=3"
    )
    return Rig(
        channel,
        "siti@example.org",
        lambda: [mail.part("text/plain").replace("\r\n", "\n").rstrip("\n") for mail in server.mails],
        refuse=lambda: server.rcpt_replies.append("550 5.1.1 No such user"),
        silence=lambda: setattr(server, "is_silent", True),
        leave=server.close,
        secret=PASSWORD,
    )


def whatsapp(stack: ExitStack, _tls: Path, _folder: Path) -> Rig:
    cloud = stack.enter_context(WhatsAppCloud(open_windows={"6281234567890"}))
    channel = one(f"whatsapp://{PHONE_NUMBER_ID}?token={TOKEN}&host={cloud.host}&tls=none&timeout=3")
    return Rig(
        channel,
        "+6281234567890",
        lambda: [document["text"]["body"] for document in cloud.accepted],
        refuse=lambda: cloud.unknown.add("6281234567890"),
        silence=lambda: setattr(cloud, "is_silent", True),
        leave=cloud.close,
        secret=TOKEN,
    )


def rented(scheme: str) -> Callable[[ExitStack, Path, Path], Rig]:
    def build(stack: ExitStack, _tls: Path, folder: Path) -> Rig:
        gateway = stack.enter_context(SmsGateway(is_json=scheme == "http+json"))
        return Rig(
            one(f"{scheme}:{gateway.write_spec(folder)}"),
            "+6281234567890",
            lambda: [fields["message"] for fields in gateway.sent.values()],
            refuse=lambda: gateway.unknown.add("081234567890"),
            silence=lambda: setattr(gateway, "is_silent", True),
            leave=gateway.close,
            secret=KEY,
            can_be_asked=True,
        )

    return build


def webpush(stack: ExitStack, _tls: Path, folder: Path) -> Rig:
    service = stack.enter_context(PushService())
    make_keys(folder / "vapid")
    return Rig(
        one(f"webpush:?keys={folder / 'vapid'}&contact=pustaka@kota.example"),
        f"[{service.subscription}]",
        lambda: [document["body"] for document in service.shown.values()],
        refuse=lambda: setattr(service, "status", 410),
        silence=lambda: setattr(service, "is_silent", True),
        leave=service.close,
        secret="PRIVATE KEY",
    )


def console(_stack: ExitStack, _tls: Path, _folder: Path) -> Rig:
    return Rig(one("console:"), "siti@example.org", list)


def printed(_stack: ExitStack, _tls: Path, _folder: Path) -> Rig:
    return Rig(one("print:"), "", list)


ADAPTERS: dict[str, Callable[[ExitStack, Path, Path], Rig]] = {
    "smtp": smtp,
    "whatsapp": whatsapp,
    "http+form": rented("http+form"),
    "http+json": rented("http+json"),
    "webpush": webpush,
    "console": console,
    "print": printed,
}


@pytest.fixture(params=ADAPTERS)
def rig(request: pytest.FixtureRequest, tls: Path, tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        rig = ADAPTERS[request.param](stack, tls, tmp_path)
        stack.callback(rig.channel.close)
        yield rig


class TestChannel:
    def test_a_message_reaches_its_person_as_it_was_written(self, rig: Rig) -> None:
        assert rig.channel.send(rig.message(is_in_window=True)).state == "accepted"
        if rig.leave:
            assert rig.texts() == [MESSAGE.text]

    def test_forty_payloads_stay_text(self, rig: Rig) -> None:
        for number, payload in enumerate(PAYLOADS):
            message = rig.message(id=f"payload-{number}", text=f"Judul: {payload}", subject=payload, is_in_window=True)
            assert rig.channel.send(message).state == "accepted"
        if rig.leave:
            # Directions and line separators are no text.
            expected = [f"Judul: {payload}".replace("\u202e", "").replace("\u2028", "") for payload in PAYLOADS]
            assert rig.texts() == expected

    def test_an_address_that_the_provider_does_not_know_is_permanent_and_bad(self, rig: Rig) -> None:
        if rig.refuse:
            rig.refuse()
            outcome = rig.channel.send(rig.message(is_in_window=True))
            assert (outcome.state, outcome.is_address_bad, outcome.is_channel_down) == ("permanent", True, False)

    def test_an_invalid_address_is_a_permanent_failure_without_a_request(self, rig: Rig) -> None:
        if rig.leave:
            rig.leave()
            for address in ("", "x", "a b@c", "\r\n"):
                outcome = rig.channel.send(replace(rig.message(is_in_window=True), address=address))
                assert (outcome.state, outcome.is_address_bad) == ("permanent", True)

    def test_a_provider_that_is_away_is_temporary(self, rig: Rig) -> None:
        if rig.leave:
            rig.leave()
            assert rig.channel.send(rig.message(is_in_window=True)).state == "temporary"

    def test_a_provider_that_does_not_answer_after_the_hand_over_is_unknown(self, rig: Rig) -> None:
        if rig.silence:
            rig.silence()
            message = rig.message(is_in_window=True)
            assert rig.channel.send(message).state == "unknown"
            assert len(rig.texts()) == 1, "it has reached the person all the same"
            answer = rig.channel.ask(message.id)
            assert answer is None if not rig.can_be_asked else answer is not None and answer.state == "accepted"
            assert rig.channel.ask("another") is None

    def test_a_channel_that_deduplicates_reaches_the_person_once(self, rig: Rig) -> None:
        if rig.leave and rig.channel.deduplicates:
            for _ in range(2):
                assert rig.channel.send(rig.message(is_in_window=True)).state == "accepted"
            assert len(rig.texts()) == 1

    def test_secrets_codes_and_addresses_are_in_no_log_and_no_text_of_an_object(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        message = rig.message(text="Kode kartu: KODE-12345", codes=("KODE-12345",), is_in_window=True)
        rig.channel.send(message)
        if rig.leave:
            rig.leave()
            rig.channel.send(message)
        assert isinstance(rig.channel, LimitedChannel)
        # The log of the mail server of this test is in this process too.
        lines = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
        written = "\n".join(lines) + repr(rig.channel) + repr(rig.channel.channel)
        for secret in (rig.secret, "KODE-12345", rig.address or "siti@example.org"):
            assert secret not in written

    def test_closing_twice_does_nothing_and_a_later_message_goes(self, rig: Rig) -> None:
        rig.channel.send(rig.message(is_in_window=True))
        rig.channel.close()
        rig.channel.close()
        assert rig.channel.send(rig.message(id="second", is_in_window=True)).state == "accepted"
