"""Offers over HTTP, with the real catalogue: listed by page, taken at a version, refused, and those of others."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chassis.database.db import Database
from chassis.ids import new_id
from chassis.security.auth import Principal
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.builders import book
from tests.fakes.running import running
from tests.gateway import test_items
from tests.gateway.test_record_edits import key, marc_of, retitled
from tests.services.catalog.conftest import Importer

# A manager of an institution with one record of one item.
database, http = test_items.database, test_items.http
OFFERS = "/api/v1/record-offers"


@pytest.fixture
def offers(http: httpx.Client, database: Database) -> list[dict[str, Any]]:
    """Offers for the three records of the institution, whose titles are edited."""
    import_ = Importer(database)
    import_([book("2"), book("3")])
    hits = http.get("/api/v1/changes").json()["hits"]
    for record_id in sorted({hit["id"] for hit in hits}):
        marc, tag = marc_of(http, record_id)
        saved = http.put(f"/api/v1/records/{record_id}", json=retitled(marc, "Diubah"), headers={"If-Match": tag})
        assert saved.status_code == 200
    import_([book(number, "Dibawa", items=[("PST", "A")] if number == "1" else []) for number in "123"])
    listed: list[dict[str, Any]] = http.get(OFFERS).json()["hits"]
    assert len(listed) == 3
    return listed


def stranger_of(http: httpx.Client) -> dict[str, str]:
    """The header of a manager of another institution."""
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    principal = Principal(str(new_id()), str(new_id()), str(new_id()), scopes_of(["manager"]))
    return {"Authorization": f"Bearer {keys.sign(principal)}"}


def test_offers_have_pages(http: httpx.Client, offers: list[dict[str, Any]]) -> None:
    first = http.get(OFFERS, params={"limit": 2}).json()
    second = http.get(OFFERS, params={"limit": 2, "cursor": first["next"]}).json()
    assert (first["hits"], second) == (offers[:2], {"hits": offers[2:], "next": None})


def test_an_offer_is_taken_once_at_the_version_of_its_record(http: httpx.Client, offers: list[dict[str, Any]]) -> None:
    address, record_id = f"{OFFERS}/{offers[0]['id']}", offers[0]["record"]
    assert http.get(address).json() == offers[0]
    assert http.post(f"{address}/acceptances", json={}, headers=key()).status_code == 428
    marc, tag = marc_of(http, record_id)
    assert tag == f'"{offers[0]["record_version"]}"'
    edited = http.put(f"/api/v1/records/{record_id}", json=retitled(marc, "Lagi"), headers={"If-Match": tag})
    outdated = http.post(f"{address}/acceptances", json={}, headers=key() | {"If-Match": tag})
    assert (outdated.status_code, outdated.json()["facts"]["changed"]) == (412, ["245"])
    repeated = key() | {"If-Match": edited.headers["ETag"]}
    first, second = (http.post(f"{address}/acceptances", json={}, headers=repeated) for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert http.get(first.headers["Location"]).json()["id"] == record_id
    taken = next(field["245"] for field in marc_of(http, record_id)[0]["fields"] if "245" in field)
    assert taken["subfields"] == [{"a": "Dibawa"}]
    assert http.get(address).status_code == 404


def test_a_refused_offer_is_gone_and_the_record_stays(http: httpx.Client, offers: list[dict[str, Any]]) -> None:
    before = marc_of(http, offers[0]["record"])
    assert http.delete(f"{OFFERS}/{offers[0]['id']}").status_code == 204
    assert http.delete(f"{OFFERS}/{offers[0]['id']}").status_code == 404
    assert marc_of(http, offers[0]["record"]) == before
    assert http.get(OFFERS).json()["hits"] == offers[1:]


def test_another_institution_sees_no_offer_and_changes_none(http: httpx.Client, offers: list[dict[str, Any]]) -> None:
    stranger = stranger_of(http)
    address = f"{OFFERS}/{offers[0]['id']}"
    assert http.get(OFFERS, headers=stranger).json() == {"hits": [], "next": None}
    assert http.get(address, headers=stranger).json()["reason"] == "OFFER_NOT_FOUND"
    headers = stranger | key() | {"If-Match": "*"}
    assert http.post(f"{address}/acceptances", json={}, headers=headers).status_code == 404
    assert http.delete(address, headers=stranger).status_code == 404
    restorations = f"/api/v1/records/{offers[0]['record']}/restorations"
    assert http.post(restorations, json={"version": 1}, headers=headers).json()["reason"] == "RECORD_UNKNOWN"
    assert http.get(OFFERS).json()["hits"] == offers


def test_a_restoration_is_made_once_at_the_version_of_the_record(
    http: httpx.Client, offers: list[dict[str, Any]]
) -> None:
    address, version = f"/api/v1/records/{offers[0]['record']}/restorations", offers[0]["record_version"]
    assert http.post(address, json={"version": 1}, headers=key()).status_code == 428
    outdated = http.post(address, json={"version": 1}, headers=key() | {"If-Match": '"1"'})
    assert (outdated.status_code, outdated.json()["reason"]) == (412, "VERSION_OUTDATED")
    repeated = key() | {"If-Match": f'"{version}"'}
    first, second = (http.post(address, json={"version": 1}, headers=repeated) for _ in range(2))
    assert (first.status_code, first.json()["version"], first.json()) == (201, version + 1, second.json())
    assert second.headers["Idempotency-Replayed"] == "true"
