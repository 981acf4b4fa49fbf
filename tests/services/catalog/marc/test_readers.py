"""Streams: gzip within bounds, recognition of the format, constant memory, resuming."""

from __future__ import annotations

import gzip
import io
import pickle
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.readers import Fault, Frame, MarcError, decode, frames
from tests.services.catalog.marc.samples import ENCODERS, book, one, read, reasons

BOOKS = [book(str(number)) for number in range(1, 6)]
FILES = {
    "marc": b"".join(iso2709.encode(record) for record in BOOKS),
    "marcxml": marcxml.COLLECTION_HEAD
    + b"".join(marcxml.encode(record, declare=False) for record in BOOKS)
    + marcxml.COLLECTION_TAIL,
    "json": b"".join(marcjson.encode(record) + b"\n" for record in BOOKS),
}


class Endless(io.RawIOBase):
    """A stream that repeats one piece many times, without holding it all."""

    def __init__(self, piece: bytes, times: int) -> None:
        self._rest: Iterator[bytes] = iter([piece] * times)
        self._held = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._held) < size and (piece := next(self._rest, b"")):
            self._held += piece
        chunk, self._held = self._held[:size], self._held[size:]
        return chunk


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_the_format_is_found_by_looking(name: str, packed: bool) -> None:
    raw = gzip.compress(FILES[name]) if packed else FILES[name]
    frames_of_stream = read(raw)
    assert {frame.format for frame in frames_of_stream} == {name}
    assert [decode(frame).record.control("001") for frame in frames_of_stream] == ["1", "2", "3", "4", "5"]
    assert all(FILES[name][frame.position :].startswith(frame.raw) for frame in frames_of_stream)


@pytest.mark.parametrize("name", FILES)
def test_reading_resumes_after_the_frames_already_done(name: str) -> None:
    assert [frame.number for frame in read(FILES[name], skip_to=3)] == [4, 5]
    assert read(FILES[name], skip_to=5) == []
    assert read(FILES[name])[3:] == read(FILES[name], skip_to=3)


@pytest.mark.parametrize("name", FILES)
def test_a_stream_that_gives_a_byte_at_a_time_is_read_alike(name: str) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1 if size else size)

    assert list(frames(Slow(FILES[name]))) == read(FILES[name])
    packed = gzip.compress(FILES[name])
    assert list(frames(Slow(packed))) == read(packed)


@pytest.mark.parametrize("name", ENCODERS)
def test_frames_faults_and_reasons_cross_processes(name: str) -> None:
    (frame,) = read(ENCODERS[name](BOOKS[0]))
    assert pickle.loads(pickle.dumps(frame)) == frame
    assert pickle.loads(pickle.dumps(decode(frame))) == decode(frame)
    copy = pickle.loads(pickle.dumps(MarcError("TRUNCATED", "x")))
    assert (copy.reason, copy.detail) == ("TRUNCATED", "x")


def test_decoding_a_fault_raises_it() -> None:
    with pytest.raises(MarcError, match="GARBAGE"):
        decode(Frame("marc", 1, 0, b"", Fault("GARBAGE", "x")))


def test_members_of_a_gzip_file_follow_each_other() -> None:
    packed = gzip.compress(FILES["marc"]) + b"\0" * 512 + gzip.compress(FILES["marc"])
    assert reasons(packed) == [""] * 10


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (gzip.compress(FILES["marc"])[:-9], ["", "", "", "", "", "GZIP_DAMAGED"]),
        (gzip.compress(FILES["marc"]) + b"tail", ["", "", "", "", "", "GZIP_DAMAGED"]),
        (gzip.compress(FILES["marc"])[:-8] + bytes(8), ["", "", "", "", "", "GZIP_DAMAGED"]),
        (b"\x1f\x8b\x08", ["GZIP_DAMAGED"]),
        (gzip.compress(b""), []),
    ],
    ids=["cut", "tail", "sum", "head", "empty"],  # the bytes have the time in them: no names for tests
)
def test_a_damaged_gzip_file_gives_what_came_before(packed: bytes, expected: list[str]) -> None:
    assert reasons(packed) == expected


def test_a_gzip_bomb_is_stopped_early() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    packed = iso2709.encode(book()) and b"".join(
        [squeeze.compress(iso2709.encode(book())), *(squeeze.compress(zeros) for _ in range(400)), squeeze.flush()]
    )
    tracemalloc.start()
    reasons_of_bomb = reasons(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons_of_bomb[0] == ""
    assert reasons_of_bomb[-1] == "GZIP_BOMB"
    assert len(reasons_of_bomb) <= 3
    assert peak < 60_000_000


def test_a_bomb_inside_a_bomb_is_not_opened() -> None:
    inner = gzip.compress(gzip.compress(FILES["marc"]))
    assert set(reasons(inner)) == {"GARBAGE"}


@pytest.mark.parametrize("name", FILES)
def test_memory_stays_constant_whatever_the_length(name: str) -> None:
    piece = {
        "marc": iso2709.encode(book()) * 500,
        "marcxml": marcxml.encode(book(), declare=False) * 200,
        "json": (marcjson.encode(book()) + b"\n") * 300,
    }[name]
    stream = Endless(piece, 300)
    if name == "marcxml":
        stream._rest = iter([marcxml.COLLECTION_HEAD, *[piece] * 100, marcxml.COLLECTION_TAIL])
    tracemalloc.start()
    count = sum(1 for frame in frames(stream) if frame.fault is None)  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == {"marc": 150_000, "marcxml": 20_000, "json": 90_000}[name]
    assert peak < 3_000_000


@pytest.mark.parametrize("raw", [b"{", b"<record>", b"[" * 10, b'{"a":"', b"<!--", b"<![CDATA[", b"00000"])
def test_a_stream_without_an_end_of_anything_is_bounded(raw: bytes) -> None:
    stream = Endless(raw + b"x" * 100_000, 300)
    tracemalloc.start()
    frames_of_stream = list(frames(stream))  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(frame.fault for frame in frames_of_stream)
    assert sum(len(frame.raw) for frame in frames_of_stream) <= 40_000_000
    assert peak < 90_000_000


def test_an_empty_stream_has_no_frames() -> None:
    assert read(b"") == []
    assert read(b" \n") == []


def test_one_record_of_each_format_is_the_same_record() -> None:
    assert len({one(encode(BOOKS[0])).record.fingerprint() for encode in ENCODERS.values()}) == 1
