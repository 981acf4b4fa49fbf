"""Items over HTTP, with the real catalogue: added at a desk, changed, and until when they are out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from chassis.operations.testing import migrated_database
from chassis.security.auth import Principal
from chassis.service import Resources
from chassis.settings import Settings
from rangkiang.circulation.v1.events_pb2 import LoanCopy, LoanOpened
from services.catalog import rpc
from services.catalog.handlers import keep_states
from services.catalog.service import SERVICE
from services.catalog.tables import Institution
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.builders import book
from tests.fakes.running import running, served_catalog, served_gateway
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A catalogue with one record of one item, which a gateway may serve."""
    with migrated_database(SERVICE, f"sqlite:///{tmp_path}/catalog.db") as database:
        Importer(database)([book("1", items=[("PST", "A")])])
        yield database


@pytest.fixture
def http(database: Database, tmp_path: Path) -> Iterator[httpx.Client]:
    """A manager of the institution of that record."""
    resources = Resources(settings=Settings(data=tmp_path, grpc_port=0), database=database, service=SERVICE)
    with database.reading(CONTEXT) as session:
        institution_id = session.scalars(select(Institution.id)).one()
    with served_catalog(rpc.servicer(resources)) as url, served_gateway(url) as address:
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        token = keys.sign(Principal(str(new_id()), str(institution_id), str(new_id()), scopes_of(["manager"])))
        with httpx.Client(
            base_url=address, timeout=20, headers={"Authorization": f"Bearer {token}"}, verify=False
        ) as client:
            yield client


def test_an_item_is_added_once_changed_at_its_version_and_shown_as_out(http: httpx.Client, database: Database) -> None:
    body = {"barcode": "N", "branch": "PKS/PST", "title": "Negeri 5 Menara", "author": "Fuadi, Ahmad"}
    first, again = (http.post("/api/v1/fast-adds", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.headers["etag"], again.headers["idempotency-replayed"]) == (201, '"1"', "true")
    item = first.json()
    assert again.json() == item
    taken = http.post("/api/v1/fast-adds", json=body, headers={"Idempotency-Key": "k2"})
    assert (taken.status_code, taken.json()["refusals"][0]["reason"]) == (409, "BARCODE_TAKEN")
    assert "Negeri 5 Menara" in taken.text
    assert http.get("/api/v1/items?fast_add=true").json() == {"hits": [item], "next": None}
    assert http.get("/api/v1/items?barcode=N").json() == {"hits": [item], "next": None}
    assert http.get("/api/v1/items?barcode=N&fast_add=true").json() == {"hits": [item], "next": None}
    assert [hit["barcode"] for hit in http.get("/api/v1/items").json()["hits"]] == ["A", "N"]
    assert http.get("/api/v1/items?barcode=NN").json() == {"hits": [], "next": None}

    path = f"/api/v1/items/{item['id']}"
    assert http.patch(path, json={"status": "in_repair"}).status_code == 428
    changed = http.patch(path, json={"barcode": "N2"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["barcode"]) == (200, '"2"', "N2")
    assert http.patch(path, json={"barcode": "N3"}, headers={"If-Match": '"1"'}).status_code == 412
    assert http.get(path).json() == changed.json()

    record = f"/api/v1/records/{item['record']}"
    before = http.get(record).json()
    lend(database, item["id"])
    after: dict[str, Any] = http.get(record).json()
    assert (after["version"], after["updated_at"]) == (before["version"], before["updated_at"])
    assert [(entry["answer"], entry["due_on"]) for entry in after["holdings"]] == [("out_until", "2026-12-03")]
    (listed,) = http.get(f"{record}/items").json()["hits"]
    assert (listed["availability"], listed["due_on"]) == ("out_until", "2026-12-03")
    page = f"/records/{item['record']}"
    assert "Dipinjam sampai 3 Desember 2026" in http.get(page, headers={"Accept-Language": "id"}).text
    assert "Out until 3 December 2026" in http.get(page, headers={"Accept-Language": "en"}).text


def lend(database: Database, item_id: str) -> None:
    with database.transaction(CONTEXT) as session:
        institution_id = str(session.scalars(select(Institution.id)).one())
        loan = LoanCopy(
            item_id=item_id, institution_id=institution_id, state="on_loan", state_version=1, due_on="2026-12-03"
        )
        keep_states(session, [(LoanOpened(loan=loan), CONTEXT)])
