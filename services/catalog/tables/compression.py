"""Columns that are kept deflated: a record says what every other record says, too."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from zstandard import DICT_TYPE_RAWCONTENT, ZstdCompressionDict, ZstdCompressor, ZstdDecompressor

# What records say again and again, the most usual last. It is part of every database: never changed; a better one comes
# with another mark.
_DICTIONARY_1 = ZstdCompressionDict(
    Path(__file__).with_name("compression_dictionary_1.txt").read_bytes(), dict_type=DICT_TYPE_RAWCONTENT
)
_MARK_1 = b"\x01"  # JSON, which is what these columns held before, never begins so
_LEVEL = 3  # the sixth says a twentieth less in twice the time


class _Tools(threading.local):
    """A thread's own: they are not for two at a time."""

    def __init__(self) -> None:
        self.deflate = ZstdCompressor(_LEVEL, dict_data=_DICTIONARY_1, write_dict_id=False).compress
        self.inflate = ZstdDecompressor(dict_data=_DICTIONARY_1).decompress


_tools = _Tools()


def deflated(data: bytes) -> bytes:
    """As it is kept: half of a MARC record or a brief one, a quarter of its holdings."""
    return _MARK_1 + _tools.deflate(data)


def inflated(kept: bytes) -> bytes:
    """What was given to `deflated`; what was kept before there was such a thing comes as it is."""
    return _tools.inflate(kept[1:]) if kept[:1] == _MARK_1 else kept


class Deflated(TypeDecorator[bytes]):
    """Bytes, deflated in the table."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else deflated(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else inflated(bytes(value))
