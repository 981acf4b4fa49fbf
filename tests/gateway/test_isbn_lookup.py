"""A cataloguer looks up an ISBN over HTTP and copies what another library has."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chassis.database.db import Database
from tests.builders import book
from tests.fakes.sru_server import SruServer
from tests.gateway import test_items

ISBN = "9789794030462"
database = test_items.database


@pytest.fixture
def other() -> Iterator[SruServer]:
    """The server of a library that has the book."""
    with SruServer([book("77", "Kemarau", isbn=ISBN)]) as server:
        yield server


@pytest.fixture
def http(database: Database, tmp_path: Path, other: SruServer) -> Iterator[httpx.Client]:
    file = tmp_path / "sources.toml"
    file.write_text(f'[lain]\nname = "Lain"\nurl = "{other.url}/sru"\nindex = "bath.isbn"\n', encoding="utf-8")
    own = {"outside_sources_file": str(file), "outgoing_private_networks": "127.0.0.0/8"}
    with test_items.served(database, tmp_path, **own) as client:
        yield client


def test_a_book_of_another_library_is_found_and_copied_with_one_request(http: httpx.Client, other: SruServer) -> None:
    address = "/api/v1/catalogue/lookup"
    matches = http.get(address, params={"isbn": "979-403-046-5"}).json()
    [match] = matches["outside"]
    assert (matches["isbn"], matches["here"], matches["not_answered"]) == (ISBN, [], [])
    assert (match["library"], match["record"]) == ({"code": "lain", "name": {"id": "Lain", "en": "Lain"}}, None)
    assert match["brief"]["title"] == "Kemarau"

    copied = http.post("/api/v1/records", json=match["marc"], headers={"Idempotency-Key": str(uuid.uuid4())})
    assert copied.status_code == 201
    marc = http.get(f"/api/v1/records/{copied.json()['id']}.marcjson").json()
    assert marc["fields"][1:] == match["marc"]["fields"]
    assert "(TEST)77" in json.dumps(marc)

    asked = len(other.requests)
    matches = http.get(address, params={"isbn": ISBN, "local_only": "true"}).json()
    assert ([match["record"] for match in matches["here"]], matches["outside"]) == ([copied.json()["id"]], [])
    assert len(other.requests) == asked


def test_a_wrong_check_digit_is_refused_in_words(http: httpx.Client) -> None:
    refused = http.get("/api/v1/catalogue/lookup", params={"isbn": "9789794030463"})
    assert (refused.status_code, refused.json()["reason"]) == (400, "ISBN_CHECK_DIGIT_WRONG")
    assert http.get("/api/v1/catalogue/lookup").status_code == 400
