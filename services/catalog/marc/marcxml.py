"""Decodes and encodes one record element of MARCXML (MARC 21 slim).

Names are compared without their prefix, so a record outside its collection needs no declarations. A DTD is not possible
inside a record, so only the five entities of XML are known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault, MarcError, NotSerialisable
from services.catalog.marc.field_shape import (
    DecodedRecord,
    add_warning,
    content_warnings,
    control_field,
    data_field,
    leader_from_text,
)
from services.catalog.marc.record import Field, Record, is_control, subfields

MAX_DEPTH = 64
KEPT_BYTES = 65_536
RECORD = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?record[\s>/]")
WRAPPERS = frozenset({"", "collection", "record", "OAI-PMH", "searchRetrieveResponse"})
PARTS = frozenset({"leader", "controlfield", "datafield"})
Piece = tuple[int, bytes, Fault | None, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that one element declares, and the scope of the elements that enclose it."""

    declared: dict[str, str]
    outer: Scope | None

    def uri(self, prefix: str) -> str:
        scope: Scope | None = self
        while scope is not None:
            if prefix in scope.declared:
                return scope.declared[prefix]
            scope = scope.outer
        return ""


class _Stop(Exception):
    """Parsing must stop at this position."""

    def __init__(self, at: int, reason: str, detail: str, *, resync: bool = True) -> None:
        self.at = at
        self.fault = Fault(reason, f"{detail}, at byte {at}")
        self.resync = resync
        super().__init__(reason)


NO_NAMESPACES = Scope({}, None)


class _Pass:
    """One run of the parser, from the beginning of the document or from a record after a fault.

    Positions are offsets in the stream. `opened` has the elements that enclose the record. The parser reads their start
    tags again, so that their end tags match.
    """

    def __init__(self, begin: int, opened: list[tuple[str, Scope]]) -> None:
        self.complete: list[tuple[int, int, str]] = []
        self.record: int | None = None
        self.opened: list[tuple[str, Scope]] = list(opened)
        self.root = opened[0][0] if opened else ""
        self.parser = expat.ParserCreate("utf-8")
        prologue = "".join(f"<{name}>" for name, _ in opened).encode()
        self.parser.Parse(prologue, False)
        self._shift = begin - len(prologue)
        self._depth = 0
        self._is_marc = False
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def position(self) -> int:
        """Return the position of the markup that the parser reads."""
        return self.parser.CurrentByteIndex + self._shift

    def error_at(self) -> int:
        return self.parser.ErrorByteIndex + self._shift

    def reads_marc(self) -> bool:
        """Tell whether the root element is known to contain records, or fields of a record have begun."""
        return self._is_marc or self.root.rpartition(":")[2] in WRAPPERS

    def outside(self) -> list[tuple[str, Scope]]:
        """Return the elements that enclose the open record, or all open elements."""
        return self.opened if self.record is None else self.opened[: self._depth]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        opened = self.opened
        scope = opened[-1][1] if opened else NO_NAMESPACES
        if not opened:
            self.root = name
        elif len(opened) > MAX_DEPTH:
            raise _Stop(self.position, "XML_TOO_DEEP", f"over {MAX_DEPTH} elements")
        if not self._is_marc or self.record is None:
            if local == "record":
                self.record, self._depth, self._is_marc = self.position, len(opened), False
                self._namespace = scope.uri(prefix)
            elif self.record is not None and local in PARTS:
                self._is_marc = True
            if declared := {key[6:]: uri for key, uri in attributes.items() if key.startswith("xmlns")}:
                scope = Scope(declared, scope)
        elif local == "record":
            raise _Stop(self.position, "XML_MALFORMED", "a record begins inside another")
        opened.append((name, scope))

    def _end(self, _name: str) -> None:
        self.opened.pop()
        if self.record is not None and len(self.opened) == self._depth:
            self.complete.append((self.record, self.position, self._namespace))
            self.record = None
            self._is_marc = False

    def _doctype(self, *_: object) -> None:
        raise _Stop(self.position, "XML_DTD", "a document type declaration", resync=False)


def pieces(source: Source) -> Iterator[Piece]:
    """Yield position, bytes, fault and inherited namespace of each record element and of each section with a fault."""
    current, fed, count = _Pass(source.position, []), source.position, 0
    head = source.window[:KEPT_BYTES]
    while True:
        fresh = source.window[source.at + fed - source.position :]
        if not fresh and source.more():
            continue
        stop: _Stop | None = None
        try:
            current.parser.Parse(fresh, not fresh)
        except expat.ExpatError as error:
            stop = _Stop(current.error_at(), "XML_MALFORMED", expat.errors.messages[error.code])
        except _Stop as error:
            stop = error
        fed += len(fresh)
        for piece in _take(source, current):
            count += 1
            yield piece
        if stop is None and not fresh:
            break
        if stop is None:
            stop = _drop_parsed(source, current, fed)
            if stop is None:
                continue
        offset = source.at + stop.at - source.position
        if not current.opened and current.root and source.window.startswith(b"<", offset):
            source.at = offset
            current, fed = _Pass(stop.at, []), stop.at
            continue
        stop.resync = stop.resync and (count > 0 or current.reads_marc())
        count += 1
        yield _fault(source, current, stop)
        if source.ended and not source.size:
            break
        current, fed = _Pass(source.position, current.outside()), source.position
    if not count and not current.reads_marc():
        yield 0, head, Fault("NOT_MARCXML", f"a document of <{current.root}> without any record"), ""


