"""Writes with Idempotency-Key and If-Match through the gateway; the service is in this process or behind gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from sqlalchemy import func, select

from chassis.context import READER
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from gateway.api.document import add_common_parts
from gateway.api.openapi import documented
from gateway.app import describe
from tests.example_services.notes import Notes, router, served_notes
from tests.example_services.stock.service import SERVICE
from tests.example_services.stock.tables import articles
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated_database(SERVICE, f"sqlite:///{tmp_path}/stock.db") as database:
        yield database


@pytest.fixture
def notes(database: Database) -> Notes:
    return Notes(database)


@pytest.fixture(params=["inproc", "grpc"])
def writing(request: pytest.FixtureRequest, notes: Notes) -> Iterator[httpx.Client]:
    with (
        served_notes(notes, request.param) as url,
        served_catalog(FakeCatalog()) as catalog,
        served_gateway(catalog, routers=[router], urls={"notes": url}) as address,
        httpx.Client(base_url=address, timeout=10, headers={"Accept-Language": "en"}, verify=False) as client,
    ):
        yield client


def keep(client: httpx.Client, key: str | None, text: str = "halo") -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/v1/notes/kept", json={"text": text}, headers=headers)


def kept(database: Database) -> int:
    with database.reading(READER) as session:
        return session.scalar(select(func.count()).select_from(articles)) or 0


def test_a_write_is_repeated_without_effect_and_its_response_says_so(writing: httpx.Client, database: Database) -> None:
    first, second = keep(writing, "k"), keep(writing, "k")
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, {"number": 1})
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in keep(writing, "another").headers
    assert kept(database) == 2


def test_a_write_without_a_valid_key_is_refused(writing: httpx.Client, database: Database) -> None:
    refused = {None: "MISSING", "": "MISSING", "x" * 65: "INVALID", "a b": "INVALID"}
    for key, kind in refused.items():
        response = keep(writing, key)
        assert (response.status_code, response.json()["reason"]) == (400, f"IDEMPOTENCY_KEY_{kind}"), key
        assert "Idempotency-Key" in response.json()["detail"]
    assert kept(database) == 0


def test_the_longest_key_is_accepted(writing: httpx.Client) -> None:
    assert keep(writing, "~" * 63 + "!").status_code == 201


def test_a_key_with_another_body_is_422(writing: httpx.Client, database: Database) -> None:
    keep(writing, "k")
    response = keep(writing, "k", "lain")
    assert (response.status_code, response.json()["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert kept(database) == 1


@pytest.mark.servers
@pytest.mark.parametrize("transport", ["inproc", "grpc"])
def test_on_postgresql_a_write_that_still_runs_is_409_with_the_time_to_wait(
    transport: Any, postgres_url: str, postgres_owner_url: str
) -> None:
    with (
        migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database,
        served_notes(notes := Notes(database), transport) as url,
        served_catalog(FakeCatalog()) as catalog,
        served_gateway(catalog, routers=[router], urls={"notes": url}) as address,
        httpx.Client(base_url=address, timeout=10, verify=False) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        notes.may_end.clear()
        first = pool.submit(keep, client, "k")
        try:
            assert notes.is_kept.wait(10)
            second = keep(client, "k")
        finally:
            notes.may_end.set()
        assert (second.status_code, second.json()["reason"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
        assert second.headers["Retry-After"] == "1"
        assert first.result(timeout=10).status_code == 201
        assert keep(client, "k").headers["Idempotency-Replayed"] == "true"
        assert kept(database) == 1


def change(client: httpx.Client, version: str | None) -> httpx.Response:
    headers = {} if version is None else {"If-Match": version}
    return client.patch("/api/v1/notes/mine", json={"text": "halo"}, headers=headers)


def test_a_change_of_the_current_version_is_made(writing: httpx.Client) -> None:
    response = change(writing, '"7"')
    assert (response.status_code, response.text, response.headers["ETag"]) == (200, "4", '"8"')


def test_a_change_without_a_version_is_refused(writing: httpx.Client) -> None:
    for version in (None, ""):
        problem = change(writing, version).json()
        assert (problem["status"], problem["reason"]) == (428, "IF_MATCH_MISSING")
        assert problem["title"] == "Version missing"
    for version in ("7", '"7" "8"', '"7', "*, *", 'w/"7"', '"7",'):
        problem = change(writing, version).json()
        assert (problem["status"], problem["reason"]) == (400, "IF_MATCH_INVALID"), version


def test_a_list_of_versions_and_any_version_accept_the_current_one(writing: httpx.Client) -> None:
    for version in ('"7", "8"', '"5","7"', 'W/"6", "7"', "*"):
        assert change(writing, version).status_code == 200, version
    # A weak tag and a tag that is no version match nothing (RFC 9110 §13.1.1).
    for version in ('"5", "6"', 'W/"7"', '"-7"', '"seven"', '""', f'"{10**18}"'):
        problem = change(writing, version).json()
        assert (problem["status"], problem["reason"]) == (412, "VERSION_OUTDATED"), version


def test_a_change_of_an_earlier_version_names_what_changed(writing: httpx.Client) -> None:
    response = change(writing, '"5"')
    problem = response.json()
    assert (response.status_code, problem["reason"]) == (412, "VERSION_OUTDATED")
    changed_at = "2026-11-26T09:30:00Z"
    assert problem["facts"] == {"version": 7, "given": 5, "changed": ["text", "paper"], "changed_at": changed_at}
    assert "text, paper" in problem["detail"]


def test_the_openapi_document_has_the_headers_and_their_errors() -> None:
    app = FastAPI()
    app.include_router(router)
    paths = add_common_parts(get_openapi(title="notes", version="1", routes=app.routes))["paths"]
    (key,) = paths["/api/v1/notes/kept"]["post"]["parameters"]
    assert (key["name"], key["in"], key["required"], key["schema"]["maxLength"]) == (
        "Idempotency-Key", "header", True, 64,
    )  # fmt: skip
    responses = paths["/api/v1/notes/kept"]["post"]["responses"]
    assert {"400", "409", "422"} <= responses.keys()
    assert "Idempotency-Replayed" in responses["201"]["headers"]
    assert "parameters" not in paths["/api/v1/notes"]["post"]
    changing = paths["/api/v1/notes/mine"]["patch"]
    (version,) = changing["parameters"]
    assert (version["name"], version["required"], version["schema"]["examples"]) == ("If-Match", True, ['"7"'])
    assert {"400", "412", "428"} <= changing["responses"].keys()


def test_a_route_cannot_document_a_method_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no such method"):
        documented("Keep", "examples.v1.Notes.Nothing")


# Routes that change something without a header, and why.
WITHOUT_HEADER = {
    "POST /api/v1/sign-in": "signing in twice makes two sessions",
    "POST /api/v1/tokens": "a token is no effect",
    "POST /api/v1/members/search": "a search",
    "POST /api/v1/search": "a search",
    "POST /api/v1/availability": "a read",
    "POST /api/v1/record-duplicates": "a read",
    "POST /api/v1/scans": "says what a code is",
    "POST /api/v1/account/password": "needs the password of before",
    "DELETE /api/v1/clients/{client_id}": "a second time changes nothing",
    "PUT /api/v1/drafts/{place}": "a second time stores the same",
    "DELETE /api/v1/drafts/{place}": "a second time changes nothing",
    "DELETE /api/v1/record-offers/{offer_id}": "an offer is refused once",
    "POST /api/v1/passwords": "a code works once",
    "DELETE /api/v1/members/{member_id}/cards/{card_id}": "a second time changes nothing",
    "DELETE /api/v1/members/{member_id}/blocks/{block_id}": "a second time changes nothing",
    "POST /api/v1/member-merges/{merge_id}/undo": "a second time changes nothing",
    "POST /api/v1/notice-previews": "shows a text",
    "POST /api/v1/callbacks/whatsapp": "the provider's message ids say what was seen before",
    "POST /api/v1/account/opt-outs": "a second time changes nothing",
}


def test_every_route_that_writes_documents_a_key_or_a_version_or_has_a_reason_not_to() -> None:
    without = {
        f"{method.upper()} {path}"
        for path, operations in json.loads(describe())["paths"].items()
        for method, operation in operations.items()
        if method != "get"
        and not {"Idempotency-Key", "If-Match"} & {parameter["name"] for parameter in operation.get("parameters", ())}
    }
    assert not without - WITHOUT_HEADER.keys()
