"""Every route has an entry in matrix.yaml, and its responses have the status of the entry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from chassis.settings import Settings
from gateway.app import create_app
from gateway.web import assets
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.fakes.shelves import WORK

MATRIX: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "matrix.yaml").read_text())
BODY = "body"
SAMPLE = {
    "record_id": BOOKS[0].id,
    "work_id": WORK,
    "ending": "mrc",
    "page": "1",
    "facet": "subject",
    "kind": "author",
    "parent": "8",
    "version": "3",
    "digit": "8",
    "name": assets.address("site.css").rpartition("/")[2],
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        yield address


def routes(app: Any) -> set[str]:
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    assert {entry.partition("?")[0] for entry in MATRIX} == routes(create_app(Settings()))


@pytest.mark.parametrize(
    ("entry", "caller", "status"),
    [(entry, caller, status) for entry in MATRIX for caller, status in MATRIX[entry].items() if caller != BODY],
)
def test_a_caller_gets_the_status_in_the_matrix(address: str, entry: str, caller: str, status: int) -> None:
    assert caller == "anonymous", "there are no other callers until there are members"
    method, _, path = entry.partition(" ")
    headers = {} if method == "GET" else {"Idempotency-Key": str(uuid.uuid4())}
    response = httpx.request(method, address + path.format_map(SAMPLE), json=MATRIX[entry].get(BODY), headers=headers)
    assert response.status_code == status
