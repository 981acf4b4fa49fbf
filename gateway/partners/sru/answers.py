"""The XML of SRU's responses, in the namespaces of version 1.1 and 1.2 or of version 2.0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from gateway.partners.sru.diagnostics import Diagnostic
from gateway.partners.sru.parameters import SruRequest
from gateway.partners.xml import put, serialize

# Records are XML already; they take the place of this element.
_PLACE: Final = "<place />"

_ZING: Final = "http://www.loc.gov/zing/srw/"
_ZING_DIAGNOSTIC: Final = "http://www.loc.gov/zing/srw/diagnostic/"
_OASIS: Final = "http://docs.oasis-open.org/ns/search-ws/"
DIAGNOSTIC_SCHEMA: Final = "info:srw/schema/1/diagnostics-v1.1"
EXPLAIN_SCHEMA: Final = "http://explain.z3950.org/dtd/2.1/"
# What an echoed request repeats, in the order of the schema.
_ECHO: Final = {
    "searchRetrieve": (
        "version", "queryType", "query", "startRecord", "maximumRecords", "recordXMLEscaping", "recordPacking",
        "recordSchema", "facetLimit", "resultSetTTL", "sortKeys",
    ),
    "scan": ("version", "scanClause", "responsePosition", "maximumTerms"),
    "explain": ("version", "recordXMLEscaping", "recordPacking"),
}  # fmt: skip
# Values that the schema allows; others got a diagnostic, and are not repeated.
_ALLOWED: Final = {
    **dict.fromkeys(("startRecord", "maximumTerms"), re.compile("[0-9]*[1-9][0-9]*", re.ASCII)),
    **dict.fromkeys(("maximumRecords", "resultSetTTL", "responsePosition"), re.compile("[0-9]+", re.ASCII)),
    **dict.fromkeys(("recordXMLEscaping", "recordPacking"), re.compile("xml|string")),
}


@dataclass(frozen=True, slots=True)
class SruRecord:
    """A record in a response: XML without a declaration, or the diagnostic in its place."""

    schema: str
    content: str
    identifier: str = ""


@dataclass(frozen=True, slots=True)
class ScanTerm:
    """A term of a list. display: for people, when it differs; where: first, last, only or inner."""

    value: str
    count: int
    display: str = ""
    where: str = "inner"


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The values of a facet with their counts, the most frequent first."""

    index: str
    label: str
    counts: Sequence[tuple[str, int]]


def search_response(
    request: SruRequest,
    *,
    total: int,
    records: Sequence[SruRecord] = (),
    diagnostics: Sequence[Diagnostic] = (),
    facets: Sequence[FacetCounts] = (),
) -> bytes:
    """Return a searchRetrieveResponse. `total` is exact; next is written when more records can be requested."""
    root = _root(request, "searchRetrieveResponse")
    put(root, "numberOfRecords", str(total))
    if records:
        put(root, "place")
    following = request.start + len(records)
    if records and following <= total:
        put(root, "nextRecordPosition", str(following))
    _put_echo(root, request)
    _put_diagnostics(root, request, diagnostics)
    if request.version == "2.0":
        put(root, "resultCountPrecision", "info:srw/vocabulary/resultCountPrecision/1/exact")
        if facets:
            _put_facets(root, facets)
    texts = [_record(request, record, position) for position, record in enumerate(records, request.start)]
    return _with_records(root, f"<records>{''.join(texts)}</records>")


def explain_response(request: SruRequest, content: str, diagnostics: Sequence[Diagnostic] = ()) -> bytes:
    """Return an explainResponse with a ZeeRex record."""
    root = _root(request, "explainResponse")
    put(root, "place")
    _put_echo(root, request)
    _put_diagnostics(root, request, diagnostics)
    return _with_records(root, _record(request, SruRecord(EXPLAIN_SCHEMA, content)))


