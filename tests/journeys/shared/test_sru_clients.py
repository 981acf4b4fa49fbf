"""Three clients of SRU that others wrote read whole results in parts, the explanation, and diagnostics."""

from __future__ import annotations

import json
import subprocess

import httpx
import pytest
import sruthi
from lxml import etree
from sruthi.errors import SruthiError

from tests.conftest import CHECKOUT
from tests.journeys.library import Library

QUERY = "dc.subject = minangkabau sortby dc.title"  # more than 100 records, which is the most of a response
WRONG = "dc.nonsense = a"
CLIENTS = CHECKOUT / "tests" / "clients"


def run(*command: str) -> tuple[str, str]:
    """What a program writes to its output, and to standard error."""
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return result.stdout, result.stderr


def titles(library: Library) -> list[str]:
    """The titles of the query in order, from two responses."""
    found: list[str] = []
    for start in (1, 101):
        parameters = {"query": QUERY, "maximumRecords": "100", "startRecord": str(start), "recordSchema": "dc"}
        response = httpx.get(f"{library.address}/sru", params=parameters, timeout=30)
        records = etree.fromstring(response.content).iterfind(".//{*}recordData")
        found += [record.findtext(".//{http://purl.org/dc/elements/1.1/}title") for record in records]
    assert len(found) > 100
    return found


def natlibfi(library: Library, schema: str, version: str, query: str) -> tuple[str, str]:
    program, script = str(CLIENTS / "run"), str(CLIENTS / "sru.mjs")
    return run(program, "node", script, f"{library.address}/sru", schema, version, query)


def catmandu(library: Library, *options: str) -> tuple[str, str]:
    command = ("catmandu", "convert", "SRU", "--base", f"{library.address}/sru", *options)
    return run(*command, "to", "JSON", "--line_delimited", "1")


def test_sruthi_reads_a_result_of_several_parts(library: Library) -> None:
    found = sruthi.searchretrieve(f"{library.address}/sru", QUERY, maximum_records=30, record_schema="dc")
    assert found.count == len(titles(library))
    read = [record["title"] for record in found]  # a text, or a list for repeated titles
    assert [title if isinstance(title, str) else title[0] for title in read] == titles(library)


def test_sruthi_reads_the_explanation(library: Library) -> None:
    explained = sruthi.explain(f"{library.address}/sru")
    assert explained.server["host"] == "127.0.0.1"
    assert explained.database["title"]
    assert {"title", "creator", "subject"} <= set(explained.index["dc"])
    assert {"marcxml", "dc", "mods", "isohold", "opacxml"} <= set(explained.schema)
    assert explained.config["defaults"]["numberOfRecords"] == 10


def test_sruthi_gets_the_diagnostic(library: Library) -> None:
    with pytest.raises(SruthiError, match="Unsupported index"):
        sruthi.searchretrieve(f"{library.address}/sru", WRONG)


@pytest.mark.parametrize("version", ["1.2", "2.0"])
def test_the_client_of_finlands_national_library_reads_all_parts(library: Library, version: str) -> None:
    found = json.loads(natlibfi(library, "dc", version, QUERY)[0])
    records = [etree.fromstring(record.encode()) for record in found["records"]]
    read = [record.findtext(".//{http://purl.org/dc/elements/1.1/}title") for record in records]
    assert read == titles(library)
    assert found["total"] == len(read)
    assert "Unsupported index" in natlibfi(library, "dc", version, WRONG)[1]


def test_catmandu_reads_all_parts_as_marc(library: Library) -> None:
    output, _ = catmandu(library, "--query", QUERY, "--recordSchema", "marcxml", "--parser", "marcxml")
    records = [json.loads(line)["record"] for line in output.splitlines()]
    assert len(records) == len(titles(library))
    [tag, _, _, code, title] = next(field for field in records[0] if field[0] == "245")[:5]
    assert (tag, code) == ("245", "a")
    assert titles(library)[0].startswith(title.rstrip(" /:"))
    assert "16 : Unsupported index" in catmandu(library, "--query", WRONG)[1]
