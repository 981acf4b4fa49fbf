"""doctor tries the sign-in of each channel with real servers, and sends nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.operations.health import Finding
from services.notifications import checks
from services.notifications.channels.webpush import make_keys
from tests.fakes.mail_server import PASSWORD, USER, MailServer, authority_of, make_tls
from tests.fakes.sms_gateway import KEY, SmsGateway
from tests.fakes.whatsapp_cloud import PHONE_NUMBER_ID, TOKEN, WhatsAppCloud
from tests.services.notifications.partners import Partners

FROM = "from=pustaka%40kota.example"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tls(tmp_path_factory.mktemp("mail") / "tls")


@pytest.fixture
def mail(tls: Path) -> Iterator[MailServer]:
    with MailServer(tls=tls) as server:
        yield server


def found(partners: Partners, channels: str) -> list[Finding]:
    settings = partners.resources.settings.model_copy(
        update={"channels": channels, "outgoing_private_networks": "127.0.0.0/8"}
    )
    return checks.sign_ins(replace(partners.resources, settings=settings))


def mail_url(server: MailServer, tls: Path, *, password: str = PASSWORD) -> str:
    user = USER.replace("@", "%40")
    return f"smtp://{user}:{password}@127.0.0.1:{server.port}?{FROM}&authority={authority_of(tls)}&timeout=3"


def test_a_mail_server_accepts_or_refuses_the_password(partners: Partners, mail: MailServer, tls: Path) -> None:
    [finding] = found(partners, mail_url(mail, tls) + " print: console:")
    assert (finding.mark, finding.part) == ("ok", "notices channel smtp")
    assert mail.logins == 1
    [finding] = found(partners, mail_url(mail, tls, password="salah"))
    assert finding.mark == "fault"
    assert "MAIL_LOGIN_REFUSED" in finding.message.en
    assert "salah" not in str(finding.as_json())
    assert mail.mails == []


def test_a_mail_server_that_is_not_there_is_named(partners: Partners) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        [finding] = found(partners, f"smtp://127.0.0.1:{unused.getsockname()[1]}?tls=none&{FROM}&name=surat")
    assert finding.mark == "fault"
    assert "surat" in finding.message.id
    assert "MAIL_SERVER_AWAY" in finding.message.id


def test_a_server_that_does_not_answer_ends_the_check_of_its_channel_alone(
    partners: Partners, mail: MailServer, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "SIGN_IN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = f"smtp://127.0.0.1:{silent.getsockname()[1]}?tls=none&{FROM}&timeout=3&name=diam"
        before = set(threading.enumerate())
        findings = found(partners, f"{away} {mail_url(mail, tls)}")
        assert [thread.daemon for thread in set(threading.enumerate()) - before] == [True], (
            "the command can end meanwhile"
        )
    assert [(finding.part, finding.mark) for finding in findings] == [
        ("notices channel diam", "fault"),
        ("notices channel smtp", "ok"),
    ]


def test_a_gateway_is_asked_with_its_key_and_says_when_there_is_no_way_to_try(
    partners: Partners, tmp_path: Path
) -> None:
    with SmsGateway() as gateway:
        file = gateway.write_spec(tmp_path)
        assert [entry.mark for entry in found(partners, f"http+form:{file}?name=sms")] == ["ok"]
        (tmp_path / "key").write_text("lain")
        [finding] = found(partners, f"http+form:{file}?name=sms")
        assert finding.mark == "fault"
        assert "sms" in finding.advice.en
        (tmp_path / "key").write_text(KEY)
        text = file.read_text()
        start, end = text.index("[check]"), text.index("[ask]")
        file.write_text(text[:start] + text[end:])
        [finding] = found(partners, f"http+form:{file}?name=sms")
        assert finding.mark == "ok"
        assert "cannot be tried without sending" in finding.message.en
        assert gateway.sent == {}


def test_the_token_of_whatsapp_is_tried(partners: Partners) -> None:
    cloud = WhatsAppCloud()
    url = f"whatsapp://{PHONE_NUMBER_ID}?host={cloud.host}&tls=none&token="
    assert [entry.mark for entry in found(partners, url + TOKEN)] == ["ok"]
    [finding] = found(partners, url + "basi")
    assert (finding.mark, "WHATSAPP_190" in finding.message.en) == ("fault", True)
    assert cloud.accepted == []
    cloud.server.close()


def test_web_push_has_no_sign_in(partners: Partners, tmp_path: Path) -> None:
    make_keys(tmp_path)
    [finding] = found(partners, f"webpush:?keys={tmp_path}&contact=pustaka@kota.example")
    assert finding.mark == "ok"
    assert "cannot be tried without sending" in finding.message.en


def test_doctor_runs_the_check(partners: Partners) -> None:
    from services.notifications.service import SERVICE

    assert "services.notifications.checks:sign_ins" in SERVICE.checks
    assert found(partners, "print:") == []
    assert found(partners, "smtp://mail.example?tsl=none") == []
