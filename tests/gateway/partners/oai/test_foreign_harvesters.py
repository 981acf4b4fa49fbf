"""Two harvesters that others wrote read lists in parts: oai-harvest and Catmandu; see test_protocol.py for two more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from gateway.partners.oai import routes
from tests.builders import book
from tests.conftest import CHECKOUT
from tests.gateway.partners.oai.conftest import Repository
from tests.services.catalog.importing.test_deletions import deletion


@pytest.fixture(scope="module")
def books(repository: Repository) -> Repository:
    """Twelve books, one of them deleted."""
    repository.put([book(f"foreign{number}", f"Buku {number} & <lain>") for number in range(12)])
    repository.put([deletion("foreign3")])
    return repository


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "RECORDS_A_PAGE", 5)


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def catmandu(books: Repository, *options: str) -> list[dict[str, str]]:
    """What Catmandu imports, record by record."""
    command = ("catmandu", "convert", "OAI", "--url", f"{books.address}/oai", *options)
    output = run(*command, "to", "JSON", "--line_delimited", "1")
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("prefix", ["oai_dc", "marc21", "mods"])
def test_oai_harvest_writes_a_file_for_each_record_that_is_not_deleted(
    books: Repository, tmp_path: Path, prefix: str
) -> None:
    program, folder = str(CHECKOUT / "tests" / "clients" / "oai_harvest.py"), tmp_path / "records"
    run(
        *(sys.executable, program, "--db", str(tmp_path / "registry"), "--metadataPrefix", prefix),
        *("--dir", str(folder), f"{books.address}/oai"),
    )
    kept = [
        record.header.identifier for record in books.sickle().ListRecords(metadataPrefix=prefix, ignore_deleted=True)
    ]
    files = {path.name.removesuffix(f".{prefix}.xml"): path for path in folder.iterdir()}
    assert set(files) == set(kept)
    texts = ["".join(etree.parse(path).getroot().itertext()) for path in files.values()]
    assert sum("& <lain>" in text for text in texts) == 11


def test_catmandu_imports_all_records_and_names_the_deleted_one(books: Repository) -> None:
    imported = catmandu(books, "--metadataPrefix", "oai_dc")
    assert [record["_id"] for record in imported] == books.identifiers()
    assert [record["_id"] for record in imported if record["_status"] == "deleted"] == [
        header.identifier for header in books.sickle().ListIdentifiers(metadataPrefix="oai_dc") if header.deleted
    ]


def test_catmandu_reads_sets_formats_and_identity(books: Repository) -> None:
    assert {entry["_id"] for entry in catmandu(books, "--listSets", "1")} == {
        entry.setSpec for entry in books.sickle().ListSets()
    }
    assert {entry["_id"] for entry in catmandu(books, "--listMetadataFormats", "1")} >= {"oai_dc", "marc21", "mods"}
    [identity] = catmandu(books, "--identify", "1")
    assert identity["protocolVersion"] == "2.0"
