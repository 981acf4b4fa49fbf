"""Output of commands: progress of imports, report files, summaries."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import Progress

from chassis.errors import Refusal, Unavailable
from chassis.output import json_text, print_json, print_text
from chassis.private_files import create_for_operator
from chassis.sentences import LocalText, sentence
from services.catalog.importing import file_kinds
from services.catalog.importing.decode import Rejected
from services.catalog.importing.pipeline import Progress as ImportProgress
from services.catalog.importing.runs import Counts
from services.catalog.marc.faults import REASONS

# Warnings about imported records that the catalogue gives, not the MARC reader.
REMARKS = frozenset({"BARCODE_IN_USE", "DUPLICATE_CONTROL_NUMBER", "ENTITIES_DECODED"})


def open_report(path: Path) -> BinaryIO:
    """Open a file for writing.

    raises  Unavailable  FILE_UNUSABLE
    """
    try:
        return create_for_operator(path)
    except OSError as problem:
        raise Unavailable("FILE_UNUSABLE", path=str(path), why=problem.strerror) from None


def show(bar: Progress, progress: ImportProgress, *, name: str) -> None:
    """Update the progress bar of an import: bytes, records per second, rejected records."""
    task = next((task for task in bar.tasks if task.description == name), None)
    if task is None:
        # None, because rich takes 100 when no total is given.
        bar.add_task(name, total=progress.bytes_total or None, note="", first=progress.counts.read)
        task = bar.tasks[-1]
    note = f"{progress.counts.read} records"
    # The rate is unknown in the first second, and leaves out records that were read before the bar began.
    if (seconds := task.elapsed or 0) >= 1:
        note += f" · {(progress.counts.read - task.fields['first']) / seconds:,.0f}/s"
    note += f" · {progress.counts.put_aside} rejected"
    bar.update(task.id, completed=progress.bytes_read, note=note)


@contextlib.contextmanager
def report_file(path: Path | None) -> Iterator[Callable[[Rejected], None]]:
    """Open the report of an import: one JSON line per finding, or nothing without a file."""
    if path is None:
        yield lambda _: None
        return
    with open_report(path) as file:

        def write(finding: Rejected) -> None:
            text = _sentence_of(finding.reason)
            line = json_text(
                {
                    "path": finding.path,
                    "record": finding.ordinal,
                    "position": finding.position,
                    "key": finding.key,
                    "put_aside": not finding.loaded,
                    "reason": finding.reason,
                    "detail": finding.detail,
                    "sentence": None if text is None else {"id": text.id, "en": text.en},
                    "raw": base64.b64encode(finding.raw).decode(),
                }
            )
            file.write(line.encode() + b"\n")

        yield write


def _sentence_of(reason: str) -> LocalText | None:
    return sentence(reason) if reason in REASONS | REMARKS | file_kinds.REASONS else None


def summary(
    counts: Counts,
    seconds: float,
    *,
    json: bool,
    dry_run: bool,
    language: str,
    refusal: Refusal | None = None,
    added: Mapping[str, int] | None = None,
) -> None:
    """Print the summary, and the findings by reason with examples.

    language  of the sentences
    added     of the sample library: kind -> number of rows that were added
    refusal   why missing records were not deleted
    """
    result: dict[str, Any] = {
        "read": counts.read,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "put_aside": counts.put_aside,
        "deleted": counts.deleted,
        "missing": counts.missing,
        "kept": counts.kept,
        "warnings": counts.warnings,
        "findings": counts.findings.rows(),
        "seconds": round(seconds, 3),
    }
    if json:
        if added is not None:
            result["added"] = dict(added)
        if refusal is not None:
            texts = {"id": refusal.sentence.id, "en": refusal.sentence.en}
            result["refusal"] = {"reason": refusal.reason, "facts": refusal.facts, "sentence": texts}
        print_json(result)
        return
    if added is not None:
        what = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in added.items() if count)
        print_text(f"Added: {what or 'nothing, the sample library was here before'}; {seconds:.1f} s")
        return
    deleted = f", {counts.deleted} deleted" if counts.deleted else ""
    missing = f" {counts.missing} missing ones deleted;" if counts.missing else ""
    kept_items = (
        f" {counts.kept} items on loan or in transit are deleted when they are returned;" if counts.kept else ""
    )
    print_text(
        f"{'(dry run) ' if dry_run else ''}{counts.read} read: {counts.created} created, {counts.updated} updated, "
        f"{counts.unchanged} unchanged{deleted}, {counts.put_aside} rejected;{missing}{kept_items} "
        f"{counts.warnings} warnings; {seconds:.1f} s"
    )
    for row in counts.findings.rows():
        text = _sentence_of(row["reason"])
        print_text(f"{row['count']:>7} {row['reason']}{'' if text is None else ': ' + text.in_language(language)}")
        for example in row["examples"]:
            place = " ".join(
                filter(None, (example["path"], f"#{example['record']}", example["key"], example["detail"]))
            )
            print_text(f"        {place}")
    if refusal is not None:
        print_text(f"{refusal.reason}: {refusal.sentence.in_language(language)}", to_errors=True)
    if counts.new_branches:
        print_text(f"New branches, to be described in institutions.toml: {', '.join(counts.new_branches)}")
