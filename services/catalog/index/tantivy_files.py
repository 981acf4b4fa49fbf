"""Folders of tantivy indexes: `<root>/<name>/`, with `current` naming the live one and `next` the coming one."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

from services.catalog.index.stored_fields import FORM

MANIFEST = "rangkiang.json"
PARTS = (".term", ".idx", ".pos", ".fast", ".fieldnorm", ".store")
CHUNK = 1 << 20

Stamp = tuple[int, ...]


def named(root: Path, pointer: str) -> str:
    """The index that `current` or `next` names; "" when there is none."""
    try:
        return (root / pointer).read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def point(root: Path, pointer: str, name: str) -> None:
    """Let `current` or `next` name this index, in one step that survives a power cut."""
    fresh = root / f"{pointer}.new"
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(root / pointer)
    _sync_folder(root)


def unpoint(root: Path, pointer: str) -> None:
    (root / pointer).unlink(missing_ok=True)
    _sync_folder(root)


def stamp(root: Path, name: str) -> Stamp:
    """Changes whenever another index is live or the live one has a new commit; two stats. Raises FileNotFoundError."""
    pointer, meta = (root / "current").stat(), (root / name / "meta.json").stat()
    return (pointer.st_ino, pointer.st_mtime_ns, meta.st_ino, meta.st_mtime_ns)


def meta(folder: Path) -> bytes:
    return (folder / "meta.json").read_bytes()


def generation(folder: Path, meta_json: bytes) -> str:
    """Name of the state that this meta.json describes.

    The commit's stamp tells what is in it. The total with deleted documents tells when a merge has dropped some of
    those: they count in BM25's statistics, so scores change then without a commit.
    """
    state = json.loads(meta_json)
    return f"{folder.name}.{state['opstamp']}.{sum(segment['max_doc'] for segment in state['segments'])}"


def write_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"form": FORM, "name": folder.name}), "ascii")


def is_ours(folder: Path) -> bool:
    """Whether this release made it."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text("ascii"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("form") == FORM and manifest.get("name") == folder.name


def rot(folder: Path) -> str:
    """The first file of the index that is gone or is not what was once written; "" when all are sound.

    tantivy opens files with rotten bytes and answers garbage; each file ends in a footer that knows its CRC-32.
    """
    while True:
        try:
            before = meta(folder)
            segments = [segment["segment_id"].replace("-", "") for segment in json.loads(before)["segments"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "meta.json"
        found = next((name for segment in segments if (name := _rot_of(folder, segment))), "")
        # A merge may have replaced the segments while we looked.
        if not found or meta(folder) == before:
            return found


def _rot_of(folder: Path, segment: str) -> str:
    for part in PARTS:
        if not (folder / f"{segment}{part}").exists():
            return f"{segment}{part}"
    return next((file.name for file in sorted(folder.glob(f"{segment}.*")) if not _is_sound(file)), "")


def _is_sound(path: Path) -> bool:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(size - 8)
            length, _magic = struct.unpack("<II", file.read(8))
            file.seek(size - 8 - length)
            expected = json.loads(file.read(length))["crc"]
            file.seek(0)
            left, crc = size - 8 - length, 0
            while left > 0 and (chunk := file.read(min(left, CHUNK))):
                crc, left = zlib.crc32(chunk, crc), left - len(chunk)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return False
    return bool(crc == expected)


def tidy(root: Path, *keep: str) -> None:
    """Delete every index but these. Who reads a deleted one goes on: its files are mapped until it lets go."""
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in keep and (folder / MANIFEST).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _sync_folder(root: Path) -> None:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
