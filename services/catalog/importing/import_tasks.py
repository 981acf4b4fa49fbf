"""Tasks that check an uploaded file, and import it (ADR 0052)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Refused
from chassis.ids import parse_id
from chassis.service import Resources
from services.catalog.importing.decode import Rejected
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.importing.pipeline import Import
from services.catalog.importing.pipeline import Progress as ImportProgress
from services.catalog.importing.runs import COLUMNS, Counts, finish_run
from services.catalog.importing.sources import check_source
from services.catalog.importing.uploads import UploadedFile, delete_upload, upload_of
from services.catalog.importing.upsert import open_target
from services.catalog.tables import ImportRun, Institution, Task
from services.catalog.tasks import (
    DONE,
    Finding,
    Progress,
    TaskCancelled,
    add_task,
    arguments_of,
    get_task,
    report_of,
    running_command,
)
from services.catalog.texts import without_controls

_XML_TITLE = re.compile(rb"""tag=["']245["'][^>]*>\s*<[^>]*code=["']a["'][^>]*>([^<]{1,200})""")
CHECK, IMPORT = "import_check", "import"
READING = "reading"
ALL = 1 << 62  # missing records, for a check that only counts them
LARGE_BYTES = 4 << 20  # a file from which on another process decodes


def start_import(session: Session, check_id: str, most_missing: int | None, *, context: Context) -> Task:
    """Add the task that imports the file of a check.

    most_missing  delete the records of the source that the file does not have, if they are at most so many; None: none
    raises        NotFound  TASK_NOT_FOUND
                  Refused   TASK_NOT_CHECKED, TASKS_TOO_MANY
    """
    check = get_task(session, check_id, institution=context.institution)
    if (check.kind, check.state) != (CHECK, DONE):
        raise Refused("TASK_NOT_CHECKED", kind=check.kind, state=check.state)
    arguments = arguments_of(check) | {"follows": str(check.id), "most_missing": most_missing}
    return add_task(session, IMPORT, arguments, institution_id=parse_id(context.institution), context=context)


def check(resources: Resources, task: Task, progress: Progress) -> Mapping[str, Any]:
    """Read a file, decide what an import would do, and write nothing but the report."""
    run = _import_of(resources, task, progress, missing=MissingRecords(ALL), dry_run=True)
    return report_of_counts(run.run())


def import_file(resources: Resources, task: Task, progress: Progress) -> Mapping[str, Any]:
    """Import a file; killed, the import continues behind the last batch. The file is deleted at the end.

    raises  Refused  MISSING_MORE_THAN_GIVEN: the file is imported, and no missing record is deleted
    """
    database, earlier = resources.database, report_of(task)
    with database.reading(_system(task)) as session:
        row = session.get(ImportRun, earlier.get("run", 0))
        is_finished = row is not None and row.finished_at is not None
        if row is not None and is_finished:
            earlier |= _renamed({name: getattr(row, name) for name in COLUMNS})
    if not is_finished:
        at_most = arguments_of(task).get("most_missing")
        missing = None if at_most is None else MissingRecords(at_most)
        run = _import_of(resources, task, progress, missing=missing, dry_run=False)
        try:
            counts = run.run()
        except TaskCancelled:
            with database.transaction(_system(task)) as session:
                finish_run(session, run.number)
            raise
        earlier = report_of_counts(counts) | {"run": run.number}
        if missing is not None and missing.refusal is not None:
            raise Refused(refusals=[missing.refusal])
    with database.transaction(_system(task)) as session:
        delete_upload(session, upload_of(task))
    return earlier


def report_of_counts(counts: Counts) -> dict[str, Any]:
    """Return the report of an import."""
    names = (*COLUMNS, "items_created", "items_changed")
    return _renamed({name: getattr(counts, name) for name in names})


def _renamed(counts: dict[str, Any]) -> dict[str, Any]:
    return {"rejected" if name == "put_aside" else name: count for name, count in counts.items()}


def _system(task: Task) -> Context:
    """Return the context of the work: works have records of several institutions."""
    return replace(system("import"), actor=task.actor)


def _import_of(
    resources: Resources, task: Task, progress: Progress, *, missing: MissingRecords | None, dry_run: bool
) -> Import:
    arguments = arguments_of(task)
    with resources.database.reading(_system(task)) as session:
        code = session.scalars(select(Institution.code).where(Institution.id == task.institution_id)).one()
    file = UploadedFile(resources.database, upload_of(task))
    size = file.seek(0, io.SEEK_END)
    file.seek(0)

    def show(reached: ImportProgress) -> None:
        save_progress(progress, reached, run=0 if dry_run else run.number)

    run = Import(
        resources.database,
        _system(task),
        source=arguments["source"],
        institution=code,
        files=[Path("-")],
        processes=1 if size >= LARGE_BYTES and (os.cpu_count() or 1) > 1 else 0,
        stdin=io.BufferedReader(file, 1 << 20),
        stdin_id=str(task.id),
        dry_run=dry_run,
        new_source=arguments["new_source"],
        owner=str(task.institution_id),
        missing=missing,
        on_progress=show,
        report=lambda problem: progress.add(finding_of(problem)),
    )
    return run


def save_progress(progress: Progress, reached: ImportProgress, *, run: int) -> None:
    """Store the progress of an import. run: its number; 0 for a check."""
    report = report_of_counts(reached.counts) | ({"run": run} if run else {})
    progress.save(READING, reached.bytes_read, reached.bytes_total, report)


@contextmanager
def running_import(
    database: Database, *, source: str, institution: str, new_source: bool, file: str, on_wait: Callable[[], object]
) -> Iterator[Progress]:
    """Run the import of a command as a task; see tasks.running_command.

    raises  Invalid  SOURCE_UNKNOWN, SOURCE_DROPPED
    """
    context = system("import")
    with database.transaction(context) as session:
        check_source(session, source, is_new=new_source)
        institution_id = open_target(session, source=source, institution=institution).shelves.institution_id
    arguments = {"source": source, "file": file}
    with running_command(
        database, IMPORT, arguments, institution_id=institution_id, context=context, on_wait=on_wait
    ) as progress:
        yield progress


def title_in(raw: bytes) -> str:
    """Return the title in the bytes of a record that cannot be decoded, as far as it can be found; else ""."""
    try:
        base = int(raw[12:17])
        for at in range(24, min(base, len(raw)) - 12, 12):
            if raw[at : at + 3] == b"245":
                start = base + int(raw[at + 7 : at + 12])
                field = raw[start : start + int(raw[at + 3 : at + 7])].rstrip(b"\x1e")
                parts = [part[1:] for part in field.split(b"\x1f")[1:] if part[:1] in (b"a", b"b")]
                return without_controls(b" ".join(parts).decode("utf-8", "replace"))[:120]
    except ValueError:
        pass
    marked = _XML_TITLE.search(raw[:100_000])
    return "" if marked is None else without_controls(marked[1].decode("utf-8", "replace"))[:120]


def finding_of(problem: Rejected) -> Finding:
    """Convert a rejected record, or a warning about a loaded one."""
    return Finding(
        record=problem.ordinal,
        reason=problem.reason,
        key=(problem.key or problem.path.removeprefix("-"))[:200],
        position=problem.position,
        title=problem.title or title_in(problem.raw),
        detail=problem.detail[:200],
        is_rejected=not problem.loaded,
    )
