"""Items over HTTP, with the real catalogue: added at a desk, changed, and until when they are out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    with served(database, tmp_path) as client:
        yield client


@contextmanager
def served(database: Database, data: Path, **settings: str) -> Iterator[httpx.Client]:
    """Serve a catalogue of one institution, with these settings of its own; yield a manager."""
    own = Settings.model_validate({"data": data, "grpc_port": 0, **settings})
    resources = Resources(settings=own, database=database, service=SERVICE)
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


def test_items_of_a_record_are_added_once_moved_removed_and_numbered_by_the_pattern(http: httpx.Client) -> None:
    (listed,) = http.get("/api/v1/items").json()["hits"]
    rules = http.get("/api/v1/accession-rules")
    assert (rules.headers["etag"], rules.json()["pattern"]) == ('"0"', "{seq:5}/{institution}/{source}/{year}")
    changed = http.put("/api/v1/accession-rules", json={"pattern": "{seq:4}/LP/{source}"}, headers={"If-Match": '"0"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"1"')
    wrong = http.put("/api/v1/accession-rules", json={"pattern": "{year}"}, headers={"If-Match": '"1"'})
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "ACCESSION_PATTERN_INVALID")

    path = f"/api/v1/records/{listed['record']}/items"
    price = {"amount": 85_000}
    body = {
        "count": 2, "branch": "PKS/PST", "barcodes": ["0007"], "call_number": "813 NAV r",
        "acquisition": {"source": "purchase", "fund": "APBD 2026", "price": price},
    }  # fmt: skip
    first, again = (http.post(path, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", first.json())
    added = first.json()["items"]
    assert [item["accession_number"] for item in added] == ["0001/LP/P", "0002/LP/P"]
    assert len(http.get(path).json()["hits"]) == 3

    item = f"/api/v1/items/{added[0]['id']}"
    edited = http.patch(item, json={"room": "Lantai 2", "collection": "reference"}, headers={"If-Match": '"1"'}).json()
    assert (edited["room"], edited["collection"], edited["accession_number"]) == ("Lantai 2", "reference", "0001/LP/P")
    assert http.delete(f"{item}?reason=hilang").status_code == 428
    assert http.delete(item, headers={"If-Match": '"2"'}).status_code == 400
    assert http.delete(f"{item}?reason=hilang", headers={"If-Match": '"2"'}).status_code == 204
    assert http.get(item).status_code == 404
    assert len(http.get(path).json()["hits"]) == 2


def test_changes_of_an_item_name_branches_records_and_the_reason(http: httpx.Client, database: Database) -> None:
    Importer(database)([book("2", "Kemarau", items=[("TJH", "B")])])
    first, second = http.get("/api/v1/items").json()["hits"]
    path = f"/api/v1/items/{first['id']}"
    assert http.get(f"{path}/changes").json() == {"hits": [], "next": None}
    body = {"branch": "PKS/TJH", "status": "in_repair", "record": second["record"]}
    assert http.patch(path, json=body, headers={"If-Match": '"1"'}).status_code == 200
    assert http.patch(path, json={"room": "Lantai 2"}, headers={"If-Match": '"2"'}).status_code == 200
    newest = http.get(f"{path}/changes?limit=1").json()
    assert newest["hits"][0]["values"] == [{"field": "room", "before": None, "after": "Lantai 2"}]
    (change,) = http.get(f"{path}/changes", params={"cursor": newest["next"]}).json()["hits"]
    assert (change["act"], [tuple(value.values()) for value in change["values"]]) == (
        "change_item",
        [
            ("status", "in_service", "in_repair"),
            ("branch", "PKS/PST", "PKS/TJH"),
            ("record", first["record"], second["record"]),
        ],
    )
    assert change["actor"]
    assert change["made_at"].endswith("Z")


def lend(database: Database, item_id: str) -> None:
    with database.transaction(CONTEXT) as session:
        institution_id = str(session.scalars(select(Institution.id)).one())
        loan = LoanCopy(
            item_id=item_id, institution_id=institution_id, state="on_loan", state_version=1, due_on="2026-12-03"
        )
        keep_states(session, [(LoanOpened(loan=loan), CONTEXT)])
