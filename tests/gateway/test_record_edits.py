"""Records over HTTP, with the real catalogue: created, edited, deleted, restored, and their versions."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from chassis.context import system
from chassis.database.db import Database
from gateway.api.record_edits import MARC_EXAMPLE
from services.catalog.tables import Item
from tests.gateway import test_items

# A manager of an institution with one record of one item.
database, http = test_items.database, test_items.http


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def marc_of(http: httpx.Client, record_id: str) -> tuple[dict[str, Any], str]:
    response = http.get(f"/api/v1/records/{record_id}.marcjson")
    assert response.status_code == 200
    return response.json(), response.headers["ETag"]


def retitled(marc: dict[str, Any], title: str) -> dict[str, Any]:
    text: dict[str, Any] = json.loads(json.dumps(marc))
    field = next(field["245"] for field in text["fields"] if "245" in field)
    field["subfields"] = [{"a": title}]
    return text


def test_records_that_may_be_the_same_are_listed_before_a_save(http: httpx.Client) -> None:
    record_id = http.post("/api/v1/records", json=MARC_EXAMPLE, headers=key()).json()["id"]
    response = http.post("/api/v1/record-duplicates", json=MARC_EXAMPLE)
    assert response.status_code == 200
    hit = next(hit for hit in response.json()["hits"] if hit["id"] == record_id)
    assert (hit["score"], hit["record"]["title"]) == (99, "Robohnya surau kami")
    assert {"id": "ISBN sama", "en": "Same ISBN"} in hit["reasons"]


def test_a_record_is_created_once_edited_at_its_version_and_brought_back(http: httpx.Client) -> None:
    repeated = key()
    first, second = (http.post("/api/v1/records", json=MARC_EXAMPLE, headers=repeated) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert (first.status_code, second.headers["Idempotency-Replayed"]) == (201, "true")
    record_id = first.json()["id"]
    assert first.headers["Location"] == f"/api/v1/records/{record_id}"
    marc, tag = marc_of(http, record_id)
    assert tag == first.headers["ETag"] == '"1"'
    assert marc["fields"][1:] == MARC_EXAMPLE["fields"]  # after the control number

    address = f"/api/v1/records/{record_id}"
    # As it was read, with its media type.
    own_type = {"If-Match": tag, "Content-Type": "application/marc-in-json"}
    edited = http.put(address, json=retitled(marc, "Kemarau"), headers=own_type)
    assert (edited.status_code, edited.json(), edited.headers["ETag"]) == (
        200,
        {"id": record_id, "version": 2, "faults": []},
        '"2"',
    )
    assert marc_of(http, record_id) == (retitled(marc, "Kemarau"), '"2"')
    not_modified = http.get(f"{address}.marcjson", headers={"If-None-Match": '"2"'})
    assert not_modified.status_code == 304

    conflict = http.put(address, json=retitled(marc, "Lain"), headers={"If-Match": tag})
    problem = conflict.json()
    assert (conflict.status_code, problem["reason"], problem["facts"]["changed"]) == (412, "VERSION_OUTDATED", ["245"])
    assert http.put(address, json=marc).status_code == 428

    versions = http.get(f"{address}/versions").json()
    assert [(version["version"], version["act"]) for version in versions["hits"]] == [(2, "edit"), (1, "create")]
    assert (versions["title"], versions["record_version"], versions["deleted_at"]) == ("Kemarau", 2, None)
    assert versions["hits"][0]["differences"] == [
        {"tag": "245", "before": "245 10 $aRobohnya surau kami", "after": "245 10 $aKemarau"}
    ]
    page = http.get(f"{address}/versions", params={"limit": 1}).json()
    assert http.get(f"{address}/versions", params={"cursor": page["next"]}).json()["hits"] == versions["hits"][1:]
    assert http.get(f"{address}/versions/1").json() == marc
    assert http.get(f"{address}/versions/7").status_code == 404

    restored = http.post(f"{address}/restorations", json={"version": 1}, headers=key() | {"If-Match": '"2"'})
    assert (restored.status_code, restored.json()["version"]) == (201, 3)
    assert marc_of(http, record_id)[0] == marc

    assert http.delete(address, headers={"If-Match": '"3"'}).status_code == 204
    assert http.get(address).status_code == 410
    assert http.delete(address, headers={"If-Match": '"4"'}).status_code == 410
    assert http.post(f"{address}/restorations", json={}, headers=key() | {"If-Match": "*"}).status_code == 201
    assert http.get(address).status_code == 200


def test_a_record_with_an_item_is_not_deleted(http: httpx.Client, database: Database) -> None:
    record_id = http.get("/api/v1/items").json()["hits"][0]["record"]
    refused = http.delete(f"/api/v1/records/{record_id}", headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "RECORD_HAS_ITEMS")
    with database.transaction(system("test")) as session:
        session.execute(update(Item).values(status="withdrawn"))
    assert http.delete(f"/api/v1/records/{record_id}", headers={"If-Match": "*"}).status_code == 204


@pytest.mark.parametrize(
    ("body", "media_type", "status", "reason"),
    [
        (b"{", "application/json", 400, "JSON_MALFORMED"),
        (b"", "application/json", 400, "JSON_MALFORMED"),
        (b"<record/>", "application/marcxml+xml", 415, "MEDIA_TYPE_NOT_SUPPORTED"),
        (b'{"fields": []}', "application/json", 400, "NO_FIELDS"),
        (b" " * 1_000_001, "application/json", 400, "RECORD_TOO_LARGE"),
        (b" " * 1_100_001, "application/json", 413, "BODY_TOO_LARGE"),
    ],
)
def test_a_body_that_is_no_record_is_refused(
    http: httpx.Client, body: bytes, media_type: str, status: int, reason: str
) -> None:
    response = http.post("/api/v1/records", content=body, headers=key() | {"Content-Type": media_type})
    assert (response.status_code, response.json()["reason"]) == (status, reason)
