"""Passwords are accepted only over https or on this machine; only a trusted proxy can change scheme and address."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from chassis.errors import Forbidden
from gateway.sessions import is_secure, require_secure
from gateway.settings import GatewaySettings

LAN = ("192.168.1.20", 40_000)
LOOPBACK = ("127.0.0.1", 40_000)


def request(scheme: str, client: tuple[str, int] | None, host: str, public_url: str = "", **fields: str) -> Request:
    class State:
        settings = GatewaySettings(public_url=public_url)

    class App:
        state = State()

    headers = [(b"host", host.encode()), *((key.replace("_", "-").encode(), fields[key].encode()) for key in fields)]
    return Request(
        {
            "type": "http",
            "scheme": scheme,
            "client": client,
            "server": ("127.0.0.1", 8080),
            "path": "/sign-in",
            "query_string": b"",
            "headers": headers,
            "app": App(),
            "state": {},
        }
    )


@pytest.mark.parametrize(
    ("scheme", "client", "host", "fields", "secure"),
    [
        ("https", LAN, "katalog.example.org", {}, True),
        ("http", LOOPBACK, "127.0.0.1:8080", {}, True),
        ("http", LOOPBACK, "localhost:8080", {}, True),
        ("http", ("::1", 1), "[::1]:8080", {}, True),
        ("http", ("::ffff:127.0.0.1", 1), "127.0.0.1", {}, True),
        ("http", LAN, "192.168.1.5:8080", {}, False),
        ("http", LAN, "localhost", {}, False),
        ("http", LOOPBACK, "katalog.example.org", {}, False),
        ("http", LOOPBACK, "127.0.0.1.example.org", {}, False),
        ("http", LOOPBACK, "127.0.0.1:8080", {"x_forwarded_for": "192.168.1.20"}, False),
        ("http", LOOPBACK, "127.0.0.1:8080", {"x_forwarded_proto": "https"}, False),
        ("http", LOOPBACK, "127.0.0.1:8080", {"forwarded": "for=192.168.1.20"}, False),
        ("http", None, "localhost", {}, False),
    ],
)
def test_only_https_and_this_machine_are_fit_for_passwords(
    scheme: str, client: tuple[str, int] | None, host: str, fields: dict[str, str], secure: bool
) -> None:
    assert is_secure(request(scheme, client, host, **fields)) is secure


def test_the_refusal_names_the_address_with_https_or_how_to_get_one() -> None:
    with pytest.raises(Forbidden) as refusal:
        require_secure(request("http", LAN, "192.168.1.5"))
    assert refusal.value.reason == "SIGN_IN_NEEDS_HTTPS"
    assert "rangkiang tls init" in refusal.value.sentence.en
    with pytest.raises(Forbidden) as refusal:
        require_secure(request("http", LAN, "192.168.1.5", public_url="https://katalog.example.org/"))
    assert refusal.value.facts == {"address": "https://katalog.example.org"}
    require_secure(request("https", LAN, "katalog.example.org"))
