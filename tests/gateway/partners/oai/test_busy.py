"""A harvest by a foreign client is complete while the catalogue changes and while its server is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.partners.oai import routes
from tests.faults.imports import embedded, write_records
from tests.gateway.partners.oai.busy import harvest_while_killed, harvest_while_writing
from tests.gateway.partners.oai.conftest import Repository

SEED = 20261201


def test_a_harvest_is_complete_while_others_write(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "RECORDS_A_PAGE", 10)
    delivered, again, acts = harvest_while_writing(repository, 120, seed=SEED)
    assert delivered >= 120 + again
    assert acts["import"]
    assert acts["edit"]


def test_a_harvest_goes_on_after_its_server_was_killed(tmp_path: Path) -> None:
    with embedded(tmp_path) as store:
        path, records = write_records(tmp_path, 2_200)
        store.import_(path)
        identifiers, killed = harvest_while_killed(store, kills=1)
    assert killed == 1
    assert len(identifiers) == len(set(identifiers)) == len(records)
