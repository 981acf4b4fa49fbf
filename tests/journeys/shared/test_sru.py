"""Library systems search the catalogue by SRU: YAZ's clients, and the published schemas of SRU 2.0."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx
import pytest
from lxml import etree

from gateway.partners.sru.indexes import INDEXES
from gateway.partners.sru.schemas import SCHEMAS
from tests.corpus import schemas
from tests.journeys.library import Library

ZING = "{http://www.loc.gov/zing/srw/}"
MARC = "{http://www.loc.gov/MARC21/slim}"


def sru(library: Library, **parameters: Any) -> etree._Element:
    response = httpx.get(f"{library.address}/sru", params={"version": "1.2", **parameters}, timeout=30)
    assert response.status_code == 200, response.text
    return etree.fromstring(response.content)


def search(library: Library, query: str, **parameters: Any) -> etree._Element:
    return sru(library, operation="searchRetrieve", query=query, **parameters)


def total(response: etree._Element) -> int:
    assert diagnostics(response) == []
    return int(response.findtext(f"{ZING}numberOfRecords"))


def diagnostics(response: etree._Element) -> list[tuple[str, str]]:
    return [
        (row.findtext("{*}uri").rpartition("/")[2], row.findtext("{*}details") or "")
        for row in response.iterfind("{*}diagnostics/{*}diagnostic")
    ]


def titles(response: etree._Element) -> list[str]:
    return ["".join(field.itertext()) for field in response.iter(f"{MARC}datafield") if field.get("tag") == "245"]


def run(*command: str, commands: str = "") -> str:
    result = subprocess.run(command, input=commands, capture_output=True, text=True, timeout=60, check=False)
    return result.stdout + result.stderr


def test_yaz_client_finds_and_shows_a_record(library: Library) -> None:
    commands = (
        f'open {library.address}/sru\nsru get 1.2\nquerytype cql\nfind dc.title="robohnya surau kami"\nshow 1\nquit\n'
    )
    output = run("yaz-client", commands=commands)
    assert "Number of hits: " in output
    assert "Robohnya Surau Kami" in output


def test_zoomsh_finds_and_shows_a_record(library: Library) -> None:
    commands = ["set sru get", f"connect {library.address}/sru", "search cql:dc.creator=navis", "show 0 1", "quit"]
    output = run("zoomsh", *commands)
    assert "0 hits" not in output
    assert "Navis" in output


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ("dc.title = surau and dc.creator = navis", "dc.creator = navis and dc.title = surau"),
        ("title all surau", "dc.title any surau"),
        ("bath.author = navis", "dc.creator = navis"),
        ('dc.title = "surau"', "dc.title = sur?u"),
        ("dc.date >= 1950 and dc.date <= 1960", 'dc.date within "1950 1960"'),
        ('> a = "info:srw/cql-context-set/1/dc-v1.1" a.title = surau', "dc.title = surau"),
        ("cql.allRecords = 1 not dc.language = ind", "dc.language <> ind"),
        ("dc.title = robohnya prox dc.title = surau", 'dc.title = "robohnya surau" or dc.title = "surau robohnya"'),
    ],
)
def test_two_ways_to_ask_find_the_same_records(library: Library, query: str, other: str) -> None:
    found = total(search(library, query))
    assert found > 0
    assert total(search(library, other)) == found


def test_operators_count_as_sets_do(library: Library) -> None:
    everything = total(search(library, "cql.allRecords = 1"))
    left, right = "dc.language = ind", "dc.subject = minangkabau"
    both, any_of = total(search(library, f"{left} and {right}")), total(search(library, f"{left} or {right}"))
    assert total(search(library, left)) + total(search(library, right)) == both + any_of
    assert total(search(library, f"cql.allRecords=1 not ({left} or {right})")) == everything - any_of


def test_pages_have_each_record_once_and_in_order(library: Library) -> None:
    query = "dc.subject = minangkabau sortby dc.title"
    whole = titles(search(library, query, maximumRecords=30))
    pages = [titles(search(library, query, maximumRecords=10, startRecord=start)) for start in (1, 11, 21)]
    assert [title for page in pages for title in page] == whole
    assert len(whole) == 30


@pytest.mark.parametrize("row", INDEXES, ids=lambda row: row.names[0])
def test_every_index_can_be_searched(library: Library, row: Any) -> None:
    term = {"dc.date": "1990", "rangkiang.class": "899", "cql.allRecords": "1"}.get(row.names[0], "surau")
    for name in row.names:
        assert diagnostics(search(library, f"{name} = {term}", maximumRecords=0)) == []


@pytest.mark.parametrize("form", [row.name for row in SCHEMAS])
def test_every_schema_has_the_record(library: Library, form: str) -> None:
    response = search(library, 'dc.title = "robohnya surau kami"', recordSchema=form, maximumRecords=1)
    data = response.find(f"{ZING}records/{ZING}record/{ZING}recordData")
    assert len(data) == 1
    text = "".join(data.itertext())
    assert "PKS" in text if form == "isohold" else "Robohnya" in text
    packed = search(
        library, 'dc.title = "robohnya surau kami"', recordSchema=form, maximumRecords=1, recordPacking="string"
    )
    inner = packed.findtext(f"{ZING}records/{ZING}record/{ZING}recordData")
    assert etree.fromstring(inner).tag == data[0].tag


def test_holdings_say_what_can_be_lent(library: Library) -> None:
    response = search(library, 'dc.title = "robohnya surau kami"', recordSchema="opacxml", maximumRecords=1)
    assert {row.get("value") for row in response.iter("{*}availableNow")} <= {"0", "1"}
    assert response.find(".//{*}callNumber") is not None
    response = search(library, 'dc.title = "robohnya surau kami"', recordSchema="isohold", maximumRecords=1)
    assert int(response.findtext(".//{*}copiesCount")) >= 1


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"operation": "searchRetrieve"}, ("7", "query")),
        ({"operation": "searchRetrieve", "query": "a", "nonsense": "1"}, ("8", "nonsense")),
        ({"operation": "nonsense"}, ("4", "nonsense")),
        ({"version": "9.9", "operation": "explain"}, ("5", "1.2")),
        ({"operation": "searchRetrieve", "query": "a", "startRecord": "0"}, ("6", "startRecord")),
        ({"operation": "searchRetrieve", "query": "a", "recordSchema": "nonsense"}, ("66", "nonsense")),
        ({"operation": "searchRetrieve", "query": "a", "recordPacking": "nonsense"}, ("71", "nonsense")),
        ({"operation": "searchRetrieve", "query": "a", "recordXPath": "/x"}, ("72", "")),
        ({"operation": "searchRetrieve", "query": "surau", "startRecord": "9999"}, ("61", None)),
        ({"operation": "searchRetrieve", "query": "a and"}, ("10", "6")),
        ({"operation": "searchRetrieve", "query": "x.title = a"}, ("15", "x")),
        ({"operation": "searchRetrieve", "query": "dc.nonsense = a"}, ("16", "dc.nonsense")),
        ({"operation": "searchRetrieve", "query": "dc.title encloses a"}, ("19", "encloses")),
        ({"operation": "searchRetrieve", "query": "dc.title =/fuzzy a"}, ("20", "fuzzy")),
        ({"operation": "searchRetrieve", "query": "dc.title < a"}, ("22", "title")),
        ({"operation": "searchRetrieve", "query": 'dc.title = "te\\rm"'}, ("26", "r")),
        ({"operation": "searchRetrieve", "query": 'dc.title = ""'}, ("27", "")),
        ({"operation": "searchRetrieve", "query": "dc.title = a*"}, ("29", "")),
        ({"operation": "searchRetrieve", "query": "dc.date = soon"}, ("36", "soon")),
        ({"operation": "searchRetrieve", "query": "a prox/unit=sentence b"}, ("42", "sentence")),
        ({"operation": "searchRetrieve", "query": "a prox/distance=² b"}, ("41", "²")),
        ({"operation": "searchRetrieve", "query": " and ".join(["a or b"] * 60)}, ("48", "20")),
        ({"operation": "searchRetrieve", "query": "a and/x.y b"}, ("46", "x.y")),
        ({"operation": "searchRetrieve", "query": "a sortby dc.subject"}, ("88", "dc.subject")),
        ({"operation": "scan", "scanClause": "dc.language = ind"}, ("16", "dc.language")),
        ({"operation": "scan", "scanClause": f'dc.title = "{"a" * 300}"'}, ("23", None)),
    ],
)
def test_a_wrong_request_gets_its_own_diagnostic(
    library: Library, parameters: dict[str, str], expected: tuple[str, str | None]
) -> None:
    [(number, details)] = diagnostics(sru(library, **parameters))
    assert number == expected[0]
    assert expected[1] is None or details == expected[1]


def test_explain_names_every_index(library: Library) -> None:
    response = etree.fromstring(httpx.get(f"{library.address}/sru", timeout=30).content)
    names = {(name.get("set"), name.text) for name in response.iter("{http://explain.z3950.org/dtd/2.1/}name")}
    assert names == {tuple(name.split(".")) for row in INDEXES for name in row.names}


def test_a_scan_lists_headings_around_a_term(library: Library) -> None:
    response = sru(library, operation="scan", scanClause="dc.creator = navis", maximumTerms=5, responsePosition=2)
    values = [term.findtext(f"{ZING}value") for term in response.iter(f"{ZING}term")]
    assert len(values) == 5
    assert values[1].lower().startswith("navis")
    assert values == sorted(values, key=str.casefold)


@pytest.mark.parametrize(
    ("index", "term"), [("dc.creator", "navis"), ("rangkiang.class", "899"), ("bath.isbn", "978979")]
)
def test_a_search_for_a_scanned_term_finds_the_number_of_records_of_the_scan(
    library: Library, index: str, term: str
) -> None:
    response = sru(library, operation="scan", scanClause=f'{index} = "{term}"', maximumTerms=3)
    counts = {
        row.findtext(f"{ZING}value"): int(row.findtext(f"{ZING}numberOfRecords"))
        for row in response.iter(f"{ZING}term")
    }
    assert len(counts) == 3
    for value, count in counts.items():
        relation = "==" if index == "dc.creator" else "="
        assert total(search(library, f'{index} {relation} "{value}"')) == count


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "dc.title = surau", "maximumRecords": "2", "facetLimit": "5:dc.subject,3:dc.language"},
        {"query": "dc.title ="},
        {},
        {"scanClause": "dc.title = surau"},
        {"scanClause": "dc.nonsense = surau"},
        {"operation": "scan", "version": "2.0"},
        {"query": "dc.title = surau", "startRecord": "0", "recordXMLEscaping": "x"},
        {"query": "dc.title = surau", "recordXMLEscaping": "string"},
        *({"query": "dc.title = surau", "recordSchema": row.name} for row in SCHEMAS),
    ],
    ids=str,
)
def test_responses_of_version_2_are_valid(library: Library, parameters: dict[str, str]) -> None:
    response = etree.fromstring(httpx.post(f"{library.address}/sru", data=parameters, timeout=30).content)
    assert response.tag.startswith("{http://docs.oasis-open.org/ns/search-ws/")
    assert not schemas.faults("sru", response)
    form = parameters.get("recordSchema", "")
    for record in response.iterfind("{*}records/{*}record/{*}recordData/*") if form in schemas.PUBLISHED else ():
        assert not schemas.faults(form, etree.fromstring(etree.tostring(record)))
    if "facetLimit" in parameters:
        counts = [int(count.text) for count in response.iter("{*}count")]
        assert counts == sorted(counts, reverse=True) or len(counts) > 5
        assert len(list(response.iter("{*}facet"))) == 2


def test_an_institution_has_an_address_of_its_own(library: Library) -> None:
    everything = total(search(library, "cql.allRecords = 1"))
    response = httpx.get(
        f"{library.address}/sru/PKS", params={"query": "cql.allRecords = 1", "maximumRecords": "0"}, timeout=30
    )
    assert 0 < int(etree.fromstring(response.content).findtext("{*}numberOfRecords")) < everything
    assert httpx.get(f"{library.address}/sru/NONE", timeout=30).status_code == 404


@pytest.mark.parametrize("query", ["query=surau", "", "scanClause=dc.title=surau", "query=dc.nonsense=a"])
def test_a_client_may_ask_again_with_the_etag(library: Library, query: str) -> None:
    address = f"{library.address}/sru?{query}"
    tag = httpx.get(address, timeout=30).headers["etag"]
    assert httpx.get(address, headers={"If-None-Match": tag}, timeout=30).status_code == 304
