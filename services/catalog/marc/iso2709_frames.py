"""Splits ISO 2709 into frames: a record up to its terminator, or garbage between records."""

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
    """Yield position, bytes and fault of each record and of each section between records."""
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
    """Yield the next piece when it is not a regular, fully buffered record; returns False at the end of the stream."""
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
    section = source.window[source.at :] if size is None else source.window[source.at : source.at + size]
    source.at += len(section)
    yield from _split(section if size else section.rstrip(BETWEEN), position)
    return True


def _find_end(source: Source) -> int | None:
    """Return the size of the record including its terminator; None when the limit or the stream ends first.

    The first terminator ends the record, unless the leader's length names a later one and no plausible leader follows
    the first.
    """
    searched = 0
    while (end := source.window.find(END, source.at + searched) - source.at) < 0:
        searched = source.size
        if searched > MAX_RECORD_BYTES or not source.more():
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


def _split(section: bytes, position: int) -> Iterator[Piece]:
    """Yield a section up to a terminator as one record, or as several pieces if it contains another leader."""
    at = 0
    if not PLAUSIBLE.match(section):
        match = LEADER.search(section)
        at = match.start() if match else len(section)
        yield position, section[:at], Fault("GARBAGE", f"{at} bytes that begin with no leader"), ""
    if section[at : at + 5] != b"%05d" % (len(section) - at):
        for match in LEADER.finditer(section, at + 24):
            if int(match[0][:5]) == len(section) - match.start():
                cut = section[at : match.start()]
                yield position + at, cut, Fault("TRUNCATED", f"{len(cut)} bytes, then another record begins"), ""
                at = match.start()
                break
    if at < len(section):
        yield position + at, section[at:], None, ""


def _too_big(source: Source) -> Piece:
    """Return the beginning of a section over the size limit; skip the rest up to a terminator."""
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
