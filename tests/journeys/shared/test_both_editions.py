"""Both editions give partners the same answers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.journeys.library import Library

# Other tests of this package import records for PKS; these institutions have those of the sample only.
SRU, OAI = "/sru/UMMY", "/oai/NSL"
WHAT_DIFFERS = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}": "ID",
    r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z": "TIME",
    r"127\.0\.0\.1:[0-9]+": "HOST",
    r"<port>[0-9]+</port>": "PORT",
}
QUERIES = (
    "dc.title = adat sortby dc.title",
    "dc.subject any 'minangkabau islam' sortby dc.title",
    'dc.title = "pengantar ilmu" or dc.creator = hasan sortby dc.date',
    "dc.title = peng* not dc.language = eng sortby dc.title",
    'dc.date within "1980 1990" sortby dc.title',
    "dc.title = sejarah prox/distance<=3 dc.title = indonesia",
    "dc.title =/stem buku and dc.title <> pelajaran sortby dc.title",
    "dc.title = ^pengantar sortby dc.title",
    "dc.title = a*",
    "dc.nonsense = a",
    "(dc.title = a",
    'dc.title = ""',
    "a prox/unit=sentence b",
)
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((SRU, {"query": query, "maximumRecords": 100, "recordSchema": "dc"}) for query in QUERIES),
    *((SRU, {"query": QUERIES[0], "recordSchema": schema}) for schema in ("marcxml", "mods", "isohold", "opacxml")),
    *((SRU, {"version": v, "operation": "searchRetrieve", "query": QUERIES[1]}) for v in ("1.1", "1.2", "9")),
    (SRU, {"query": QUERIES[1], "facetLimit": "5:dc.subject,5:dc.language", "maximumRecords": 0}),
    (SRU, {"query": QUERIES[1], "startRecord": 5_000}),
    (SRU, {}),
    (SRU, {"scanClause": "dc.subject = filologi", "maximumTerms": 3}),
    (OAI, {"verb": "Identify"}),
    (OAI, {"verb": "ListMetadataFormats"}),
    (OAI, {"verb": "ListSets"}),
    *((OAI, {"verb": "ListRecords", "metadataPrefix": prefix}) for prefix in ("oai_dc", "marc21", "marcxml", "mods")),
    (OAI, {"verb": "ListIdentifiers", "metadataPrefix": "oai_dc", "set": "class:800"}),
    (OAI, {"verb": "ListIdentifiers", "metadataPrefix": "oai_dc", "until": "1990-01-01"}),
    (OAI, {"verb": "ListRecords", "resumptionToken": "x"}),
    (OAI, {"verb": "Nothing"}),
)


def answer(library: Library, path: str, parameters: dict[str, Any]) -> tuple[int, str]:
    response = httpx.get(f"{library.address}{path}", params=parameters, timeout=30, verify=False)
    text = response.text
    for pattern, name in WHAT_DIFFERS.items():
        text = re.sub(pattern, name, text)
    return response.status_code, text


@pytest.mark.servers
@pytest.mark.parametrize(("path", "parameters"), REQUESTS, ids=str)
def test_a_partner_gets_the_same_answer_of_both_editions(
    embedded_library: Library, cluster_library: Library, path: str, parameters: dict[str, Any]
) -> None:
    status, text = answer(embedded_library, path, parameters)
    assert (status, text) == answer(cluster_library, path, parameters)
    assert status == 200


@pytest.mark.servers
def test_the_requests_that_are_compared_find_records(embedded_library: Library) -> None:
    texts = [answer(embedded_library, path, parameters)[1] for path, parameters in REQUESTS[:6]]
    assert all("<recordData>" in text for text in texts)
