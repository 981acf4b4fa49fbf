"""MARC for tests: sound and damaged files that the project generates from seeds, and the real sets if available.

Every test that reads a corpus takes its files from `sound_files` and `damaged_files`: the generated files always,
the real ones when the folder of CORPUS exists.
"""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Final

from services.catalog import sample
from services.catalog.marc import iso2709, marcjson, marcxml, readers
from services.catalog.marc.record import Record
from tests.corpus import curious, damaged, other_formats, real, sound
from tests.corpus.files import DamagedFile, MarcFile

__all__ = [
    "DamagedFile",
    "MarcFile",
    "damaged_files",
    "loaded",
    "own_damaged_files",
    "own_records",
    "own_sound_files",
    "sets",
    "sound_files",
    "sound_set",
]

GENERATED: Final = 600
IN_OTHER_FORMATS: Final = 100
Records = tuple[Record, ...]


@cache
def _library() -> Records:
    """The sample library: bibliographic records of every source, authorities with the first one's."""
    return tuple(record for source, _ in sample.sources() for record in sample.all_records(source))


@cache
def _generated() -> Records:
    return tuple(sound.records(GENERATED))


def _few() -> Records:
    return _generated()[:IN_OTHER_FORMATS]


def _marc(records: Records) -> bytes:
    return b"".join(map(iso2709.encode, records))


def _gzip(records: Records) -> bytes:
    return gzip.compress(_marc(records), mtime=0)


def _marcxml(records: Records) -> bytes:
    elements = b"".join(marcxml.encode(record, declare=False) for record in records)
    return marcxml.COLLECTION_HEAD + elements + marcxml.COLLECTION_TAIL


def _json(records: Records) -> bytes:
    return b"[" + b",\n".join(map(marcjson.encode, records)) + b"]"


def _json_lines(records: Records) -> bytes:
    return b"\n".join(map(marcjson.encode, records))


# Name -> format, records and the function that encodes them.
_SOUND: Final[dict[str, tuple[str, Callable[[], Records], Callable[[Records], bytes]]]] = {
    "library": ("marc", _library, _marc),
    "generated": ("marc", _generated, _marc),
    "curious": ("marc", curious.records, _marc),
    "generated_gzip": ("marc", _few, _gzip),
    "generated_xml": ("marcxml", _few, _marcxml),
    "generated_json": ("json", _few, _json),
    "generated_json_lines": ("json", _few, _json_lines),
}


def own_records(name: str) -> Records:
    """The records of the generated sound file of this name."""
    return _SOUND[name][1]()


@cache
def _read(name: str) -> bytes:
    _, records, write = _SOUND[name]
    return write(records())


def own_sound_files() -> list[MarcFile]:
    """The generated files of sound records, in every format."""
    return [MarcFile(name, partial(_read, name), form) for name, (form, _, _) in _SOUND.items()]


def own_damaged_files() -> list[DamagedFile]:
    """The generated files of damaged records; every reason in faults.py occurs in them."""
    return [*damaged.FILES, *other_formats.FILES]


def sets() -> list[str]:
    """Names of the available sets of records: the generated and the real ones."""
    return ["own", "real"] if real.sound_files() and real.damaged_files() else ["own"]


def sound_set(name: str) -> list[MarcFile]:
    """The sound files of this set."""
    return own_sound_files() if name == "own" else real.sound_files()


def loaded(name: str, *, sound: bool = True, damaged: bool = True) -> Iterator[Record]:
    """Yield every readable record of a set, of its sound files, its damaged ones or both."""
    files: list[MarcFile] = []
    if sound:
        files += sound_set(name)
    if damaged:
        files += own_damaged_files() if name == "own" else real.damaged_files()
    for file in files:
        for frame in readers.frames(io.BytesIO(file.read())):
            with contextlib.suppress(readers.MarcError):
                yield readers.decode(frame).record


def sound_files() -> list[MarcFile]:
    """Files of sound records: the generated and the available real ones."""
    return [*own_sound_files(), *real.sound_files()]


def damaged_files() -> list[DamagedFile]:
    """Files of damaged records: the generated and the available real ones."""
    return [*own_damaged_files(), *real.damaged_files()]
