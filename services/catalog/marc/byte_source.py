"""Reads a byte stream in chunks: decompresses gzip within limits and converts encodings to UTF-8."""

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
WIDE_STARTS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
DECLARED = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")

# Encodings of text, by Python's names. Python also has codecs that are not for text (hex, zlib), and some in which one
# text has several forms (utf-7, unicode_escape).
TEXT_CODECS = frozenset(
    (
        *("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
        *(f"iso8859-{part}" for part in range(1, 17)),
        *(
            f"cp{page}"
            for page in (437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 874)
        ),
        *(f"cp{page}" for page in range(1250, 1259)),
        *("koi8-r", "koi8-u", "koi8-t", "kz1048", "ptcp154", "tis-620", "hp-roman8"),
        *("mac-roman", "mac-latin2", "mac-cyrillic", "mac-greek", "mac-iceland", "mac-turkish", "mac-croatian"),
        *("big5", "big5hkscs", "cp949", "cp950", "cp932", "euc_jp", "euc_kr", "euc_jis_2004", "euc_jisx0213"),
        *("gb2312", "gbk", "gb18030", "hz", "johab", "shift_jis", "shift_jis_2004", "shift_jisx0213"),
        *("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3", "iso2022_kr"),
    )
)


class Source:
    """A byte stream with a sliding window: `more` appends a chunk and drops the bytes before `at`.

    window  buffered bytes
    at      offset in the window of the first unprocessed byte; `more` resets it to 0
    ended   True when the stream has no bytes after the window
    fault   why the stream ended early, if it did
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.window = b""
        self.at = 0
        self.ended = False
        self.fault: Fault | None = None
        self._origin = 0
        self._chunks = self._convert(self._decompress(stream))

    @property
    def position(self) -> int:
        """Return the offset of `at` in the decompressed stream, after conversion to UTF-8."""
        return self._origin + self.at

    @property
    def size(self) -> int:
        """Return the number of buffered bytes from `at`."""
        return len(self.window) - self.at

    def more(self) -> bool:
        """Append a chunk to the window; returns False at the end of the stream."""
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

    def _decompress(self, stream: BinaryIO) -> Iterator[bytes]:
        first = stream.read(CHUNK)
        while 0 < len(first) < 4 and (rest := stream.read(CHUNK)):
            first += rest
        if first[:2] == b"\x1f\x8b":
            yield from self._gunzip(stream, first)
            return
        while first:
            yield first
            first = stream.read(CHUNK)

    def _gunzip(self, stream: BinaryIO, packed: bytes) -> Iterator[bytes]:
        """Decompress gzip members, also with zero padding between them; ends with a fault at damage or over a limit."""
        consumed = produced = 0
        inflater = zlib.decompressobj(31)
        while True:
            before = len(packed)
            saved = inflater.copy()
            try:
                plain = inflater.decompress(packed, CHUNK)
            except zlib.error as error:
                sound = _sound_part(saved, packed)
                self.fault = Fault("GZIP_DAMAGED", f"after {produced + len(sound)} bytes: {error}")
                yield sound
                return
            packed = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            consumed += before - len(packed)
            produced += len(plain)
            if produced > FREE_BYTES and produced > MAX_RATIO * consumed:
                self.fault = Fault("GZIP_BOMB", f"{consumed} bytes became {produced}")
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
                    self.fault = Fault("GZIP_DAMAGED", f"cut off after {produced} bytes")
                    return

    def _convert(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Convert the stream to UTF-8 without a byte order mark; ISO 2709 has neither and is unchanged."""
        first = next(chunks, b"")
        if first.startswith(codecs.BOM_UTF8):
            first = first[3:]
            self._origin = 3
        coding = WIDE_STARTS.get(first[:2])
        if coding is None and (declared := DECLARED.match(first)):
            coding = declared[1].decode("ascii").lower()
        codec = "utf-8" if coding is None else _text_codec(coding)
        if codec in ("utf-8", "ascii"):
            if first:
                yield first
            yield from chunks
            return
        if codec is None:
            self.fault = Fault(
                "XML_MALFORMED", f"encoding {str(coding)[:40]} is not one of the known encodings of text"
            )
            return
        try:
            decoder = codecs.getincrementaldecoder(codec)()
            while first:
                yield decoder.decode(first).encode()
                first = next(chunks, b"")
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError as error:
            self.fault = Fault("XML_MALFORMED", f"encoding {coding}: {error}")


def _text_codec(name: str) -> str | None:
    """Return Python's name of an encoding that files may declare; None for any other, such as `hex` or `utf-7`."""
    try:
        codec = codecs.lookup(name[:40]).name
    except LookupError:
        return None
    return codec if codec in TEXT_CODECS else None


def _sound_part(inflater: zlib._Decompress, packed: bytes) -> bytes:
    """Decompress a damaged piece up to the damage; less than one chunk, because a full chunk would raise no error."""
    sound = bytearray()
    try:
        for index in range(len(packed)):
            sound += inflater.decompress(packed[index : index + 1])
    except zlib.error:
        return bytes(sound)
    return bytes(sound)
