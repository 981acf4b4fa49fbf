"""The first half of an import: finds files, reads frames in batches, and decodes each frame or rejects it.

Decoding processes load this module and no database code.
"""

from __future__ import annotations

import errno
import html
import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from typing import BinaryIO

import orjson

from chassis.errors import NotFound, Unavailable
from chassis.gc_tuning import tune_gc
from services.catalog.items.item_maps import USUAL, ItemMap
from services.catalog.items.parsing import items_in
from services.catalog.marc.faults import WARNINGS, Frame, MarcError
from services.catalog.marc.field_shape import is_unimarc
from services.catalog.marc.readers import decode, frames
from services.catalog.marc.record import Record, by_tag, fingerprint_of
from services.catalog.record.brief import brief_of
from services.catalog.record.headings import authority_of, is_authority, names_of
from services.catalog.record.holdings import ItemFacts
from services.catalog.record.item_facts import RecordFacts, record_facts_of
from services.catalog.works.keys import RecordKeys, record_keys_of

BATCH = 500
ENTITIES_DECODED = "ENTITIES_DECODED"
# Warnings of records that were repaired; their original bytes are stored too.
REPAIRS = frozenset((ENTITIES_DECODED, *(code for code in WARNINGS if "_SAID_" in code and code != "UTF8_SAID_MARC8")))
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp|[A-Za-z](?:acute|grave|circ|uml|tilde|cedil|ring"
    r"|caron|slash)|[AaOo][Ee]lig|szlig|[lr][ds]quo|[nm]dash|hellip|copy|reg|deg|euro|pound|laquo|raquo);"
)
_CONTROL = re.compile(
    r"&#(?:0*(?:[0-9]|[12][0-9]|3[01]|12[7-9]|1[345][0-9])|x0*(?:[01]?[0-9a-f]|7f|[89][0-9a-f]|d[89a-f][0-9a-f]{2}));",
    re.IGNORECASE,
)
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")
CHUNK_BYTES = 4 * 1024 * 1024  # ends a batch with fewer records, because a record may have megabytes


@dataclass(slots=True)
class IncomingRecord:
    """One record ready to be stored.

    key          import key within the source (conventions.md): control key, or `sha256:…` of a record without a number
    marc         marc.Record.pack()
    record_keys  its positions in lists, its headings and the keys of its work
    facts        data of the record that copies of its items hold
    original     format and bytes of a record that was repaired (REPAIRS)
    deletes      True for d in leader position 05: the record deletes the stored record with its key
    """

    ordinal: int
    position: int
    key: str
    fingerprint: bytes
    marc: bytes
    brief: bytes
    items: list[ItemFacts]
    record_keys: RecordKeys
    facts: RecordFacts
    warnings: tuple[str, ...] = ()
    original: tuple[str, bytes] | None = None
    deletes: bool = False


@dataclass(slots=True)
class IncomingAuthority:
    """One authority record ready to be stored: like IncomingRecord, with its kind, heading and forms."""

    ordinal: int
    position: int
    key: str
    fingerprint: bytes
    marc: bytes
    kind: str
    heading: str
    forms: tuple[tuple[str, str], ...]
    deletes: bool = False


def alternative_key(incoming: IncomingRecord | IncomingAuthority) -> str:
    """Return the key of a second, different record under the same key in one import run."""
    return f"{incoming.key}#{incoming.fingerprint.hex()[:32]}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected record, or a warning about a loaded one. key, title: of a loaded record."""

    path: str
    ordinal: int
    position: int
    reason: str
    detail: str
    raw: bytes = b""
    loaded: bool = False
    key: str = ""
    title: str = ""


