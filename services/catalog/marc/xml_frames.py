"""Splits MARCXML into frames, one per record element at any depth; rejects DTDs and limits the depth.

Expat gives the positions of elements, so a frame has the original bytes of its element. After an error, reading
continues at the next record element; the section before it is one frame with a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault

MAX_DEPTH = 64
KEPT_BYTES = 65_536
RECORD = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?record[\s>/]")
WRAPPERS = frozenset({"", "collection", "record", "OAI-PMH", "searchRetrieveResponse"})
PARTS = frozenset({"leader", "controlfield", "datafield"})
Piece = tuple[int, bytes, Fault | None, str]
Scope = dict[str, str]


class _Stop(Exception):
    """Parsing must stop at this position."""

    def __init__(self, at: int, reason: str, detail: str, *, resync: bool = True) -> None:
        self.at = at
        self.fault = Fault(reason, f"{detail}, at byte {at}")
        self.resync = resync
        super().__init__(reason)


class _Pass:
    """One run of the parser, from the beginning of the document or from a record after a fault.

    Positions are offsets in the stream. `opened` are the elements that enclose the record: they are opened again, so
    that their end tags match.
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
        scope: Scope = opened[-1][1] if opened else {}
        if not opened:
            self.root = name
        elif len(opened) > MAX_DEPTH:
            raise _Stop(self.position, "XML_TOO_DEEP", f"over {MAX_DEPTH} elements")
        if not self._is_marc or self.record is None:
            if local == "record":
                self.record, self._depth, self._is_marc = self.position, len(opened), False
                self._namespace = scope.get(prefix, "")
            elif self.record is not None and local in PARTS:
                self._is_marc = True
            for key, uri in attributes.items():
                if key.startswith("xmlns"):
                    scope = {**scope, key[6:]: uri}
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
            stop = _leave_behind(source, current, fed)
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


def _leave_behind(source: Source, current: _Pass, fed: int) -> _Stop | None:
    """Drop bytes before the open record or the parser's position; an endless record or token returns a stop."""
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