def scan_response(request: SruRequest, terms: Iterable[ScanTerm] = (), diagnostics: Sequence[Diagnostic] = ()) -> bytes:
    """Return a scanResponse."""
    root = _root(request, "scanResponse")
    parent: Element | None = None
    for term in terms:
        parent = put(root, "terms") if parent is None else parent
        element = put(parent, "term")
        put(element, "value", term.value)
        put(element, "numberOfRecords", str(term.count))
        if term.display and term.display != term.value:
            put(element, "displayTerm", term.display)
        put(element, "whereInList", term.where)
    _put_echo(root, request)
    _put_diagnostics(root, request, diagnostics)
    return serialize(root)


def diagnostic_record(diagnostic: Diagnostic) -> SruRecord:
    """Return the record that stands for one that cannot be sent (a surrogate diagnostic)."""
    element = Element("diagnostic", {"xmlns": _ZING_DIAGNOSTIC})
    _fill(element, diagnostic)
    return SruRecord(DIAGNOSTIC_SCHEMA, serialize(element).decode().split("?>", 1)[1].strip())


def _root(request: SruRequest, name: str) -> Element:
    if request.version == "2.0":
        namespace = f"{_OASIS}{'scan' if name == 'scanResponse' else 'sruResponse'}"
        return Element(name, {"xmlns": namespace})
    root = Element(name, {"xmlns": _ZING})
    put(root, "version", request.version)
    return root


def _record(request: SruRequest, record: SruRecord, position: int = 0) -> str:
    """Write a record. Besides its content, no value has a character that XML escapes."""
    escaping = "recordXMLEscaping" if request.version == "2.0" else "recordPacking"
    content = record.content if request.escaping == "xml" else escape(record.content)
    has_identifier = record.identifier and request.version == "1.2"
    identifier = f"<recordIdentifier>{record.identifier}</recordIdentifier>" if has_identifier else ""
    number = f"<recordPosition>{position}</recordPosition>" if position else ""
    return (
        f"<record><recordSchema>{record.schema}</recordSchema><{escaping}>{request.escaping}</{escaping}>"
        f"<recordData>{content}</recordData>{identifier}{number}</record>"
    )


def _put_echo(root: Element, request: SruRequest) -> None:
    if request.operation == "scan" and not request.values.get("scanClause"):
        return  # the schema requires it
    operation = request.operation[0].upper() + request.operation[1:]
    echo = put(root, f"echoed{operation}Request")
    for name in _ECHO[request.operation]:
        value = request.values.get(name, "")
        if name in _ALLOWED and not _ALLOWED[name].fullmatch(value):
            continue
        if not value or (request.version == "2.0" and name in ("version", "recordPacking")):
            continue
        if name == "facetLimit":
            put(echo, "facetParameters", f"facetLimit={value}")
        else:
            put(echo, name, value)


def _put_diagnostics(root: Element, request: SruRequest, diagnostics: Sequence[Diagnostic]) -> None:
    if not diagnostics:
        return
    parent = put(root, "diagnostics")
    namespace = f"{_OASIS}diagnostic" if request.version == "2.0" else _ZING_DIAGNOSTIC
    for diagnostic in diagnostics:
        _fill(put(parent, "diagnostic", xmlns=namespace), diagnostic)


def _fill(element: Element, diagnostic: Diagnostic) -> None:
    put(element, "uri", diagnostic.uri)
    if diagnostic.details:
        put(element, "details", diagnostic.details)
    put(element, "message", diagnostic.message)


def _put_facets(root: Element, facets: Sequence[FacetCounts]) -> None:
    parent = put(root, "facetedResults")
    for facet in facets:
        element = put(parent, "facet", xmlns=f"{_OASIS}facetedResults")
        put(element, "facetDisplayLabel", facet.label)
        put(element, "index", facet.index)
        put(element, "relation", "=")
        terms = put(element, "terms")
        for value, count in facet.counts:
            term = put(terms, "term")
            put(term, "actualTerm", value)
            put(term, "count", str(count))


def _with_records(root: Element, records: str) -> bytes:
    # The texts of the client are escaped, and come after the place.
    return serialize(root).decode().replace(_PLACE, records, 1).encode()
