"""Exports records in any format: all of them, or the results of a search.

Records are written by number. A stopped export therefore continues after its last saved record, even if records were
imported in between: no record is lost and none is written twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound, Unavailable
from chassis.private_files import create_for_operator
from services.catalog import queries
from services.catalog.formats import FORMS, WITH_DELETIONS, Entry
from services.catalog.index.matches import And, Between, Match
from services.catalog.index.port import Index, Request
from services.catalog.marc.faults import NotSerialisable
from services.catalog.search import validation
from services.catalog.tables import OriginalRecord, Record, Source

Rows = Sequence[Row[*tuple[Any, ...]]]

PAGE = 500
# Record numbers in one index request, so that one reply has all matches among them.
NUMBERS_PER_REQUEST = 2_000


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The records and the format of an export.

    form            a key of FORMS
    query, filters  as in a search, without spelling correction; empty for all records
    source          code of a source, to export only its records
    address         URL of a record's page with `{id}` for the id; "" when the public URL is not configured
    as_received     write records that were repaired on import with their original bytes; only with the form "marc"
    deleted         write deleted records too, marked as deleted; only without a search, and in WITH_DELETIONS
    """

    form: str = "marc"
    query: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    address: str = ""
    as_received: bool = False
    deleted: bool = False

    @property
    def searches(self) -> bool:
        return bool(self.query.strip() or self.filters)


@dataclass(frozen=True, slots=True)
class ExportProblem:
    """A record that the format cannot hold."""

    record: UUID
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """The progress of an export.

    after     number of the last record that was processed
    written   number of records written until now
    left      number of records left out until now
    problems  records that were left out of this page
    """

    after: int = 0
    written: int = 0
    left: int = 0
    problems: Sequence[ExportProblem] = ()


