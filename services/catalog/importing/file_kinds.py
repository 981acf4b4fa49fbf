"""Recognises files without MARC records by their first bytes, so that the report can say what to do with them."""

from __future__ import annotations

import re
import zlib
from typing import Any, BinaryIO

HEAD_BYTES = 65_536

_MAGIC = (
    (b"%PDF-", "FILE_IS_PDF"),
    (b"\xd0\xcf\x11\xe0", "FILE_IS_OLD_OFFICE"),
    (b"Rar!", "FILE_IS_ARCHIVE"),
    (b"7z\xbc\xaf", "FILE_IS_ARCHIVE"),
    (b"BZh", "FILE_IS_ARCHIVE"),
    (b"\xfd7zXZ", "FILE_IS_ARCHIVE"),
    (b"\x28\xb5\x2f\xfd", "FILE_IS_ARCHIVE"),
    (b"SQLite format 3", "FILE_IS_DATABASE"),
    (b"\x89PNG", "FILE_IS_PICTURE"),
    (b"\xff\xd8\xff", "FILE_IS_PICTURE"),
    (b"GIF8", "FILE_IS_PICTURE"),
    (b"\xff\xfe", "FILE_IS_UTF16"),
    (b"\xfe\xff", "FILE_IS_UTF16"),
)
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_SEPARATORS = re.compile(rb"[\x1d-\x1f]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MNEMONIC = re.compile(rb"=(?:LDR|[0-9]{3})  ")
_MARC_AS_TEXT = re.compile(rb"(?:LDR|000|[0-9]{5}[a-z]{2,3})[^\n]{0,40}\r?\n[^\n]{0,8}[0-9]{3}[ \t]")
_SQL = re.compile(rb"(?:--[^\n]*\n|/\*.*?\*/;?|\s)*(?:CREATE|INSERT|DROP|SET|LOCK|USE)\s", re.IGNORECASE | re.DOTALL)
_DELIMITERS = (b"\t", b";", b",", b"|")
REASONS = frozenset(
    {reason for _, reason in _MAGIC}
    | {"FILE_IS_XLSX", "FILE_IS_DOCUMENT", "FILE_IS_EPUB", "FILE_IS_ZIP", "FILE_IS_GZIP", "FILE_IS_TAR"}
    | {"FILE_IS_HTML", "FILE_IS_MARC_AS_TEXT", "FILE_IS_SQL", "FILE_IS_CSV", "FILE_IS_JSON", "FILE_IS_TEXT"}
)


def kind_of(head: bytes) -> str:
    """Return the kind of a file that cannot have MARC records, one of REASONS; "" for a file that may have some.

    head  at most HEAD_BYTES of its beginning
    """
    if head[:2] == _GZIP:
        inner = _begin_of_gzip(head)
        return "FILE_IS_GZIP" if inner[:2] == _GZIP else _kind_of_plain(inner)
    return _kind_of_plain(head)


def _begin_of_gzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""  # the reader reports the damage


def _kind_of_plain(head: bytes) -> str:
    for magic, reason in _MAGIC:
        if head.startswith(magic):
            return reason
    if head.startswith(_ZIP):
        return _kind_of_zip(head)
    if head[257:262] == b"ustar":
        return "FILE_IS_TAR"
    if _SEPARATORS.search(head):
        return ""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        return "FILE_IS_HTML" if _HTML.match(text) else ""
    if text[:1] in (b"{", b"["):
        return "" if b'"leader"' in text or b'"fields"' in text else "FILE_IS_JSON"
    if not text or b"\x00" in text:
        return ""
    return _kind_of_text(text)


def _kind_of_zip(head: bytes) -> str:
    names = head[:4096]
    if b"xl/" in names or (b"[Content_Types].xml" in names and b"word/" not in head):
        return "FILE_IS_XLSX"
    if b"application/epub+zip" in names:
        return "FILE_IS_EPUB"
    if b"opendocument.spreadsheet" in names:
        return "FILE_IS_XLSX"
    return "FILE_IS_DOCUMENT" if b"word/" in head or b"opendocument" in names else "FILE_IS_ZIP"


def _kind_of_text(text: bytes) -> str:
    if _MNEMONIC.match(text) or _MARC_AS_TEXT.match(text):
        return "FILE_IS_MARC_AS_TEXT"
    if _SQL.match(text):
        return "FILE_IS_SQL"
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    # Without the last line, which may be incomplete.
    counts = [[line.count(delimiter) for line in lines[: max(1, len(lines) - 1)]] for delimiter in _DELIMITERS]
    if len(lines) > 1 and any(min(count) >= 1 for count in counts):
        return "FILE_IS_CSV"
    # A file that begins with digits may begin with a damaged record.
    return "" if text[:5].isdigit() or len(lines) < 2 else "FILE_IS_TEXT"


def peek(stream: BinaryIO) -> bytes:
    """Return the next bytes of a stream, at most HEAD_BYTES, without consuming them; b"" if it cannot be read."""
    buffered: Any = stream
    try:
        if stream.seekable():
            position = stream.tell()
            head = stream.read(HEAD_BYTES)
            stream.seek(position)
            return head
        return bytes(buffered.peek(HEAD_BYTES)[:HEAD_BYTES]) if hasattr(buffered, "peek") else b""
    except OSError:
        return b""


def size_of(stream: BinaryIO) -> int | None:
    """Return how many bytes a stream still has; None for a pipe."""
    if not stream.seekable():
        return None
    position = stream.tell()
    size = stream.seek(0, 2) - position
    stream.seek(position)
    return size
