"""OAI-PMH 2.0 documents as XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, tostring

from gateway.partners.oai.arguments import FORMATS, Fault
from gateway.partners.xml import put, serialize
from rangkiang.catalog.v1 import harvest_pb2 as wire

MEDIA_TYPE = "text/xml; charset=utf-8"
NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_ROOT = {
    "xmlns": NAMESPACE,
    "xmlns:xsi": _XSI,
    "xsi:schemaLocation": f"{NAMESPACE} http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd",
}
_IDENTIFIER_NAMESPACE = "http://www.openarchives.org/OAI/2.0/oai-identifier"
_IDENTIFIER = {
    "xmlns": _IDENTIFIER_NAMESPACE,
    "xsi:schemaLocation": f"{_IDENTIFIER_NAMESPACE} http://www.openarchives.org/OAI/2.0/oai-identifier.xsd",
}
_MARC = FORMATS["marc21"]
_MARC_START = f'<record xmlns="{_MARC.namespace}"'.encode()
_MARC_LOCATION = f' xmlns:xsi="{_XSI}" xsi:schemaLocation="{_MARC.namespace} {_MARC.schema}"'.encode()
# Of the schema; `set`, `from` and `until` are refused before.
_ANY = re.compile(".*", re.DOTALL)
_SHOWN = {
    "metadataPrefix": re.compile(r"[A-Za-z0-9\-_.!~*'()]+"),
    "identifier": re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"),
}
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*>\s*")
_STYLES = b'?>\n<?xml-stylesheet type="text/css" href="/oai.css"?>'
SCHEME = "oai"


@dataclass(frozen=True, slots=True)
class Identity:
    """The answer to Identify. domain: of the identifiers of records; sample_id: of a record, to show one."""

    name: str
    email: str
    earliest: datetime
    domain: str
    sample_id: str


def wrap(body: bytes, *, base_url: str, arguments: Mapping[str, str], at: datetime) -> bytes:
    """Return the document with this body.

    arguments  of the request, of which those are shown that the schema allows; empty after badVerb and badArgument
    at         time of the response
    """
    root = Element("OAI-PMH", _ROOT)
    put(root, "responseDate", datestamp(at))
    allowed = {name: value for name, value in arguments.items() if _SHOWN.get(name, _ANY).fullmatch(value)}
    put(root, "request", base_url, **allowed)
    head, end, tail = serialize(root).rpartition(b"</OAI-PMH>")
    return head.replace(b"?>", _STYLES, 1) + body + end + tail


def datestamp(at: datetime) -> str:
    """Write a time in UTC with whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error(fault: Fault) -> bytes:
    element = Element("error", {"code": fault.code})
    element.text = fault.message
    return _bytes(element)


def identify(identity: Identity, base_url: str) -> bytes:
    element = Element("Identify")
    put(element, "repositoryName", identity.name)
    put(element, "baseURL", base_url)
    put(element, "protocolVersion", "2.0")
    put(element, "adminEmail", identity.email)
    put(element, "earliestDatestamp", datestamp(identity.earliest))
    put(element, "deletedRecord", "persistent")
    put(element, "granularity", "YYYY-MM-DDThh:mm:ssZ")
    put(element, "compression", "gzip")
    description = put(put(element, "description"), "oai-identifier", **_IDENTIFIER)
    put(description, "scheme", SCHEME)
    put(description, "repositoryIdentifier", identity.domain)
    put(description, "delimiter", ":")
    put(description, "sampleIdentifier", f"{SCHEME}:{identity.domain}:{identity.sample_id}")
    return _bytes(element)


def list_formats() -> bytes:
    element = Element("ListMetadataFormats")
    for prefix, form in FORMATS.items():
        entry = put(element, "metadataFormat")
        put(entry, "metadataPrefix", prefix)
        put(entry, "schema", form.schema)
        put(entry, "metadataNamespace", form.namespace)
    return _bytes(element)


def list_sets(sets: Iterable[wire.RecordSet]) -> bytes:
    element = Element("ListSets")
    for entry in sets:
        child = put(element, "set")
        put(child, "setSpec", entry.spec)
        put(child, "setName", " / ".join(dict.fromkeys(name for name in (entry.name.id, entry.name.en) if name)))
    return _bytes(element)


def header(change: wire.Change, domain: str) -> bytes:
    """Write the header of a record. No value has a character that XML escapes."""
    status = ' status="deleted"' if change.is_deleted else ""
    at = change.changed_at.ToDatetime().strftime("%Y-%m-%dT%H:%M:%SZ")
    sets = "".join(f"<setSpec>{spec}</setSpec>" for spec in change.sets)
    identifier = f"{SCHEME}:{domain}:{change.id}"
    return f"<header{status}><identifier>{identifier}</identifier><datestamp>{at}</datestamp>{sets}</header>\n".encode()


def record(change: wire.Change, domain: str) -> bytes:
    """Write a record. A deleted record has no metadata."""
    metadata = b""
    if not change.is_deleted:
        declaration = _DECLARATION.match(change.content)
        content = change.content[declaration.end() :] if declaration else change.content
        metadata = b"<metadata>%b</metadata>" % content.replace(_MARC_START, _MARC_START + _MARC_LOCATION, 1)
    return b"<record>%b%b</record>\n" % (header(change, domain), metadata)


def resumption_token(token: str, *, cursor: int, expires: datetime | None) -> bytes:
    """Write the token at the end of a part of a list; the last part has an empty one.

    It has no completeListSize, because formats leave out records that they cannot hold.

    cursor  number of records of the parts before
    """
    more = {"expirationDate": datestamp(expires)} if expires is not None else {}
    element = Element("resumptionToken", {**more, "cursor": str(cursor)})
    element.text = token or None
    return _bytes(element)


def _bytes(element: Element) -> bytes:
    content: bytes = tostring(element, encoding="utf-8", xml_declaration=False)
    return content + b"\n"
