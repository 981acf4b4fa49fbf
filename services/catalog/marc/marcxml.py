"""Decodes and encodes one record element of MARCXML (MARC 21 slim).

Names are compared without their prefix, so a record outside its collection needs no declarations. A DTD is not possible
inside a record, so only the five entities of XML are known here.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from services.catalog.marc.faults import MAX_RECORD_BYTES, MarcError, NotSerialisable
from services.catalog.marc.field_shape import (
    Decoded,
    content_warnings,
    control_field,
    data_field,
    leader_from_text,
    warn,
)
from services.catalog.marc.fields import Field, is_control, written
from services.catalog.marc.record import Record

NAMESPACE: Final = "http://www.loc.gov/MARC21/slim"
NAMESPACES = frozenset({NAMESPACE, "info:lc/xmlns/marcxchange-v1", "info:lc/xmlns/marcxchange-v2"})
COLLECTION_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<collection xmlns="{NAMESPACE}">\n'.encode()
COLLECTION_TAIL: Final = b"</collection>\n"
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
IN_TEXT = {"\r": "&#13;"}
IN_ATTRIBUTE = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def decode(raw: bytes, *, namespace: str = NAMESPACE) -> Decoded:
    """Decode one record element in UTF-8.

    namespace  namespace of the element's prefix in the enclosing elements; the element's own declaration has priority
    raises     MarcError  XML_MALFORMED, NOT_MARCXML, LEADER_BAD, FIELD_BAD, NO_FIELDS, RECORD_TOO_BIG
    """
    if len(raw) > MAX_RECORD_BYTES:
        raise MarcError("RECORD_TOO_BIG", f"{len(raw)} bytes")
    reading = _Reading(namespace)
    try:
        reading.parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise MarcError("XML_MALFORMED", str(error)) from error
    if not reading.fields:
        raise MarcError("NO_FIELDS" if reading.leader is not None else "NOT_MARCXML", "a record element without fields")
    record = Record(leader_from_text(reading.leader, reading.warnings), reading.fields)
    text = "\x1e".join([value for field in reading.fields for value in field])
    return Decoded(record, content_warnings(record, text.encode(), reading.warnings))


class _Reading:
    """The state while one record element is parsed."""

    def __init__(self, namespace: str) -> None:
        self.leader: str | None = None
        self.fields: list[Field] = []
        self.warnings: list[str] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._namespace = namespace
        self._open: list[str] = []
        self._unknown = 0
        self._text: list[str] = []
        self._tag = self._indicators = ""
        self._parts: list[str] = []

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        depth = len(self._open)
        self._open.append(local)
        if depth == 0:
            declared = attributes.get(f"xmlns:{prefix}" if prefix else "xmlns", self._namespace)
            if not declared:
                warn(self.warnings, "NO_NAMESPACE")
            elif declared not in NAMESPACES:
                raise MarcError("NOT_MARCXML", f"a record of the namespace {declared}")
            return
        if self._unknown:
            self._unknown += 1
            return
        if depth == 1 and local in ("controlfield", "datafield", "leader"):
            self._text.clear()
            self._tag = attributes.get("tag", "")
            if local == "datafield":
                self._parts = []
                first, second = attributes.get("ind1", " "), attributes.get("ind2", " ")
                if len(first) > 1 or len(second) > 1:
                    raise MarcError("FIELD_BAD", f"indicators {first!r} and {second!r} of {self._tag}")
                self._indicators = (first or " ") + (second or " ")
        elif depth == 2 and local == "subfield" and self._open[1] == "datafield":
            self._text.clear()
            self._parts.append(attributes.get("code", ""))
        elif local == "record" or self._open[-2] in ("subfield", "controlfield", "leader"):
            raise MarcError("FIELD_BAD", f"an element {name} where only text may stand")
        else:
            warn(self.warnings, "UNKNOWN_ELEMENT")
            self._unknown = 1

    def _end(self, _name: str) -> None:
        local = self._open.pop()
        if self._unknown:
            self._unknown -= 1
            return
        depth = len(self._open)
        if depth == 2:
            self._parts.append("".join(self._text))
        elif depth == 1:
            if local == "datafield":
                self.fields.append(data_field(self._tag, self._indicators, self._parts, self.warnings))
            elif local == "controlfield":
                self.fields.append(control_field(self._tag, "".join(self._text)))
            elif self.leader is None:
                self.leader = "".join(self._text)
            else:
                raise MarcError("LEADER_BAD", "two leaders")

    def _characters(self, text: str) -> None:
        if self._unknown:
            return
        if self._open[-1] in ("subfield", "controlfield", "leader"):
            self._text.append(text)
        elif not text.isspace():
            raise MarcError("FIELD_BAD", f"text outside any subfield: {text.strip()[:40]!r}")


def encode(record: Record, *, declare: bool = True) -> bytes:
    """Encode a record as one record element on separate lines, in UTF-8; leader position 9 is `a`.

    Text outside subfields and bare delimiters get an empty code: the schema does not allow it, but decode reads it.
    declare  False inside a collection, which declares the namespace (COLLECTION_HEAD, COLLECTION_TAIL)
    raises   NotSerialisable  UNSERIALISABLE_IN_XML, when XML 1.0 does not allow a character
    """
    lines = [f'<record xmlns="{NAMESPACE}">' if declare else "<record>"]
    lines.append(f"  <leader>{escape(f'{record.leader[:9]}a{record.leader[10:]}', IN_TEXT)}</leader>")
    for field in record.fields:
        tag = escape(field[0], IN_ATTRIBUTE)
        if is_control(field):
            lines.append(f'  <controlfield tag="{tag}">{escape(field[1], IN_TEXT)}</controlfield>')
            continue
        first, second = escape(field[1][0], IN_ATTRIBUTE), escape(field[1][1], IN_ATTRIBUTE)
        lines.append(f'  <datafield tag="{tag}" ind1="{first}" ind2="{second}">')
        for code, value in written(field):
            lines.append(f'    <subfield code="{escape(code, IN_ATTRIBUTE)}">{escape(value, IN_TEXT)}</subfield>')
        lines.append("  </datafield>")
    lines.append("</record>\n")
    text = "\n".join(lines)
    if match := FORBIDDEN.search(text):
        raise NotSerialisable("UNSERIALISABLE_IN_XML", f"the character U+{ord(match[0]):04X}")
    return text.encode()
