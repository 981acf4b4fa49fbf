"""The parameters of SRU 1.1, 1.2 and 2.0: each version has its own, and an unknown one is a diagnostic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.partners.sru.diagnostics import Diagnostic

VERSIONS: Final = ("1.1", "1.2", "2.0")
DEFAULT_RECORDS, MOST_RECORDS = 10, 100
DEFAULT_TERMS, MOST_TERMS = 20, 50
MOST_FACETS, MOST_FACET_VALUES = 10, 100

_COMMON = frozenset({"operation", "version", "stylesheet", "extraRequestData"})
_SEARCH_1 = _COMMON | {
    "query", "startRecord", "maximumRecords", "recordPacking", "recordSchema", "recordXPath", "resultSetTTL",
}  # fmt: skip
_SCAN_1 = _COMMON | {"scanClause", "responsePosition", "maximumTerms"}
_EXPLAIN_1 = _COMMON | {"recordPacking"}
# SRU 2.0 has no `operation` and `version`, but clients send them.
_COMMON_2 = frozenset({"operation", "version", "stylesheet", "renderedBy", "httpAccept", "responseType"})
# Operation -> version -> parameters. Those that begin with x- are extensions, which a server may ignore.
_KNOWN: Final = {
    "searchRetrieve": {
        "1.1": _SEARCH_1 | {"sortKeys"},
        "1.2": _SEARCH_1,
        "2.0": _COMMON_2
        | {
            "query", "queryType", "startRecord", "maximumRecords", "recordXMLEscaping", "recordPacking", "recordSchema",
            "resultSetTTL", "sortKeys", "facetLimit", "facetStart", "facetSort", "facetCount",
        },
    },
    "scan": {
        "1.1": _SCAN_1,
        "1.2": _SCAN_1,
        "2.0": _COMMON_2 | {"scanClause", "responsePosition", "maximumTerms"},
    },
    "explain": {"1.1": _EXPLAIN_1, "1.2": _EXPLAIN_1, "2.0": _COMMON_2 | {"recordXMLEscaping"}},
}  # fmt: skip


@dataclass(slots=True)
class SruRequest:
    """A request. Diagnostics in `warnings` do not stop it.

    operation  "searchRetrieve", "scan" or "explain"
    values     the parameters as sent, for the echo
    start      position of the first record, from 1
    escaping   "xml": records are part of the document; "string": they are text
    position   scan: place of the term in the list, from 1; 0 is just before it
    facets     name of a facet as sent -> the most values; "" is each facet
    """

    operation: str = "explain"
    version: str = "2.0"
    values: dict[str, str] = field(default_factory=dict)
    warnings: list[Diagnostic] = field(default_factory=list)
    query: str = ""
    start: int = 1
    records: int = DEFAULT_RECORDS
    escaping: str = "xml"
    schema: str = ""
    sort_keys: str = ""
    position: int = 1
    terms: int = DEFAULT_TERMS
    facets: dict[str, int] = field(default_factory=dict)


def read(pairs: Iterable[tuple[str, str]], request: SruRequest) -> None:
    """Read the parameters into `request`, which has what was read until a diagnostic stops it.

    raises  Diagnostic  4 operation, 5 version, 6 value, 7 a parameter is missing, 8 unknown parameter, 71, 72
    """
    values: dict[str, str] = {}
    repeated = ""
    for name, value in pairs:
        repeated = name if name in values else repeated
        values[name] = value
    request.values = values
    request.version = _version(values)
    if request.version not in VERSIONS:
        wrong, request.version = request.version, VERSIONS[-2]
        raise Diagnostic(5, VERSIONS[-2], f"Version {wrong[:20]} is not known; known are {', '.join(VERSIONS)}")
    request.operation = _operation(values)
    if request.operation not in _KNOWN:
        wrong, request.operation = request.operation, "searchRetrieve"
        raise Diagnostic(4, wrong[:40])
    if repeated:
        raise Diagnostic(6, repeated[:40], "The parameter is there twice")
    known = _KNOWN[request.operation][request.version]
    for name in values:
        if name not in known and not name.startswith("x-"):
            raise Diagnostic(8, name[:80])
    if values.get("stylesheet"):
        request.warnings.append(Diagnostic(110))
    if request.operation == "searchRetrieve":
        _read_search(values, request)
    elif request.operation == "scan":
        _read_scan(values, request)


def _version(values: dict[str, str]) -> str:
    """Return the version: SRU 2.0 has no parameters `version` and `operation`, before it they are mandatory."""
    return values.get("version") or ("1.2" if "operation" in values else "2.0")


def _operation(values: dict[str, str]) -> str:
    if values.get("operation"):
        return values["operation"]
    if "query" in values:
        return "searchRetrieve"
    return "scan" if "scanClause" in values else "explain"


def _read_search(values: dict[str, str], request: SruRequest) -> None:
    if values.get("queryType", "cql").lower() not in ("cql", "searchterms"):
        raise Diagnostic(11, values["queryType"][:40])
    request.query = _mandatory(values, "query")
    request.start = _number(values, "startRecord", 1, least=1)
    request.records = min(_number(values, "maximumRecords", DEFAULT_RECORDS), MOST_RECORDS)
    request.schema = values.get("recordSchema", "")
    request.sort_keys = values.get("sortKeys", "")
    # Before 2.0 recordPacking says what recordXMLEscaping says now.
    name = "recordXMLEscaping" if request.version == "2.0" else "recordPacking"
    request.escaping = values.get(name) or "xml"
    if request.escaping not in ("xml", "string"):
        wrong, request.escaping = request.escaping, "xml"
        raise Diagnostic(71, wrong[:40])
    if values.get("recordXPath"):
        raise Diagnostic(72)
    _number(values, "resultSetTTL", 0)
    if "facetLimit" in values:
        request.facets = _facets(values["facetLimit"])
        if values.get("facetSort", "count").split(",")[0].lower() not in ("count", "recordcount"):
            request.warnings.append(Diagnostic(6, "facetSort", "Values are in the order of their counts"))


def _facets(text: str) -> dict[str, int]:
    """Read `10` or `10:subject,5:author` (SRU 2.0 part 3, annex on facets)."""
    facets: dict[str, int] = {}
    for piece in text.split(","):
        limit, _, index = piece.strip().partition(":")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 6) or len(facets) == MOST_FACETS:
            raise Diagnostic(6, "facetLimit")
        facets[index.strip()] = min(int(limit), MOST_FACET_VALUES)
    return facets


def _read_scan(values: dict[str, str], request: SruRequest) -> None:
    request.query = _mandatory(values, "scanClause")
    request.position = _number(values, "responsePosition", 1)
    request.terms = _number(values, "maximumTerms", DEFAULT_TERMS, least=1)
    if request.terms > MOST_TERMS:
        raise Diagnostic(121, str(MOST_TERMS), f"At most {MOST_TERMS} terms can be requested")
    if request.position > request.terms + 1:
        raise Diagnostic(120, str(request.position))


def _mandatory(values: dict[str, str], name: str) -> str:
    if not values.get(name, "").strip():
        raise Diagnostic(7, name)
    return values[name]


def _number(values: dict[str, str], name: str, default: int, *, least: int = 0) -> int:
    value = values.get(name, "")
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 9) or int(value) < least:
        raise Diagnostic(6, name, f"{name} must be a whole number from {least} on")
    return int(value)
