"""Requests to addresses that users entered reach public addresses only, and have a timeout."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.addresses import networks
from chassis.errors import Invalid, Refused, Unavailable
from chassis.http import outgoing
from chassis.http.outgoing import NoReply, OutgoingClient
from chassis.operations.certificate_files import AUTHORITY, MACHINE
from chassis.operations.certificates import make_certificates
from tests.fakes.http_receiver import Answer, HttpReceiver, Received

LOOPBACK = networks("127.0.0.0/8,::1/128")


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


def client(**options: object) -> OutgoingClient:
    return OutgoingClient(**{"requires_https": False, "total_seconds": 3.0, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "localhost",
        "127.0.0.1",
        "127.1",
        "[::1]",
        "[::]",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Refused) as refusal:
        client().request("POST", f"http://{host}:9/hook", content=b"{}")
    assert refusal.value.reason == "OUTGOING_ADDRESS_REFUSED"


def test_a_name_whose_dns_answers_a_private_address_is_refused(receiver: HttpReceiver) -> None:
    for answers in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["fe80::1%eth0"]):
        with pytest.raises(Refused):
            client(resolve=lambda _host, _port, answers=answers: answers).request("GET", "http://partner.example/")
    assert not receiver.requests


def test_the_name_is_resolved_once_and_the_connection_goes_to_the_checked_address(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    guarded = client(allowed=LOOPBACK, resolve=lambda _host, _port: next(answers))
    resolve = socket.getaddrinfo

    def refuse_names(host: str, *words: object, **more: object) -> object:
        assert host == "127.0.0.1", "a second look-up could give another address"
        return resolve(host, *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", refuse_names)
    reply = guarded.request("POST", f"http://partner.example:{receiver.port}/hook?a=1", content=b"x")
    assert reply.status == 200
    [request] = receiver.requests
    assert (request.path, request.headers["host"]) == ("/hook?a=1", f"partner.example:{receiver.port}")


def test_name_servers_that_do_not_answer_delay_a_request_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, answered, started = socket.getaddrinfo, threading.Event(), []

    def wait_for_name_server(host: str, *words: object, **more: object) -> object:
        started.append(host)
        answered.wait(60)
        return resolve("127.0.0.1", *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", wait_for_name_server)
    monkeypatch.setattr(outgoing, "RESOLVE_SECONDS", 0.05)
    for _ in range(outgoing.MOST_LOOKUPS + 2):
        with pytest.raises(Unavailable) as problem:
            outgoing.resolve_host("partner.example", 443)
        assert problem.value.reason == "HOST_NOT_RESOLVED"
    assert len(started) == outgoing.MOST_LOOKUPS, "a further lookup waits without a thread"
    answered.set()
    monkeypatch.setattr(outgoing, "RESOLVE_SECONDS", 60)
    assert outgoing.resolve_host("partner.example", 443) == ["127.0.0.1"]


def test_a_redirect_to_a_private_address_is_not_followed(receiver: HttpReceiver) -> None:
    with HttpReceiver() as private:
        receiver.answer = lambda _request: Answer(302, headers={"Location": f"{private.url}/latest/meta-data"})
        reply = client(allowed=LOOPBACK).request("GET", f"{receiver.url}/hook")
    assert (reply.status, private.requests) == (302, [])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://",
        "http:///path",
        "//example.org",
        "http://user:secret@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://[::1/",
        "http://example.org/a b",
        "http://example.org/\r\nX-Header: 1",
        "http://ⓔxample.org/",
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as error:
        client().request("GET", url)
    assert "secret" not in str(error.value)


def test_http_is_refused_except_to_an_allowed_network(receiver: HttpReceiver) -> None:
    with pytest.raises(Refused) as refusal:
        OutgoingClient(resolve=lambda _host, _port: ["8.8.8.8"]).check("http://partner.example/")
    assert refusal.value.reason == "OUTGOING_NEEDS_HTTPS"
    OutgoingClient(resolve=lambda _host, _port: ["8.8.8.8"]).check("https://partner.example/")
    assert OutgoingClient(allowed=LOOPBACK).request("GET", receiver.url).status == 200


def test_a_large_reply_is_cut_off(receiver: HttpReceiver) -> None:
    receiver.answer = lambda _request: Answer(body=b"x" * 200_000)
    with pytest.raises(Refused) as refusal:
        client(allowed=LOOPBACK, most_bytes=1000).request("GET", receiver.url)
    assert refusal.value.reason == "OUTGOING_REPLY_TOO_LARGE"


def test_a_compressed_reply_is_not_unpacked(receiver: HttpReceiver) -> None:
    receiver.answer = lambda _request: Answer(body=b"\x1f\x8b not read", headers={"Content-Encoding": "gzip"})
    assert client(allowed=LOOPBACK).request("GET", receiver.url).body == b"\x1f\x8b not read"


def test_the_author_of_a_url_cannot_tell_an_unknown_host_from_one_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, _port: int) -> list[str]:
        if host == "unknown.example":
            raise Unavailable("HOST_NOT_RESOLVED", host=host)
        return ["10.0.0.5"] if host == "inside.example" else ["8.8.8.8"]

    def wait_for_name_server(*_words: object, **_more: object) -> object:
        answered.wait(60)
        raise OSError("no such host")

    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", wait_for_name_server)
    refusals = []
    for host, resolve in (
        ("unknown.example", look_up), ("inside.example", look_up), ("slow.example", outgoing.resolve_host),
    ):  # fmt: skip
        began = time.monotonic()
        with pytest.raises(Refused) as refusal:
            client(resolve=resolve).check(f"https://{host}/")
        seconds = time.monotonic() - began
        refusals.append((refusal.value.sentence.en.replace(host, "HOST"), int(seconds / outgoing.RESOLVE_SECONDS)))
    answered.set()
    assert refusals == [(refusals[0][0], 1)] * 3
    client(resolve=look_up).check("https://partner.example/")


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_the_sender(receiver: HttpReceiver) -> None:
    receiver.answer = lambda _request: Answer(body=b"x" * 100, seconds_per_byte=0.1)
    began = time.monotonic()
    with pytest.raises(NoReply):
        client(allowed=LOOPBACK, total_seconds=0.5).request("GET", receiver.url)
    assert time.monotonic() - began < 3


def test_a_request_that_was_not_sent_differs_from_one_without_a_response(receiver: HttpReceiver) -> None:
    receiver.answer = lambda _request: Answer(is_silent=True)
    with pytest.raises(NoReply):
        client(allowed=LOOPBACK).request("POST", receiver.url, content=b"{}")
    receiver.close()
    with pytest.raises(Unavailable) as error:
        client(allowed=LOOPBACK).request("POST", receiver.url, content=b"{}")
    assert error.value.reason == "OUTGOING_NOT_REACHED"
    with pytest.raises(Unavailable) as error:
        client().request("POST", "http://no-such-host.invalid/")
    assert error.value.reason == "HOST_NOT_RESOLVED"


def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    make_certificates(folder, ["partner.example"], renew=False)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / f"{MACHINE}.crt", folder / f"{MACHINE}.key")
    seen: list[Received] = []

    def answer(request: Received) -> Answer:
        seen.append(request)
        return Answer()

    with HttpReceiver(answer, tls=served) as server:
        trusted = ssl.create_default_context(cafile=str(folder / f"{AUTHORITY}.crt"))
        resolving = {"allowed": LOOPBACK, "resolve": lambda _host, _port: ["127.0.0.1"], "verify": trusted}
        assert client(**resolving).request("GET", f"https://partner.example:{server.port}/").status == 200
        with pytest.raises(Unavailable) as error:
            client(**resolving).request("GET", f"https://other.example:{server.port}/")
        assert "certificate" in error.value.facts["why"]
        with pytest.raises(Unavailable):
            client(**{**resolving, "verify": None}).request("GET", f"https://partner.example:{server.port}/")
    assert len(seen) == 1


def test_retry_after_is_read_as_seconds() -> None:
    assert outgoing.Reply(429, {"retry-after": "120"}, b"").retry_after_seconds() == 120
    assert outgoing.Reply(429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"").retry_after_seconds() is None
    assert outgoing.Reply(429, {}, b"").retry_after_seconds() is None
