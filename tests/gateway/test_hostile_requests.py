"""Requests that no browser sends."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from chassis.errors import Invalid
from chassis.settings import load
from gateway.settings import GatewaySettings


def _send(http: httpx.Client, request: bytes) -> bytes:
    """Send bytes over a connection of their own; return the response's first line."""
    parts = urlsplit(str(http.base_url))
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as client:
        client.sendall(request)
        return client.makefile("rb").readline()


def test_a_request_with_two_host_headers_is_refused(http: httpx.Client) -> None:
    request = b"GET /api/v1/institutions HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"
    assert _send(http, request).startswith(b"HTTP/1.1 400")
    assert _send(http, request.replace(b"Host: b\r\n", b"")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("identifier", ["http://[", "http://[::1", "//", "urn:uuid:", "http://a]/x"])
def test_unapi_refuses_an_id_that_is_no_address(http: httpx.Client, identifier: str) -> None:
    assert http.get("/unapi", params={"id": identifier}).status_code in (400, 404)


def test_a_language_link_stays_on_this_site(http: httpx.Client) -> None:
    page = http.get(f"{http.base_url}//evil.example/", headers={"Accept": "text/html"})
    assert 'href="//' not in page.text
    assert "/evil.example/?lang=en" in page.text


@pytest.mark.parametrize("header", ["gzip;q=0", "identity", "*;q=0", "gzip; q=0.0, br", "xgzip"])
@pytest.mark.parametrize("path", ["/", "/static"])
def test_a_client_that_refuses_gzip_gets_none(http: httpx.Client, header: str, path: str) -> None:
    if path == "/static":
        path += "/" + http.get("/").text.partition("/static/")[2].partition('"')[0]
    response = http.get(path, headers={"Accept": "text/html", "Accept-Encoding": header})
    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers


def test_a_client_that_accepts_everything_gets_gzip(http: httpx.Client) -> None:
    for header in ("gzip", "br, gzip;q=0.5", "*"):
        response = http.get("/", headers={"Accept": "text/html", "Accept-Encoding": header})
        assert response.headers["Content-Encoding"] == "gzip"


def test_of_many_hits_no_explanation_is_given(http: httpx.Client) -> None:
    assert http.get("/api/v1/search?explain=true&limit=20").status_code == 200
    refusal = http.get("/api/v1/search?explain=true&limit=21")
    assert refusal.status_code == 400
    assert refusal.json()["facts"]["most"] == 20


def test_outside_development_links_have_the_public_address_and_not_the_host_of_a_request() -> None:
    with pytest.raises(Invalid) as refusal:
        load({"ENVIRONMENT": "production"}).of(GatewaySettings)
    assert refusal.value.facts["variable"] == "PUBLIC_URL"
    settings = load({"ENVIRONMENT": "production", "PUBLIC_URL": "https://katalog.example.org"})
    assert settings.of(GatewaySettings).public_url == "https://katalog.example.org"
    assert load({}).of(GatewaySettings).public_url == ""
