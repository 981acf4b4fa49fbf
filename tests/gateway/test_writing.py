"""Methods other than GET, with an example service in this process and over gRPC."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.request_guard import LONGEST_BODY_BYTES
from tests.example_services.notes import LONGEST_NOTE_BYTES, Notes, router, served_notes
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

CREDENTIAL = {"Authorization": "Bearer of-a-librarian"}


@pytest.fixture(scope="module")
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module", params=["inproc", "grpc"])
def writing(request: Any, notes: Notes) -> Iterator[httpx.Client]:
    """A client of a gateway with the routes of the notes."""
    with (
        served_notes(notes, request.param) as url,
        served_catalog(FakeCatalog()) as catalog,
        served_gateway(catalog, routers=[router], urls={"notes": url}) as address,
        httpx.Client(base_url=address, timeout=10, headers={"Accept-Language": "en"}, verify=False) as client,
    ):
        yield client


def test_a_write_reaches_its_service_with_its_headers(writing: httpx.Client, notes: Notes) -> None:
    headers = {**CREDENTIAL, "Idempotency-Key": "k-1", "If-Match": '"3"', "X-Request-Id": "desk-7"}
    response = writing.post("/api/v1/notes", json={"text": "halo"}, headers=headers)
    assert (response.status_code, response.json()) == (201, {"length": 4})
    metadata = {name: notes.metadata.get(name) for name in ("authorization", "idempotency-key", "x-request-id")}
    assert list(metadata.values()) == [CREDENTIAL["Authorization"], "k-1", "desk-7"]


def test_a_read_forwards_the_credential_but_no_headers_of_writes(writing: httpx.Client, notes: Notes) -> None:
    headers = {**CREDENTIAL, "Idempotency-Key": "k-1", "If-Match": '"3"'}
    assert writing.get("/api/v1/notes/mine", headers=headers).text == "catatan"
    assert notes.metadata["authorization"] == CREDENTIAL["Authorization"]
    assert not {"idempotency-key", "if-match"} & notes.metadata.keys()


def test_a_response_to_a_credential_is_not_stored(writing: httpx.Client) -> None:
    for path in ("/api/v1/notes/mine", "/api/v1/institutions", "/api/v1/search", "/", "/api/v1/nope"):
        assert writing.get(path, headers=CREDENTIAL).headers.get_list("cache-control") == ["no-store"], path
    assert writing.get("/api/v1/notes/mine").headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize(
    ("text", "status", "reasons"),
    [
        ("busy", 409, ["NOTE_BUSY"]),
        ("outdated", 412, ["NOTE_CHANGED"]),
        ("reused", 422, ["IDEMPOTENCY_KEY_REUSED"]),
        ("blocked", 409, ["NOTE_TOO_RUDE", "NOTE_LIMIT_REACHED"]),
    ],
)
def test_a_refusal_of_the_service_is_a_problem_document(
    writing: httpx.Client, text: str, status: int, reasons: list[str]
) -> None:
    response = writing.post("/api/v1/notes", json={"text": text})
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["reason"]) == (status, status, reasons[0])
    assert [refusal["reason"] for refusal in problem["refusals"]] == reasons
    assert problem["title"] != "Error"


def test_a_method_with_a_scope_needs_a_credential(writing: httpx.Client) -> None:
    assert writing.delete("/api/v1/notes/mine").status_code == 401


def test_a_problem_names_every_wrong_field_in_both_languages(writing: httpx.Client) -> None:
    body = {"copies": 10, "paper": "red", "lines": [{"text": "x" * 11}, {"text": 3}], "colour": 1}
    english = writing.post("/api/v1/notes", json=body)
    problem = english.json()
    assert (english.status_code, english.headers["content-type"]) == (400, "application/problem+json")
    assert {(refusal["reason"], refusal["facts"]["field"]) for refusal in problem["refusals"]} == {
        ("FIELD_MISSING", "/text"),
        ("FIELD_OUT_OF_RANGE", "/copies"),
        ("FIELD_NOT_A_CHOICE", "/paper"),
        ("FIELD_TOO_LONG", "/lines/0/text"),
        ("FIELD_NOT_TEXT", "/lines/1/text"),
        ("FIELD_UNKNOWN", "/colour"),
    }
    facts = {refusal["reason"]: refusal["facts"] for refusal in problem["refusals"]}
    assert facts["FIELD_OUT_OF_RANGE"]["limit"] == 9
    assert facts["FIELD_NOT_A_CHOICE"]["choices"] == ["white", "blue"]
    assert facts["FIELD_TOO_LONG"]["longest"] == 10
    indonesian = writing.post("/api/v1/notes", json=body, headers={"Accept-Language": "id"}).json()
    for entry, translation in zip(problem["refusals"], indonesian["refusals"], strict=True):
        assert entry["reason"] == translation["reason"]
        assert entry["detail"] != translation["detail"]
        assert entry["reason"] not in (entry["detail"], translation["detail"])


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"{", "application/json"), (b"[]", "application/json"), (b"", "application/json")],
)
def test_a_body_that_is_no_json_is_refused(writing: httpx.Client, content: bytes, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = writing.post("/api/v1/notes", content=content, headers=headers)
    assert (response.status_code, response.json()["reason"]) == (400, "BODY_NOT_JSON")


def test_each_route_limits_the_size_of_its_body(writing: httpx.Client) -> None:
    def chunked(size: int) -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(size // 1_000):
            yield b"x" * 1_000
        yield b'"}'

    long = {"text": "x" * (LONGEST_BODY_BYTES + 1)}
    json = {"Content-Type": "application/json"}
    in_pieces = writing.post("/api/v1/notes", content=chunked(70_000), headers=json)
    for response in (writing.post("/api/v1/notes", json=long), in_pieces):
        assert (response.status_code, response.json()["reason"]) == (413, "BODY_TOO_LARGE")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["facts"] == {"longest": LONGEST_BODY_BYTES}
    assert writing.put("/api/v1/notes/long", json=long).json() == {"length": LONGEST_BODY_BYTES + 1}
    assert writing.put("/api/v1/notes/long", content=chunked(150_000), headers=json).json() == {"length": 150_000}
    too_long = writing.put("/api/v1/notes/long", content=chunked(250_000), headers=json)
    assert (too_long.status_code, too_long.json()["facts"]) == (413, {"longest": LONGEST_NOTE_BYTES})


def test_a_body_that_is_too_long_is_refused_before_its_end(writing: httpx.Client) -> None:
    target = urlsplit(str(writing.base_url))
    with socket.create_connection((str(target.hostname), int(target.port or 0)), timeout=10) as line:
        line.sendall(
            b"POST /api/v1/notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        sent_bytes = 0
        try:
            while sent_bytes < 100 * LONGEST_BODY_BYTES:
                line.sendall(b"1000\r\n" + b"x" * 4_096 + b"\r\n")
                sent_bytes += 4_096
        except OSError:  # the server closed the connection
            pass
        assert line.recv(4_096).startswith(b"HTTP/1.1 413")


def test_a_header_that_is_not_text_is_refused(writing: httpx.Client) -> None:
    response = writing.post("/api/v1/notes", json={"text": "a"}, headers={"Idempotency-Key": "k\xe9".encode("latin-1")})
    assert (response.status_code, response.json()["reason"]) == (400, "HEADER_NOT_TEXT")


def test_an_unavailable_service_affects_only_its_own_routes() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"dns:///127.0.0.1:{listener.getsockname()[1]}"
        with (
            served_catalog(FakeCatalog()) as catalog,
            served_gateway(catalog, routers=[router], urls={"notes": url}) as address,
        ):
            response = httpx.get(f"{address}/api/v1/notes/mine", timeout=10, verify=False)
            assert (response.status_code, response.json()["reason"]) == (503, "SERVICE_UNAVAILABLE")
            assert response.json()["facts"]["service"] == "notes"
            assert httpx.get(f"{address}/api/v1/search", verify=False).status_code == 200
            assert httpx.get(f"{address}/api/v1/health/ready", verify=False).status_code == 200


@pytest.mark.parametrize(("origins", "allowed"), [("https://opac.test", "https://opac.test"), ("*", "*")])
def test_scripts_of_the_origins_that_are_set_may_read_the_api(origins: str, allowed: str) -> None:
    same_origin, other_origin = {"Origin": "https://opac.test"}, {"Origin": "https://lain.test"}
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog, cors_origins=origins) as address:
        response = httpx.get(f"{address}/api/v1/search", headers=same_origin, verify=False)
        assert response.headers["access-control-allow-origin"] == allowed
        assert "ETag" in response.headers["access-control-expose-headers"]
        allowed_for_other = httpx.get(f"{address}/api/v1/search", headers=other_origin, verify=False).headers.get(
            "access-control-allow-origin"
        )
        assert allowed_for_other == ("*" if origins == "*" else None)
        assert "access-control-allow-origin" not in httpx.get(f"{address}/", headers=same_origin, verify=False).headers
        for method, status in (("GET", 200), ("POST", 400)):
            preflight = {**same_origin, "Access-Control-Request-Method": method}
            assert httpx.options(f"{address}/api/v1/search", headers=preflight).status_code == status


def test_without_allowed_origins_no_script_of_another_site_may_read(http: httpx.Client) -> None:
    response = http.get("/api/v1/search", headers={"Origin": "https://opac.test"})
    assert not [name for name in response.headers if name.startswith("access-control")]
