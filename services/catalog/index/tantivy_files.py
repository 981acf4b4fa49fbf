"""Folders of tantivy indexes: `<root>/<name>/`; the file `current` names the live index and `next` the unfinished."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MANIFEST = "rangkiang.json"
PARTS = (".term", ".idx", ".pos", ".fast", ".fieldnorm", ".store")
CHUNK = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Marker:
    """The marker in the manifest of an index: its form and the installation that made it."""

    form: str
    owner: str


def read_pointer(root: Path, pointer: str) -> str:
    """Return the name of the index in `current` or `next`; "" when the file is missing or has no valid name."""
    try:
        name = (root / pointer).read_bytes().strip().decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    return name if NAME.fullmatch(name) else ""


def write_pointer(root: Path, pointer: str, name: str) -> None:
    """Write a name to `current` or `next`, in one step that survives a power cut."""
    temporary = root / f"{pointer}.new"
    with temporary.open("w", encoding="ascii") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(root / pointer)
    _sync_folder(root)


def delete_pointer(root: Path, pointer: str) -> None:
    (root / pointer).unlink(missing_ok=True)
    _sync_folder(root)


def stamp(root: Path, name: str) -> Stamp:
    """Return a stamp that changes with every new live index and commit; costs two stats. Raises FileNotFoundError."""
    pointer, read_meta = (root / "current").stat(), (root / name / "meta.json").stat()
    return (pointer.st_ino, pointer.st_mtime_ns, read_meta.st_ino, read_meta.st_mtime_ns)


def read_meta(folder: Path) -> bytes:
    return (folder / "meta.json").read_bytes()


def generation(folder: Path, meta_json: bytes) -> str:
    """Return the name of the state that this meta.json describes.

    The commit's stamp identifies the content. The number of documents, deleted ones included, changes when a merge
    drops deleted documents: BM25 counts them, so scores may change without a commit.
    """
    state = json.loads(meta_json)
    return f"{folder.name}.{state['opstamp']}.{sum(segment['max_doc'] for segment in state['segments'])}"


def write_manifest(folder: Path, marker: Marker) -> None:
    (folder / MANIFEST).write_text(json.dumps({**asdict(marker), "name": folder.name}), "ascii")


def read_marker(folder: Path) -> Marker | None:
    """Return the marker of an index; None when the folder is not an index or its manifest is damaged."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text("ascii"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("name") != folder.name:
        return None
    return Marker(str(manifest.get("form", "")), str(manifest.get("owner", "")))


def damaged_file(folder: Path) -> str:
    """Return the first file of the index that is missing or damaged; "" when all are intact.

    tantivy opens files with damaged bytes and gives wrong answers; each file ends in a footer with its CRC-32.
    """
    while True:
        try:
            meta_json = read_meta(folder)
            segments = [segment["segment_id"].replace("-", "") for segment in json.loads(meta_json)["segments"]]
            damaged = next((name for segment in segments if (name := _damaged_file_of(folder, segment))), "")
            # A merge may have replaced the segments during the check.
            if not damaged or read_meta(folder) == meta_json:
                return damaged
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "meta.json"


def _damaged_file_of(folder: Path, segment: str) -> str:
    for part in PARTS:
        if not (folder / f"{segment}{part}").exists():
            return f"{segment}{part}"
    return next((file.name for file in sorted(folder.glob(f"{segment}.*")) if not _is_intact(file)), "")


def _is_intact(path: Path) -> bool:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(size - 8)
            length, _magic = struct.unpack("<II", file.read(8))
            file.seek(size - 8 - length)
            expected = json.loads(file.read(length))["crc"]
            file.seek(0)
            rest, crc = size - 8 - length, 0
            while rest > 0 and (chunk := file.read(min(rest, CHUNK))):
                crc, rest = zlib.crc32(chunk, crc), rest - len(chunk)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return False
    return bool(crc == expected)


def list_indexes(root: Path) -> list[Path]:
    """Return the folders that have a manifest, also a damaged one."""
    try:
        return sorted(folder for folder in root.iterdir() if folder.is_dir() and (folder / MANIFEST).exists())
    except FileNotFoundError:
        return []


def _sync_folder(root: Path) -> None:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
