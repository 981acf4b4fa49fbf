"""What an import takes of memory does not grow with what it is given, nor with what that unpacks to."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from bench import generate
from services.catalog.marc import iso2709
from tests.builders import book, iso
from tests.faults.imports import SOURCE, Store, embedded, session_of

MOST_MEGABYTES = 220  # of any one process; the house promises 256 for a file of a gigabyte
FILE_BYTES = 60_000_000
BOMB_BYTES = 400_000_000
SECONDS = 100


def peak(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Run a process to its end; the most memory, in megabytes, that it and each process of its session held."""
    most: dict[int, tuple[str, int]] = {}
    until = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < until:
        for each in session_of(process.pid):
            try:
                command = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
                status = Path(f"/proc/{each}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            held = [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
            if held:
                most[each] = (command, held[0])
        time.sleep(0.1)
    assert process.poll() is not None, "it does not end"
    return {f"{pid} {command}": held for pid, (command, held) in most.items()}


def imported(store: Store, path: Path, *words: str) -> tuple[int, dict[str, Any], dict[str, int]]:
    """Import; exit code, closing line, and memory."""
    process = store.start("import", str(path), "--source", SOURCE, "--json", *words)
    memory = peak(process)
    said, complaints = process.communicate()
    assert said, complaints.decode()[-2000:]
    return process.returncode, json.loads(said.splitlines()[-1]), memory


def test_a_large_file_is_imported_in_little_memory(tmp_path: Path) -> None:
    # Most of it in fields that no search looks into: what is measured is what holding records costs.
    path, ballast, count = tmp_path / "besar.mrc", "x" * 9_000, 0
    with path.open("wb") as file:
        for record in generate.records(5_000):
            record.fields += [["990", "  ", "a", ballast], ["991", "  ", "a", ballast[:4_000]]]
            file.write(iso2709.encode(record))
            count += 1
    assert path.stat().st_size > FILE_BYTES
    with embedded(tmp_path) as store:
        code, said, memory = imported(store, path)
    assert (code, said["read"], said["created"]) == (0, count, count)
    assert max(memory.values()) < MOST_MEGABYTES, memory


def test_a_gzip_bomb_is_put_aside_and_not_unpacked(tmp_path: Path) -> None:
    good, path = book("1", "Sebelum bom"), tmp_path / "bom.mrc.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(iso([good]))
        for _ in range(BOMB_BYTES // 1_000_000):
            file.write(b" " * 1_000_000)
    with embedded(tmp_path) as store:
        start = time.monotonic()
        code, said, memory = imported(store, path, "--report", str(tmp_path / "temuan.jsonl"))
        assert time.monotonic() - start < SECONDS / 2
    assert (code, said["read"], said["created"], said["put_aside"]) == (1, 2, 1, 1)
    assert max(memory.values()) < MOST_MEGABYTES, memory
    found = [json.loads(line) for line in (tmp_path / "temuan.jsonl").read_text().splitlines()]
    assert [each["reason"] for each in found if each["put_aside"]] == ["GZIP_BOMB"]
