"""Runs of imports: counts, progress and findings, stored with each batch so that a killed run can continue."""

from __future__ import annotations

import hashlib
import logging
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from chassis import clock
from services.catalog.importing.decode import PreparedBatch, Rejected, path_text
from services.catalog.importing.findings import Findings
from services.catalog.importing.upsert import Outcome
from services.catalog.tables import ImportChange, ImportRun, ImportSeen

log = logging.getLogger(__name__)

COLUMNS = ("read", "created", "updated", "unchanged", "put_aside", "deleted", "missing", "kept", "warnings")


@dataclass(slots=True)
class Counts:
    """Counts of an import: created + updated + unchanged + deleted + put_aside = read.

    deleted  records that the source has marked as deleted
    missing  records that were deleted because they are not in a complete load
    kept     items of both that are out: they are withdrawn when they are returned
    items_created, items_changed  only since the last start of a run that was killed
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    put_aside: int = 0
    deleted: int = 0
    missing: int = 0
    kept: int = 0
    warnings: int = 0
    items_created: int = 0
    items_changed: int = 0
    new_branches: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    def add(self, prepared: PreparedBatch, outcome: Outcome, problems: list[Rejected]) -> None:
        """Add one batch, with its rejected records and warnings."""
        self.read += len(prepared.ordinals())
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.deleted += outcome.deleted
        self.kept += outcome.kept
        self.put_aside += len(prepared.rejected)
        self.warnings += len(outcome.warnings)
        self.items_created += outcome.items_created
        self.items_changed += outcome.items_changed
        self.new_branches += outcome.new_branches
        for problem in problems:
            self.findings.add(problem)

    def plus(self, other: Counts) -> None:
        """Add the counts of another import."""
        for name in (*COLUMNS, "new_branches"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.findings.include(other.findings)

    def copy(self) -> Counts:
        """Return a copy for a batch to change, so that a rollback loses only the copy."""
        return deepcopy(self)

    def columns(self) -> dict[str, Any]:
        """Return the columns of ImportRun."""
        return {**{name: getattr(self, name) for name in COLUMNS}, "findings": self.findings.text()}


def open_run(
    session: Session, source_id: UUID, files: list[Path], counts: Counts, *, stdin_id: str = ""
) -> tuple[int, int, int]:
    """Find the unfinished run of the same files, or start one; return its number, file and record.

    counts    become those of the unfinished run
    stdin_id  names what standard input has; without it, an import of standard input starts again
    """
    inputs = orjson.dumps([path_text(path.absolute()) for path in files]).decode()
    identities = [
        (stdin_id, 0, 0) if str(path) == "-" else _file_identity(path) for path in files if stdin_id or str(path) != "-"
    ]
    fingerprint = hashlib.sha256(orjson.dumps(identities)).digest()
    is_resumable = len(identities) == len(files)
    row = session.scalars(
        select(ImportRun)
        .where(ImportRun.source_id == source_id, ImportRun.finished_at.is_(None), ImportRun.inputs == inputs)
        .order_by(ImportRun.number.desc())
    ).first()
    if row is not None and is_resumable and row.fingerprint == fingerprint:
        file, ordinal = orjson.loads(row.done)
        for name in COLUMNS:
            setattr(counts, name, getattr(row, name))
        counts.findings = Findings.read(row.findings)
        log.info("import_resumed", extra={"run": row.number, "file": file, "record": ordinal})
        return row.number, file, ordinal
    # Only the last run of a source can be undone.
    earlier = select(ImportRun.number).where(ImportRun.source_id == source_id)
    session.execute(delete(ImportChange).where(ImportChange.run.in_(earlier)))
    started = ImportRun(
        source_id=source_id,
        inputs=inputs,
        fingerprint=fingerprint,
        done="[0,0]",
        started_at=clock.now(),
        **Counts().columns(),
    )
    session.add(started)
    session.flush()
    return started.number, 0, 0


def save_run(session: Session, run: int, counts: Counts, **more: Any) -> None:
    """Store the counts of a run, and other columns."""
    session.execute(update(ImportRun).where(ImportRun.number == run).values(**counts.columns(), **more))


def finish_run(session: Session, run: int) -> None:
    """Mark a run as finished, and delete the list of the records that it has read."""
    session.execute(update(ImportRun).where(ImportRun.number == run).values(finished_at=clock.now()))
    session.execute(delete(ImportSeen).where(ImportSeen.run == run))


def end_runs(session: Session, source_id: UUID) -> None:
    """Finish the unfinished runs of a source: none of them may continue."""
    unfinished = select(ImportRun.number).where(ImportRun.source_id == source_id, ImportRun.finished_at.is_(None))
    for run in session.scalars(unfinished).all():
        finish_run(session, run)


def _file_identity(path: Path) -> tuple[str, int, int]:
    """Return the path, size and time of change, which identify a file and its version."""
    status = path.stat()
    return path_text(path.absolute()), status.st_size, status.st_mtime_ns
