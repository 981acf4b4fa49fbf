"""A stream of bytes read in pieces: gzip unpacked within bounds, a byte order mark and other encodings resolved."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from services.catalog.marc.faults import Fault

CHUNK = 1 << 17
FREE_BYTES = 10_000_000
MAX_RATIO = 200
WIDE_STARTS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
DECLARED = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


class Source:
    """Bytes of a stream with a window that grows at its end and is left behind at its beginning.

    window  bytes in hand
    at      offset in the window of the first byte not yet dealt with; `more` moves it to 0
    ended   True when nothing follows the window
    fault   why the stream broke off, if it did
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.window = b""
        self.at = 0
        self.ended = False
        self.fault: Fault | None = None
        self._origin = 0
        self._chunks = self._recoded(self._unpacked(stream))

    @property
    def position(self) -> int:
        """Offset of `at` in the decompressed stream (of its UTF-8 form, where it was in another encoding)."""
        return self._origin + self.at

    @property
    def size(self) -> int:
        """How many bytes are in hand from `at`."""
        return len(self.window) - self.at

    def more(self) -> bool:
        """Add a chunk to the window; False at the end."""
        if self.ended:
            return False
        chunk = next(self._chunks, None)
        if chunk is None:
            self.ended = True
            return False
        self._origin += self.at
        self.window = self.window[self.at :] + chunk
        self.at = 0
        return True

    def _unpacked(self, stream: BinaryIO) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        while 0 < len(first) < 4 and (rest := stream.read(CHUNK)):
            first += rest
        if first[:2] == b"\x1f\x8b":
            yield from self._gunzipped(stream, first)
            return
        while first:
            yield first
            first = stream.read(CHUNK)

    def _gunzipped(self, stream: BinaryIO, packed: bytes) -> Iterator[bytes]:
        """Members one after another, zero padding between them; stops with a fault at damage or at a bomb."""
        taken = given = 0
        inflater = zlib.decompressobj(31)
        while True:
            before = len(packed)
            saved = inflater.copy()
            try:
                plain = inflater.decompress(packed, CHUNK)
            except zlib.error as error:
                sound = _sound_part(saved, packed)
                self.fault = Fault("GZIP_DAMAGED", f"after {given + len(sound)} bytes: {error}")
                yield sound
                return
            packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            taken += before - len(packed)
            given += len(plain)
            if given > FREE_BYTES and given > MAX_RATIO * taken:
                self.fault = Fault("GZIP_BOMB", f"{taken} bytes became {given}")
                return
            if plain:
                yield plain
            if inflater.eof:
                while not (packed := packed.lstrip(b"\0")):
                    if not (packed := stream.read(CHUNK)):
                        return
                inflater = zlib.decompressobj(31)
            elif not packed:
                packed = stream.read(CHUNK)
                if not packed and not plain:
                    self.fault = Fault("GZIP_DAMAGED", f"cut off after {given} bytes")
                    return

    def _recoded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Everything in UTF-8 without a byte order mark; ISO 2709 has no such thing and passes as it is."""
        first = next(chunks, b"")
        if first.startswith(codecs.BOM_UTF8):
            first = first[3:]
            self._origin = 3
        coding = WIDE_STARTS.get(first[:2])
        if coding is None and (declared := DECLARED.match(first)):
            coding = declared[1].decode("ascii").lower()
        if coding in (None, "utf-8", "utf8", "us-ascii", "ascii"):
            if first:
                yield first
            yield from chunks
            return
        try:
            decoder = codecs.getincrementaldecoder(coding)()
            while first:
                yield decoder.decode(first).encode()
                first = next(chunks, b"")
            yield decoder.decode(b"", final=True).encode()
        except (LookupError, UnicodeError, TypeError, AttributeError) as error:
            self.fault = Fault("XML_MALFORMED", f"encoding {coding}: {error}")


def _sound_part(inflater: zlib._Decompress, packed: bytes) -> bytes:
    """What the damaged piece gives up to the damage: less than one chunk, for a whole chunk came without an error."""
    sound = bytearray()
    try:
        for at in range(len(packed)):
            sound += inflater.decompress(packed[at : at + 1])
    except zlib.error:
        return bytes(sound)
    return bytes(sound)
