"""Lending over HTTP: lent, renewed, listed, explained and taken back, with every refusal; items among the scans."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis import clock
from chassis.auth import Principal
from chassis.rpc import inproc
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.fakes.accounts import PKS, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import ELSEWHERE, REFERENCE, add_items, barcode, item_id
from tests.fakes.payloads import PAYLOADS
from tests.fakes.running import running, served_catalog, served_gateway


@dataclass
class Api:
    """The API as one caller uses it."""

    http: httpx.Client
    headers: dict[str, str]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, headers={**self.headers, **options.pop("headers", {})}, **options)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        keys = {"Idempotency-Key": key or str(uuid.uuid4())} if key != "" else {}
        return self.http.post(path, json=body, headers={**self.headers, **keys})

    def lend(self, member: str, item: str, **more: Any) -> httpx.Response:
        return self.post("/check-outs", {"member": member, "item": item, "branch": "PST", **more})

    def take_back(self, item: str, branch: str = "PST") -> httpx.Response:
        return self.post("/check-ins", {"item": item, "branch": branch})


@dataclass
class Library:
    address: str
    http: httpx.Client

    def as_(self, role: str, actor: str = "") -> Api:
        """The API for a caller with a role; `actor` is the id of a member."""
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        principal = Principal(actor or str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of([role]))
        return Api(self.http, {"Authorization": f"Bearer {keys.sign(principal)}", "Accept-Language": "en"})


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        members = running["members"]
        assert Keys(members.database, members.settings.of(MembersSettings)).master.fingerprint
        add_institution()
        add_items()
        with httpx.Client(base_url=f"{address}/api/v1", timeout=30) as http:
            yield Library(address, http)


@pytest.fixture(scope="module")
def manager(library: Library) -> Api:
    return library.as_("manager")


@pytest.fixture
def member(manager: Api) -> Iterator[dict[str, Any]]:
    """A new member, whom circulation does not know yet; at the end the member's items are taken back."""
    name = f"Anggota {uuid.uuid4().hex}"
    new: dict[str, Any] = manager.post("/members", {"name": name, "category": "umum", "group": "XI IPS 3"}).json()
    yield new
    for loan in manager.get("/loans", params={"member": new["id"]}).json().get("hits", []):
        manager.take_back(loan["item"]["id"])


def test_an_item_is_lent_renewed_explained_and_taken_back(manager: Api, member: dict[str, Any]) -> None:
    body = {"member": member["number"], "item": barcode(1), "branch": "PST"}
    planned = manager.post("/check-outs", {**body, "dry_run": True}, key="")
    assert (planned.status_code, "id" in planned.json()["loan"]) == (200, False)
    lent = manager.lend(**{name: body[name] for name in ("member", "item")})
    assert (lent.status_code, lent.headers["Cache-Control"], lent.json()["repeated"]) == (201, "no-store", False)
    loan = lent.json()["loan"]
    assert (loan["member"], loan["card"], loan["item"]["id"]) == (member["id"], member["number"], item_id(1))
    assert (loan["item"]["barcode"], loan["item"]["title"]) == (barcode(1), "Robohnya Surau Kami")
    assert loan["due_on"] == planned.json()["loan"]["due_on"] > f"{clock.now():%Y-%m-%d}"
    again = manager.lend(member["number"], barcode(1))
    assert (again.status_code, again.json()["repeated"], again.json()["loan"]["id"]) == (200, True, loan["id"])
    why = manager.get(f"/loans/{loan['id']}/why").json()
    assert (why["loan"]["id"], why["row"]["unit"]) == (loan["id"], "day")
    assert all(step["id"] and step["en"] for step in why["steps"])
    borrower = manager.get(f"/borrowers/{member['number']}").json()
    assert (borrower["member"], borrower["open_loans"], borrower["loans"][0]["id"]) == (member["id"], 1, loan["id"])
    renewed = manager.post(f"/loans/{loan['id']}/renew")
    assert (renewed.status_code, renewed.json()["loan"]["due_on"] > loan["due_on"]) == (200, True)
    refused = manager.post(f"/loans/{loan['id']}/renew")
    assert (refused.status_code, refused.json()["reason"]) == (409, "RENEWALS_USED_UP")
    back = manager.take_back(barcode(1))
    assert (back.status_code, back.json()["next"], back.json()["loan"]["id"]) == (200, "shelve", loan["id"])
    assert back.json()["loan"]["returned_at"]
    assert manager.get("/loans", params={"member": member["id"]}).json()["total"] == 0
