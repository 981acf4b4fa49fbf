"""SRU's documents are XML that satisfies the published schema, whatever text records, items and requests have."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.partners.sru.answers import (
    FacetCounts,
    ScanTerm,
    SruRecord,
    diagnostic_record,
    explain_response,
    scan_response,
    search_response,
)
from gateway.partners.sru.diagnostics import MESSAGES, Diagnostic
from gateway.partners.sru.explain import explain_record
from gateway.partners.sru.holdings import iso_holdings, opac_record
from gateway.partners.sru.parameters import VERSIONS, SruRequest
from gateway.partners.xml import clean, put, serialize
from rangkiang.catalog.v1.catalog_pb2 import Item
from rangkiang.common.v1.text_pb2 import LocalText
from tests.corpus import schemas

TEXTS = st.text(max_size=12) | st.sampled_from(["{record 0}", "{record 1}", "]]>", "<place />", "&amp;", "\x00\x1b"])
ECHOED = (
    "query", "startRecord", "maximumRecords", "resultSetTTL", "recordSchema", "recordXMLEscaping", "recordPacking",
    "facetLimit", "sortKeys", "stylesheet", "scanClause", "maximumTerms", "queryType",
)  # fmt: skip
diagnostics = st.lists(st.builds(Diagnostic, st.sampled_from(sorted(MESSAGES)), TEXTS, TEXTS), max_size=2)
facets = st.lists(
    st.builds(FacetCounts, TEXTS, TEXTS, st.lists(st.tuples(TEXTS, st.integers(0, 99)), min_size=1, max_size=3)),
    max_size=2,
)


@st.composite
def requests(draw: st.DrawFn, operation: str) -> SruRequest:
    """A request of an operation with any values to echo."""
    values = draw(st.dictionaries(st.sampled_from(ECHOED), TEXTS | st.sampled_from(["0", "7", "٣", "xml"])))
    version, escaping = draw(st.sampled_from(VERSIONS)), draw(st.sampled_from(["xml", "string"]))
    return SruRequest(operation=operation, version=version, values=values, escaping=escaping)


def a_record(text: str) -> SruRecord:
    element = Element("title")
    put(element, "main", text)
    return SruRecord("info:srw/schema/1/dc-v1.1", serialize(element).decode().split("?>", 1)[1].strip(), "urn:uuid:1")


def read(request: SruRequest, document: bytes) -> Any:
    tree = etree.fromstring(document)
    if request.version == "2.0":
        assert not schemas.faults("sru", tree)
    return tree


def data_of(record: Any, request: SruRequest) -> Any:
    data = record.find("{*}recordData")
    return data[0] if request.escaping == "xml" else etree.fromstring(data.text)


@given(requests("searchRetrieve"), st.lists(TEXTS, max_size=3), diagnostics, facets)
def test_a_search_response_has_each_record_as_it_is(
    request: SruRequest, texts: list[str], found: list[Diagnostic], counts: list[FacetCounts]
) -> None:
    records = [*map(a_record, texts), *map(diagnostic_record, found)]
    tree = read(
        request, search_response(request, total=len(records), records=records, diagnostics=found, facets=counts)
    )
    written = [data_of(record, request) for record in tree.iterfind("{*}records/{*}record")]
    assert [data.findtext("{*}main") or "" for data in written[: len(texts)]] == [clean(text) for text in texts]
    details = [row.findtext("{*}details") or "" for row in tree.iterfind("{*}diagnostics/{*}diagnostic")]
    assert details == [clean(row.details) for row in found]
    assert [data.findtext("{*}details") or "" for data in written[len(texts) :]] == details


@given(requests("scan"), st.lists(st.builds(ScanTerm, TEXTS, st.integers(0, 99), TEXTS), max_size=3), diagnostics)
def test_a_scan_response_has_each_term(request: SruRequest, terms: list[ScanTerm], found: list[Diagnostic]) -> None:
    tree = read(request, scan_response(request, terms, found))
    values = [term.findtext("{*}value") or "" for term in tree.iterfind("{*}terms/{*}term")]
    assert values == [clean(term.value) for term in terms]


@given(requests("explain"), TEXTS, st.sampled_from(["katalog.example", "[::1]"]), st.integers(1, 65_535), st.booleans())
def test_an_explanation_has_the_title_of_the_library(
    request: SruRequest, title: str, host: str, port: int, is_secure: bool
) -> None:
    content = explain_record(
        title=title, description=title, host=host, port=port, database="sru/P K", is_secure=is_secure
    )
    tree = read(request, explain_response(request, content))
    explanation = data_of(tree.find("{*}record"), request)
    assert (explanation.findtext(".//{*}databaseInfo/{*}title") or "") == clean(title)
    assert explanation.findtext(".//{*}serverInfo/{*}host") == host


STATES = ("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available")
items = st.lists(
    st.builds(
        Item,
        barcode=TEXTS,
        call_number=TEXTS,
        institution=st.sampled_from(["PKS", "A&B"]),
        branch=st.sampled_from(["PST", "<x>"]),
        branch_name=st.builds(LocalText, id=TEXTS, en=TEXTS),
        collection=TEXTS,
        availability=st.sampled_from(STATES),
        room=TEXTS,
        enumeration=TEXTS,
        chronology=TEXTS,
        due_on=st.sampled_from(["", "2026-12-24"]),
    ),
    max_size=4,
)


@given(items)
def test_holdings_have_each_item_whatever_it_is_called(owned: list[Item]) -> None:
    tree = etree.fromstring(iso_holdings(owned))
    assert sum(int(count.text or 0) for count in tree.iter("{*}copiesCount")) == len(owned)
    barcodes = [value.text or "" for value in tree.iterfind(".//{*}pieceIdentifier/{*}value")]
    assert barcodes == [clean(item.barcode) for item in owned if item.barcode]


@given(items, TEXTS)
def test_an_opac_record_has_its_record_and_each_item(owned: list[Item], text: str) -> None:
    tree = etree.fromstring(opac_record(owned, a_record(text).content))
    assert (tree.findtext("bibliographicRecord/title/main") or "") == clean(text)
    assert [row.get("value") == "1" for row in tree.iter("availableNow")] == [
        item.availability == "can_be_borrowed" for item in owned
    ]