@dataclass(slots=True)
class PreparedBatch:
    """A decoded chunk of one file: records to store, and rejected ones."""

    incoming: list[IncomingRecord] = field(default_factory=list)
    authorities: list[IncomingAuthority] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def ordinals(self) -> list[int]:
        """Ordinals of all records of the chunk, rejected ones included."""
        return [record.ordinal for part in (self.incoming, self.authorities, self.rejected) for record in part]

    def halves(self) -> tuple[PreparedBatch, PreparedBatch]:
        """Divide at least two records to store; the ordinals of the first half are below those of the second."""
        to_store = sorted(record.ordinal for part in (self.incoming, self.authorities) for record in part)
        middle = to_store[len(to_store) // 2]
        first, second = (
            PreparedBatch(
                incoming=[record for record in self.incoming if (record.ordinal < middle) is is_first],
                authorities=[record for record in self.authorities if (record.ordinal < middle) is is_first],
                rejected=[record for record in self.rejected if (record.ordinal < middle) is is_first],
            )
            for is_first in (True, False)
        )
        return first, second


def follow_parent() -> None:
    """End this process when the import's process ends, even by kill -9; otherwise a pool's worker waits for ever."""
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()
    tune_gc()


def prepare(path: str, institution: str, chunk: list[Frame], item_map: ItemMap = USUAL) -> PreparedBatch:
    """Decode frames and compute the data of the rows. Takes and returns plain data, because it runs in other processes.

    institution  code of the source's institution
    item_map     how items are read from its records
    """
    batch = PreparedBatch()
    for frame in chunk:
        if frame.fault is not None:
            fault = frame.fault
            batch.rejected.append(Rejected(path, frame.number, frame.position, fault.reason, fault.detail, frame.raw))
            continue
        try:
            decoded = decode(frame)
            record = decoded.record
            if is_unimarc({row[0] for row in record.fields}, record.text("100", "a")):
                raise MarcError("UNIMARC", "a title in 200, none in 245, and coded data in 100")
            if is_authority(record):
                batch.authorities.append(_authority(frame, record))
                continue
        except MarcError as bad:
            batch.rejected.append(Rejected(path, frame.number, frame.position, bad.reason, bad.detail, frame.raw))
            continue
        warnings = decoded.warnings
        if decode_entities(record):
            warnings = (*warnings, ENTITIES_DECODED)
        incoming = incoming_of(
            record, institution, item_map, ordinal=frame.number, position=frame.position, warnings=warnings
        )
        if not REPAIRS.isdisjoint(warnings):
            incoming.original = frame.format, frame.raw
        batch.incoming.append(incoming)
    return batch


def decode_entities(record: Record) -> bool:
    """Decode entities (`&amp;`, `&#233;`), once, in each field where every "&" begins one. Returns whether any had."""
    is_changed = False
    if "&" not in "".join(map("".join, record.fields)):
        return False
    for row in record.fields:
        text = "\x1f".join(row[3::2])
        if "&" not in text or "&" in _ENTITY.sub("", text) or _CONTROL.search(text):
            continue
        values = [html.unescape(value) for value in row[3::2]]
        if not any(_NO_TEXT.search(value) for value in values):
            row[3::2] = values
            is_changed = True
    return is_changed


def incoming_of(
    record: Record,
    institution: str,
    item_map: ItemMap,
    *,
    ordinal: int = 0,
    position: int = 0,
    warnings: tuple[str, ...] = (),
) -> IncomingRecord:
    """Compute the data of a record's row; ordinal and position are those of its frame in a file."""
    packed = record.pack()
    fingerprint = fingerprint_of(record.leader, packed)
    tags = by_tag(record.fields)
    names = names_of(tags)
    brief = brief_of(record, tags, institution, names)
    return IncomingRecord(
        ordinal=ordinal,
        position=position,
        key=record.control_key() or f"sha256:{fingerprint.hex()}",
        fingerprint=fingerprint,
        marc=packed,
        brief=orjson.dumps(brief),
        items=items_in(tags, item_map, record.leader),
        record_keys=record_keys_of(record, tags, names),
        facts=record_facts_of(record.leader, tags, brief),
        warnings=warnings,
        deletes=is_deletion(record),
    )


def is_deletion(record: Record) -> bool:
    """Tell whether a record is marked as deleted (leader position 05)."""
    return record.leader[5:6] == "d"


def _authority(frame: Frame, record: Record) -> IncomingAuthority:
    authority, fingerprint = authority_of(record), record.fingerprint()
    return IncomingAuthority(
        ordinal=frame.number,
        position=frame.position,
        key=record.control_key() or f"sha256:{fingerprint.hex()}",
        fingerprint=fingerprint,
        marc=record.pack(),
        kind=authority.kind,
        heading=authority.heading,
        forms=authority.forms,
        deletes=is_deletion(record),
    )


def find_files(paths: list[str]) -> list[Path]:
    """List the files of these paths: files of folders in order, at any depth; `-` is kept.

    raises  NotFound     PATH_NOT_FOUND
            Unavailable  PATH_UNREADABLE: a file or folder cannot be opened
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if str(path) == "-":
            files.append(path)
            continue
        try:
            files += _files_at(path)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
        except OSError as problem:
            raise _unreadable(path, problem) from None
    return files


def _files_at(path: Path) -> list[Path]:
    """Return the file, or the sorted files of the folder; opens each to check that it can be read. Raises OSError."""
    if path.is_dir():
        files = []
        for folder, _, names in os.walk(path, onerror=_raise):
            visible_names = (Path(folder, name) for name in names if not name.startswith("."))
            files += [file for file in visible_names if file.is_file()]
        files.sort()
    elif stat.S_ISREG(path.stat().st_mode):
        files = [path]
    else:
        raise OSError(errno.EINVAL, "neither a file nor a folder")
    for file in files:
        file.open("rb").close()
    return files


def _raise(problem: OSError) -> None:
    raise problem


def _unreadable(path: Path, problem: OSError) -> Unavailable:
    return Unavailable("PATH_UNREADABLE", path=str(problem.filename or path), why=problem.strerror or str(problem))


def path_text(path: Path) -> str:
    """Return a path as text that can be stored; a byte that is not UTF-8 becomes `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_chunks(stream: BinaryIO, path: Path, *, skip_to: int) -> Iterator[list[Frame]]:
    """Yield the frames of a file in batches. Raises Unavailable PATH_UNREADABLE."""
    try:
        yield from chunks(frames(stream, skip_to=skip_to))
    except OSError as problem:
        raise _unreadable(path, problem) from None


def chunks(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    """Yield frames in batches of at most BATCH frames and about CHUNK_BYTES bytes."""
    chunk: list[Frame] = []
    size = 0
    for frame in frames:
        chunk.append(frame)
        size += len(frame.raw)
        if len(chunk) == BATCH or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