def export(
    database: Database,
    context: Context,
    *,
    to: BinaryIO,
    request: ExportRequest,
    index: Index | None = None,
    since: ExportProgress | None = None,
) -> Iterator[ExportProgress]:
    """Write the records in order of their numbers, a page at a time, in constant memory.

    index   the index to search; None to export without a search
    since   continue from there; the head and all records before it are already written
    yields  the progress after each page; the tail is written when the caller asks for a page after the last one
    raises  NotFound     SOURCE_NOT_FOUND
            Invalid      AS_RECEIVED_NEEDS_MARC, QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    form = FORMS[request.form]
    if request.as_received and request.form != "marc":
        raise Invalid("AS_RECEIVED_NEEDS_MARC", form=request.form)
    at = since or ExportProgress()
    if request.source:
        check_source(database, context, request.source)
    if since is None:
        to.write(form.head)
    pages = (
        _entries_by_number(database, context, request, at.after)
        if index is None
        else _entries_of_search(database, context, index, request, at.after)
    )
    for after, rows in pages:
        written, problems = 0, []
        originals = _originals(database, context, rows) if request.as_received else {}
        for row in rows:
            try:
                original = originals.get(row.number) if row.deleted_at is None else None
                to.write(original or form.row(Entry.of_row(row, request.address)))
                written += 1
            except NotSerialisable as problem:
                problems.append(ExportProblem(row.id, problem.reason, problem.detail))
        at = ExportProgress(after, at.written + written, at.left + len(problems), problems)
        yield at
    to.write(form.tail)
    to.flush()


def _originals(database: Database, context: Context, rows: Rows) -> dict[int, bytes]:
    """Return record number -> the original bytes in ISO 2709, for records that were repaired."""
    statement = select(OriginalRecord.record_number, OriginalRecord.raw).where(
        OriginalRecord.record_number.in_([row.number for row in rows]), OriginalRecord.format == "marc"
    )
    with database.reading(context) as session:
        return dict(session.execute(statement).all())


def check_deletions(request: ExportRequest) -> None:
    """Refuse an export with deleted records in a format that cannot mark them, or of a search.

    raises  Invalid  DELETIONS_NOT_IN_FORM
    """
    if request.deleted and (request.searches or request.form not in WITH_DELETIONS):
        raise Invalid("DELETIONS_NOT_IN_FORM", known=[*WITH_DELETIONS])


def count(database: Database, context: Context, *, source: str = "", deleted: bool = False) -> int:
    """Count the records, those of one source when `source` is given."""
    statement = select(func.count()).select_from(Record)
    if not deleted:
        statement = statement.where(Record.deleted_at.is_(None))
    if source:
        statement = statement.join(Source, Source.id == Record.source_id).where(Source.code == source)
    with database.reading(context) as session:
        return session.scalar(statement) or 0


def count_matches(index: Index, request: ExportRequest) -> int:
    """Count the records that a search finds, in all sources."""
    match, filters = _match(request)
    return index.search(Request(match=match, filters=filters, limit=0)).total


def check_source(database: Database, context: Context, source: str) -> None:
    """Check that the source exists.

    raises  NotFound  SOURCE_NOT_FOUND
    """
    with database.reading(context) as session:
        if session.scalar(select(Source.id).where(Source.code == source)) is None:
            raise NotFound("SOURCE_NOT_FOUND", source=source)


class ExportFile:
    """The file of an export, with `FILE.state`: the request and the progress that is safely on disk.

    A context manager. `since` is the progress of an earlier run, None for a new file. `save` flushes the file and saves
    the progress; `finish` flushes it and removes the state.
    raises  Unavailable  FILE_UNUSABLE
            Invalid      EXPORT_UNLIKE  an earlier run wrote this file for another request
    """

    def __init__(self, path: Path, request: ExportRequest) -> None:
        self._path, self._state = path, path.with_name(path.name + ".state")
        self._new = path.with_name(path.name + ".state.new")
        self._request = json.loads(json.dumps(asdict(request)))
        if not request.deleted:
            del self._request["deleted"]  # the state of an earlier release has no such key
        self.since: ExportProgress | None = None

    def __enter__(self) -> ExportFile:
        try:
            state = self._read_state()
            self.file: BinaryIO = create_for_operator(self._path) if state is None else self._path.open("r+b")
            if state is not None:
                self.file.truncate(state["bytes"])
                self.file.seek(state["bytes"])
                self.since = ExportProgress(state["after"], state["written"], state["left"])
        except OSError as problem:
            raise _unusable(self._path, problem) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def save(self, progress: ExportProgress) -> None:
        """Save the progress, so that a later run continues after this record; does nothing for a device or a pipe."""
        if not self._path.is_file():
            return
        self._sync()
        state = {
            "asked": self._request,
            "bytes": self.file.tell(),
            "after": progress.after,
            "written": progress.written,
            "left": progress.left,
        }
        with self._new.open("w") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._state)

    def finish(self) -> None:
        if self._path.is_file():
            self._sync()
            self._new.unlink(missing_ok=True)
            self._state.unlink(missing_ok=True)

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def _read_state(self) -> dict[str, Any] | None:
        """Read the state of an unfinished run; None without one, or if the export's file is missing or too short."""
        if not self._state.exists():
            return None
        state: dict[str, Any] = json.loads(self._state.read_text())
        if state["asked"] != self._request:
            raise Invalid("EXPORT_UNLIKE", path=str(self._path), state=str(self._state))
        if not self._path.exists() or self._path.stat().st_size < state["bytes"]:
            return None
        return state


def _unusable(path: Path, problem: OSError) -> Unavailable:
    return Unavailable("FILE_UNUSABLE", path=str(path), why=problem.strerror or str(problem))


def _entries_by_number(
    database: Database, context: Context, request: ExportRequest, after: int
) -> Iterator[tuple[int, Rows]]:
    while True:
        with database.reading(context) as session:
            rows = session.execute(_rows(request).where(Record.number > after).limit(PAGE)).all()
        if not rows:
            return
        after = rows[-1].number
        yield after, rows


def _entries_of_search(
    database: Database, context: Context, index: Index, request: ExportRequest, after: int
) -> Iterator[tuple[int, Rows]]:
    match, filters = _match(request)
    with database.reading(context) as session:
        highest = queries.highest_number(session)
    while after < highest:
        end = after + NUMBERS_PER_REQUEST
        window = And((match, Between("number", after + 1, end)))
        result = index.search(Request(match=window, filters=filters, sort="year_asc", limit=NUMBERS_PER_REQUEST))
        numbers = sorted(result.numbers)
        for start in range(0, len(numbers), PAGE):
            part = numbers[start : start + PAGE]
            with database.reading(context) as session:
                rows = session.execute(_rows(request).where(Record.number.in_(part))).all()
            yield part[-1], rows
        after = end
        yield min(after, highest), ()


def _match(request: ExportRequest) -> tuple[Match, dict[str, tuple[str, ...]]]:
    return validation.parse_query(request.query)[1], validation.allowed_filters(request.filters)


def _rows(request: ExportRequest) -> Select[*tuple[Any, ...]]:
    statement = queries.select_records(deleted=request.deleted).order_by(Record.number)
    return statement.where(Source.code == request.source) if request.source else statement