def _take(source: Source, current: _Pass) -> Iterator[Piece]:
    """Yield the complete record elements and drop the bytes before and between them."""
    for begin, end_tag, namespace in current.complete:
        source.at += begin - source.position
        end = source.window.index(b">", source.at + end_tag - begin) + 1
        raw = source.window[source.at : end]
        source.at = end
        yield begin, raw, None, namespace
    current.complete.clear()


def _drop_parsed(source: Source, current: _Pass, fed: int) -> _Stop | None:
    """Drop bytes before the open record or the parser's position. Returns a stop if a record or token is too long."""
    if current.record is not None and current.record > source.position:
        source.at += current.record - source.position
    elif current.record is None:
        source.at += max(current.position - KEPT_BYTES - source.position, 0)
    if fed - source.position > MAX_RECORD_BYTES:
        return _Stop(fed, "RECORD_TOO_BIG", f"over {MAX_RECORD_BYTES} bytes from byte {source.position} on")
    return None


def _fault(source: Source, current: _Pass, stop: _Stop) -> Piece:
    """Return the section from the open record, or the end of the last one, to the record element after the fault."""
    if current.record is not None:
        source.at += current.record - source.position
    position = source.position
    raw = b""
    search = max(stop.at - position, 1)
    while stop.resync:
        match = RECORD.search(source.window, source.at + search)
        if match:
            raw = raw or source.window[source.at : match.start()][:MAX_RECORD_BYTES]
            source.at = match.start()
            return position, raw, stop.fault, ""
        if source.size > MAX_RECORD_BYTES:
            raw = raw or source.window[source.at : source.at + MAX_RECORD_BYTES]
            source.at = len(source.window) - KEPT_BYTES
            search = max(stop.at - source.position, 0)
        else:
            search = max(source.size - KEPT_BYTES, search)
        if not source.more():
            break
    raw = raw or source.window[source.at : source.at + MAX_RECORD_BYTES]
    source.at = len(source.window)
    source.ended = True
    return position, raw, stop.fault, ""


NAMESPACE: Final = "http://www.loc.gov/MARC21/slim"
NAMESPACES = frozenset({NAMESPACE, "info:lc/xmlns/marcxchange-v1", "info:lc/xmlns/marcxchange-v2"})
COLLECTION_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<collection xmlns="{NAMESPACE}">\n'.encode()
COLLECTION_TAIL: Final = b"</collection>\n"
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENTITIES = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_ESCAPED = re.compile("&[^;]+;|.", re.DOTALL)  # a character, or what stands for it


def decode(raw: bytes, *, namespace: str = NAMESPACE) -> DecodedRecord:
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
    return DecodedRecord(record, content_warnings(record, text.encode(), reading.warnings))


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
                add_warning(self.warnings, "NO_NAMESPACE")
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
            add_warning(self.warnings, "UNKNOWN_ELEMENT")
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

    Text outside subfields becomes a $a, and bare delimiters are left out: the schema allows no empty code.
    declare  False inside a collection, which declares the namespace (COLLECTION_HEAD, COLLECTION_TAIL)
    raises   NotSerialisable  UNSERIALISABLE_IN_XML, when XML 1.0 does not allow a character
    """
    fields = [[f"{record.leader[:9]}a{record.leader[10:]}"], *record.fields]
    text = "".join(map("".join, fields))
    # XML allows every printable character; almost every record has only such.
    if not text.isprintable() and (match := FORBIDDEN.search(text)):
        raise NotSerialisable("UNSERIALISABLE_IN_XML", f"the character U+{ord(match[0]):04X}")
    # All values are escaped in one call, because a call for each takes longer than all the rest.
    text = escape("\x00".join(map("\x01".join, fields)), ENTITIES)
    (leader,), *fields = (field.split("\x01") for field in text.split("\x00"))
    lines = [f'<record xmlns="{NAMESPACE}">' if declare else "<record>", f"  <leader>{leader}</leader>"]
    for field in fields:
        if is_control(field):
            lines.append(f'  <controlfield tag="{field[0]}">{field[1]}</controlfield>')
            continue
        first, second = _ESCAPED.findall(field[1])
        lines.append(f'  <datafield tag="{field[0]}" ind1="{first}" ind2="{second}">')
        parts = [(code or "a", value) for code, value in subfields(field) if code or value]
        for code, value in parts or [("a", "")]:
            lines.append(f'    <subfield code="{code}">{value}</subfield>')
        lines.append("  </datafield>")
    lines.append("</record>\n")
    return "\n".join(lines).encode()
