"""ISO 2709 cut into frames: a frame ends with its record terminator, and garbage between records is a frame too."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from services.catalog.marc.byte_source import Source
from services.catalog.marc.faults import MAX_RECORD_BYTES, Fault

END = b"\x1d"
BETWEEN = b"\r\n \t\0\x1a"
GAP = re.compile(rb"[\r\n \t\0\x1a]*+")
PLAUSIBLE = re.compile(rb"[0-9]{5}[^\x1d-\x1f]{7}([0-9]{5}|[^\x1d-\x1f]{8}4)[^\x1d-\x1f]")
LEADER = re.compile(rb"[0-9]{5}[acdnopsx ][ -~]{3}[ a]22[0-9]{5}[ -~]{3}4500[0-9]{3}")
Piece = tuple[int, bytes, Fault | None, str]


def pieces(source: Source) -> Iterator[Piece]:
    """Position, bytes and fault of each record, and of each stretch between records that is none."""
    while True:
        window, at = source.window, source.at
        end = window.find(END, at)
        if end >= 0 and window[at : at + 5] == b"%05d" % (end + 1 - at):
            position = source.position
            source.at = end + 1
            yield position, window[at : end + 1], None, ""
        elif not (yield from _uneasy(source)):
            return


def _uneasy(source: Source) -> Generator[Piece, None, bool]:
    """The next piece when it is not a plain record already in hand; returns False at the end of the stream."""
    while (gap := GAP.match(source.window, source.at)) and gap.end() == len(source.window):
        source.at = gap.end()
        if not source.more():
            return False
    source.at = gap.end() if gap else source.at
    size = _find_end(source)
    position = source.position
    if size is None and source.size > MAX_RECORD_BYTES:
        yield _too_big(source)
        return True
    stretch = source.window[source.at :] if size is None else source.window[source.at : source.at + size]
    source.at += len(stretch)
    yield from _split(stretch if size else stretch.rstrip(BETWEEN), position)
    return True


def _find_end(source: Source) -> int | None:
    """Bytes up to and with the record's terminator; None when there is none within reach.

    The first terminator ends the record, unless the leader says a later one does and nothing like a record follows
    the first.
    """
    seen = 0
    while (end := source.window.find(END, source.at + seen) - source.at) < 0:
        seen = source.size
        if seen > MAX_RECORD_BYTES or not source.more():
            return None
    head = source.window[source.at : source.at + 5]
    stated = int(head) if head.isdigit() else 0
    if stated <= end + 1:
        return end + 1
    while source.size < max(stated, end + 40) and source.more():
        pass
    following = source.window[source.at + end + 1 : source.at + end + 40].lstrip(BETWEEN)
    if not following or PLAUSIBLE.match(following) or source.window[source.at + stated - 1 : source.at + stated] != END:
        return end + 1
    return stated


def _split(stretch: bytes, position: int) -> Iterator[Piece]:
    """A stretch up to a terminator is one record, unless another record's leader stands inside it."""
    at = 0
    if not PLAUSIBLE.match(stretch):
        found = LEADER.search(stretch)
        at = found.start() if found else len(stretch)
        yield position, stretch[:at], Fault("GARBAGE", f"{at} bytes that begin with no leader"), ""
    if stretch[at : at + 5] != b"%05d" % (len(stretch) - at):
        for found in LEADER.finditer(stretch, at + 24):
            if int(found[0][:5]) == len(stretch) - found.start():
                cut = stretch[at : found.start()]
                yield position + at, cut, Fault("TRUNCATED", f"{len(cut)} bytes, then another record begins"), ""
                at = found.start()
                break
    if at < len(stretch):
        yield position + at, stretch[at:], None, ""


def _too_big(source: Source) -> Piece:
    """The beginning of a stretch that goes on over the limit; the rest, up to a terminator, is passed over."""
    position = source.position
    raw = source.window[source.at : source.at + MAX_RECORD_BYTES]
    while (end := source.window.find(END, source.at)) < 0:
        source.at = len(source.window)
        if not source.more():
            break
    else:
        source.at = end + 1
    size = source.position - position
    return position, raw, Fault("RECORD_TOO_BIG", f"{size} bytes up to a record terminator"), ""
