"""The memory of an import does not grow with the size of its file, compressed or not."""

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
from tests.conftest import CHECKOUT
from tests.faults.imports import SOURCE, Store, embedded, session_of
from tests.programs import RANGKIANG

MAX_MEGABYTES = 220  # of each process; the documented limit is 256 for a file of a gigabyte
FILE_BYTES = 60_000_000
BOMB_BYTES = 400_000_000
SECONDS = 100


def peak_memory(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Wait for the end of a process; return the peak memory, in megabytes, of each process of its session."""
    peaks: dict[int, tuple[str, int]] = {}
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for member in session_of(process.pid):
            try:
                command = Path(f"/proc/{member}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
                status = Path(f"/proc/{member}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            megabytes = [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
            if megabytes:
                peaks[member] = (command, megabytes[0])
        time.sleep(0.1)
    assert process.poll() is not None, "the process does not end"
    return {f"{pid} {command}": megabytes for pid, (command, megabytes) in peaks.items()}


def run_import(store: Store, path: Path, *words: str) -> tuple[int, dict[str, Any], dict[str, int]]:
    """Run an import; return exit code, last line and peak memory."""
    process = subprocess.Popen(
        [RANGKIANG, "import", str(path), "--source", SOURCE, "--new-source", "--json", *words],
        env=store.environment,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    memory = peak_memory(process)
    output, errors = process.communicate()
    assert output, errors.decode()[-2000:]
    return process.returncode, json.loads(output.splitlines()[-1]), memory


def test_a_large_file_is_imported_in_little_memory(tmp_path: Path) -> None:
    # Most bytes are in fields that are not indexed, so that the test measures the memory of records.
    path, ballast, count = tmp_path / "besar.mrc", "x" * 9_000, 0
    with path.open("wb") as file:
        for record in generate.records(5_000):
            record.fields += [["990", "  ", "a", ballast], ["991", "  ", "a", ballast[:4_000]]]
            file.write(iso2709.encode(record))
            count += 1
    assert path.stat().st_size > FILE_BYTES
    with embedded(tmp_path) as store:
        code, summary, memory = run_import(store, path)
    assert (code, summary["read"], summary["created"]) == (0, count, count)
    assert max(memory.values()) < MAX_MEGABYTES, memory


def test_a_gzip_bomb_is_put_aside_and_not_unpacked(tmp_path: Path) -> None:
    record, path = book("1", "Sebelum bom"), tmp_path / "bom.mrc.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(iso([record]))
        for _ in range(BOMB_BYTES // 1_000_000):
            file.write(b" " * 1_000_000)
    with embedded(tmp_path) as store:
        start = time.monotonic()
        code, summary, memory = run_import(store, path, "--report", str(tmp_path / "temuan.jsonl"))
        assert time.monotonic() - start < SECONDS / 2
    assert (code, summary["read"], summary["created"], summary["put_aside"]) == (1, 2, 1, 1)
    assert max(memory.values()) < MAX_MEGABYTES, memory
    findings = [json.loads(line) for line in (tmp_path / "temuan.jsonl").read_text().splitlines()]
    assert [finding["reason"] for finding in findings if finding["put_aside"]] == ["GZIP_BOMB"]
