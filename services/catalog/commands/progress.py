"""Output of commands: progress of imports, report files, summaries."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from rich.progress import Progress

from chassis.errors import Unavailable
from chassis.output import json_text, print_json, print_text
from chassis.sentences import sentence
from services.catalog.importing.decode import Rejected
from services.catalog.importing.pipeline import Counts
from services.catalog.importing.pipeline import Progress as ImportProgress
from services.catalog.marc.faults import REASONS

# Warnings about imported records that the catalogue gives, not the MARC reader.
REMARKS = frozenset({"BARCODE_IN_USE", "DUPLICATE_CONTROL_NUMBER", "ENTITIES_DECODED"})


def open_report(path: Path) -> BinaryIO:
    """Open a file for writing.

    raises  Unavailable  FILE_UNUSABLE
    """
    try:
        return path.open("wb")
    except OSError as problem:
        raise Unavailable("FILE_UNUSABLE", path=str(path), why=problem.strerror) from None


def show(bar: Progress, progress: ImportProgress) -> None:
    """Update the import's progress bar: bytes, records per second, rejected records."""
    if not bar.tasks:
        bar.add_task("import", note="")
    task = bar.tasks[0]
    rate = progress.counts.read / max(0.001, task.elapsed or 0.001)
    note = f"{progress.counts.read} · {rate:,.0f}/s · {progress.counts.put_aside} rejected"
    bar.update(task.id, total=progress.bytes_total or None, completed=progress.bytes_read, note=note)


@contextlib.contextmanager
def report_file(path: Path | None) -> Iterator[Callable[[Rejected], None]]:
    """Open the report of an import: one JSON line per finding, or nothing without a file."""
    if path is None:
        yield lambda _: None
        return
    with open_report(path) as file:

        def write(finding: Rejected) -> None:
            text = sentence(finding.reason) if finding.reason in REASONS | REMARKS else None
            line = json_text(
                {
                    "path": finding.path,
                    "record": finding.ordinal,
                    "position": finding.position,
                    "put_aside": not finding.loaded,
                    "reason": finding.reason,
                    "detail": finding.detail,
                    "sentence": None if text is None else {"id": text.id, "en": text.en},
                    "raw": base64.b64encode(finding.raw).decode(),
                }
            )
            file.write(line.encode() + b"\n")

        yield write


def summary(counts: Counts, seconds: float, *, json: bool, dry_run: bool) -> None:
    """Print the summary."""
    result = {
        "read": counts.read,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "put_aside": counts.put_aside,
        "seconds": round(seconds, 3),
    }
    if json:
        print_json(result)
        return
    print_text(
        f"{'(dry run) ' if dry_run else ''}{counts.read} read: {counts.created} created, {counts.updated} updated, "
        f"{counts.unchanged} unchanged, {counts.put_aside} rejected; {counts.warnings} warnings; {seconds:.1f} s"
    )
    if counts.new_branches:
        print_text(f"New branches, to be described in institutions.toml: {', '.join(counts.new_branches)}")
