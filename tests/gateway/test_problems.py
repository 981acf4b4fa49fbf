from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_gateway

MEDIA_TYPE = "application/problem+json"
MEMBERS = {"type", "title", "status", "detail", "reason", "facts", "refusals", "instance"}
LONG = "a" * 501


@pytest.fixture
def address_without_catalogue() -> Iterator[str]:
    """A gateway whose catalogue is a port without a listener."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        with served_gateway(f"dns:///127.0.0.1:{listener.getsockname()[1]}") as address:
            yield address


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/api/v1/nope", 404, "ROUTE_NOT_FOUND"),
        ("/api/v1/search/", 404, "ROUTE_NOT_FOUND"),
        ("/api/v1/records/x", 404, "RECORD_NOT_FOUND"),
        (f"/api/v1/search?q={LONG}", 400, "PARAMETER_TOO_LONG"),
        ("/api/v1/search?limit=0", 400, "PARAMETER_NOT_A_NUMBER"),
        ("/api/v1/search?limit=101", 400, "PARAMETER_NOT_A_NUMBER"),
        ("/api/v1/search?limit=٣", 400, "PARAMETER_NOT_A_NUMBER"),
        ("/api/v1/search?limit=", 400, "PARAMETER_NOT_A_NUMBER"),
        ("/api/v1/search?sort=colour", 400, "PARAMETER_NOT_A_CHOICE"),
        ("/api/v1/search?facets=language,colour", 400, "PARAMETER_NOT_A_CHOICE"),
        ("/api/v1/search?facets=", 400, "PARAMETER_NOT_A_CHOICE"),
        ("/api/v1/search?lang=min", 400, "PARAMETER_NOT_A_CHOICE"),
        ("/api/v1/search?colour=red", 400, "PARAMETER_UNKNOWN"),
        ("/api/v1/search?q=a&q=b", 400, "PARAMETER_REPEATED"),
        ("/api/v1/search?q=a%00b", 400, "PARAMETER_NOT_TEXT"),
        ("/api/v1/search?cursor=foreign", 400, "CURSOR_INVALID"),
        ("/api/v1/search?" + "&".join(["language=a"] * 21), 400, "PARAMETER_REPEATED"),
        ("/api/v1/suggest", 400, "PARAMETER_MISSING"),
        ("/api/v1/branches?institution=" + "A" * 33, 400, "PARAMETER_TOO_LONG"),
        ("/api/v1/health/live?x=1", 400, "PARAMETER_UNKNOWN"),
        ("/openapi.json/", 404, "ROUTE_NOT_FOUND"),
    ],
)
def test_every_refusal_is_a_problem_document(http: httpx.Client, path: str, status: int, reason: str) -> None:
    response = http.get(path)
    problem = response.json()
    assert response.headers["content-type"] == MEDIA_TYPE
    assert set(problem) == MEMBERS
    assert (response.status_code, problem["status"], problem["reason"]) == (status, status, reason)
    assert problem["instance"] == f"urn:rangkiang:request:{response.headers['x-request-id']}"


@pytest.mark.parametrize("path", ["/api/v1/search?limit=0", "/api/v1/nope", "/api/v1/records/x", "/api/v1/search?x=1"])
def test_the_sentence_is_in_the_requested_language(http: httpx.Client, path: str) -> None:
    joint = "&" if "?" in path else "?"
    problems = {
        "header": http.get(path, headers={"Accept-Language": "en"}).json(),
        "parameter": http.get(f"{path}{joint}lang=en", headers={"Accept-Language": "id"}).json(),
        "nothing": http.get(path).json(),
        "other": http.get(path, headers={"Accept-Language": "nl"}).json(),
    }
    assert problems["header"]["detail"] == problems["parameter"]["detail"]
    assert problems["nothing"]["detail"] == problems["other"]["detail"]
    assert problems["header"]["detail"] != problems["nothing"]["detail"]
    assert problems["header"]["title"] != problems["nothing"]["title"]


def test_a_refusal_of_the_catalogue_keeps_its_reason_facts_and_sentence(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    catalog.down = True
    response = http.get("/api/v1/search", headers={"Accept-Language": "en"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["reason"] == "SEARCH_DOWN"
    assert response.json()["facts"]["part"] == "search"
    assert response.json()["detail"] == "Search is not available."


def test_an_internal_error_shows_no_internal_details(http: httpx.Client, catalog: FakeCatalog) -> None:
    catalog.broken = True
    for path in ("/api/v1/search", f"/api/v1/records/{BOOKS[0].id}", "/"):
        response = http.get(path)
        assert response.status_code == 500
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert "ZeroDivision" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/v1/suggest", "/api/v1/changes", "/", "/static/x.css"])
def test_only_reading_methods_are_allowed(http: httpx.Client, method: str, path: str) -> None:
    response = http.request(method, path)
    assert (response.status_code, response.json()["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in response.headers["allow"]


def test_bodies_addresses_and_headers_are_bounded(http: httpx.Client) -> None:
    refusals = {
        413: http.request("GET", "/api/v1/search", content=b"x" * 5_000),
        414: http.get("/api/v1/search?q=" + "a" * 9_000),
        431: http.get("/api/v1/search", headers={"X-Long": "a" * 17_000}),
    }
    for status, response in refusals.items():
        assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)


def test_a_body_of_unknown_length_is_refused(address: str) -> None:
    target = urlsplit(address)
    request = (
        b"GET /api/v1/search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
    )
    with socket.create_connection((str(target.hostname), int(target.port or 0)), timeout=5) as line:
        line.sendall(request)
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


def test_an_invalid_request_id_is_replaced(http: httpx.Client) -> None:
    response = http.get("/api/v1/health/live", headers={"X-Request-Id": "<script>"})
    assert len(response.headers["x-request-id"]) == 36


def test_without_its_catalogue_the_gateway_is_live_but_not_ready(address_without_catalogue: str) -> None:
    assert httpx.get(f"{address_without_catalogue}/api/v1/health/live", verify=False).status_code == 200
    ready = httpx.get(f"{address_without_catalogue}/api/v1/health/ready", verify=False)
    assert (ready.status_code, ready.json()["reason"]) == (503, "NOT_READY")
    search = httpx.get(f"{address_without_catalogue}/api/v1/search", timeout=10, verify=False)
    assert search.status_code == 503
    page = httpx.get(
        f"{address_without_catalogue}/search?q=surau", headers={"Accept": "text/html"}, timeout=10, verify=False
    )
    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
    assert 'value="surau"' in page.text


def test_with_its_catalogue_the_gateway_is_ready(http: httpx.Client) -> None:
    assert http.get("/api/v1/health/ready").json() == {"status": "ready"}


def test_every_response_has_the_security_headers(http: httpx.Client) -> None:
    for path in ("/", "/search", "/api/v1/search", "/nope", "/static/nope.css", "/openapi.json"):
        headers = http.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"


def test_every_wrong_parameter_is_named_in_both_languages(http: httpx.Client) -> None:
    for path in ("/api/v1/search", "/api/v1/search/facets/subject"):
        address = f"{path}?limit=0&sort=colour&q=a&q=b&cursor={'a' * 501}&language=%00&colour=red"
        problem = http.get(address, headers={"Accept-Language": "en"}).json()
        assert {(refusal["reason"], refusal["facts"]["parameter"]) for refusal in problem["refusals"]} == {
            ("PARAMETER_NOT_A_NUMBER", "limit"),
            ("PARAMETER_NOT_A_CHOICE", "sort"),
            ("PARAMETER_REPEATED", "q"),
            ("PARAMETER_TOO_LONG", "cursor"),
            ("PARAMETER_NOT_TEXT", "language"),
            ("PARAMETER_UNKNOWN", "colour"),
        }
        assert {problem["status"], problem["reason"]} <= {400, *(refusal["reason"] for refusal in problem["refusals"])}
        for refusal, translation in zip(problem["refusals"], http.get(address).json()["refusals"], strict=True):
            assert refusal["reason"] == translation["reason"]
            assert refusal["detail"] != translation["detail"]


def test_a_problem_document_names_a_limited_number_of_wrong_parameters(http: httpx.Client) -> None:
    problem = http.get("/api/v1/search", params={f"x{number}": "" for number in range(500)}).json()
    assert len(problem["refusals"]) == 20
