"""Giving records back, all of them or what a search finds, in any form, by record number.

By number, so that an export that was stopped goes on after the last record it is sure of, whatever came in meanwhile:
no record is lost and none is written twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Invalid, NotFound, Unavailable
from services.catalog import queries
from services.catalog.formats import FORMS, Entry
from services.catalog.index.matches import And, Between, Match
from services.catalog.index.port import Index, Request
from services.catalog.marc.faults import NotSerialisable
from services.catalog.marc.record import Record as MarcRecord
from services.catalog.search import validation
from services.catalog.tables import Institution, Record, Source

Form = Literal["marc", "marcxml", "marcjson", "json", "brief", "dc", "mods", "jsonld", "ris", "bibtex", "csv"]
PAGE = 500
# Numbers that one question to the index covers; all that match among them come in one answer.
NUMBERS_A_QUESTION = 2_000


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export.

    query, filters  as a search has them; nothing: everything. Words are matched as they are spelt: nothing is forgiven
    source          only this source's records
    address         of a record's page, `{id}` in it standing for the id; "" when nobody has said where we are
    """

    form: Form = "marc"
    query: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    address: str = ""

    @property
    def searches(self) -> bool:
        return bool(self.query.strip() or self.filters)


@dataclass(frozen=True, slots=True)
class SavedProgress:
    """A record that this form cannot hold."""

    record: UUID
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """after: number of the last record dealt with; written, left: so far; problems: what this page left."""

    after: int = 0
    written: int = 0
    left: int = 0
    problems: Sequence[SavedProgress] = ()


def export(
    database: Database,
    context: Context,
    *,
    to: BinaryIO,
    asked: ExportRequest,
    index: Index | None = None,
    since: ExportProgress | None = None,
) -> Iterator[ExportProgress]:
    """Write the records in the order they came, a page at a time, in constant memory.

    index   where to search; None when nothing is searched for
    since   go on from there: what comes before has been written already, head and all
    yields  how far it is, after each page; the end of the form is written when the last page has been taken
    raises  NotFound     SOURCE_NOT_FOUND
            Invalid      QUERY_TOO_LONG, FACET_UNKNOWN, FACET_VALUES_OUT_OF_BOUNDS
            Unavailable  SEARCH_UNAVAILABLE, INDEX_BUILDING
    """
    form = FORMS[asked.form]
    at = since or ExportProgress()
    if asked.source:
        check_format(database, context, asked.source)
    if since is None:
        to.write(form.head)
    pages = (
        _entries_by_number(database, context, asked, at.after)
        if index is None
        else _entries_of_search(database, context, index, asked, at.after)
    )
    for after, rows in pages:
        written, problems = 0, []
        for row in rows:
            try:
                to.write(form.row(_entry(row, asked.address)))
                written += 1
            except NotSerialisable as problem:
                problems.append(SavedProgress(row.id, problem.reason, problem.detail))
        at = ExportProgress(after, at.written + written, at.left + len(problems), problems)
        yield at
    to.write(form.tail)
    to.flush()


def count(database: Database, context: Context, *, source: str = "") -> int:
    """How many records there are, of one source when named."""
    statement = select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))
    if source:
        statement = statement.join(Source, Source.id == Record.source_id).where(Source.code == source)
    with database.reading(context) as session:
        return session.scalar(statement) or 0


def count_found(index: Index, asked: ExportRequest) -> int:
    """How many records a search finds, of all sources."""
    match, filters = _match(asked)
    return index.search(Request(match=match, filters=filters, limit=0)).total


def check_format(database: Database, context: Context, source: str) -> None:
    """Be sure there is such a source. Raises NotFound SOURCE_NOT_FOUND."""
    with database.reading(context) as session:
        if session.scalar(select(Source.id).where(Source.code == source)) is None:
            raise NotFound("SOURCE_NOT_FOUND", source=source)


class ExportFile:
    """A file to export into, and beside it `FILE.state`: what was asked and how much of the file is sure.

    Used as a context; `since` is how far a run before came, None for a fresh file. `keep` makes sure of what has been
    written; `done` ends it, after which the state is gone.
    raises  Unavailable  FILE_UNUSABLE
            Invalid      EXPORT_UNLIKE, when the file was begun with another question
    """

    def __init__(self, path: Path, asked: ExportRequest) -> None:
        self._path, self._state = path, path.with_name(path.name + ".state")
        self._new = path.with_name(path.name + ".state.new")
        self._asked = json.loads(json.dumps(asdict(asked)))
        self.since: ExportProgress | None = None

    def __enter__(self) -> ExportFile:
        try:
            begun = self._begun()
            self.file: BinaryIO = self._path.open("wb" if begun is None else "r+b")
            if begun is not None:
                self.file.truncate(begun["bytes"])
                self.file.seek(begun["bytes"])
                self.since = ExportProgress(begun["after"], begun["written"], begun["left"])
        except OSError as problem:
            raise _unusable(self._path, problem) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def keep(self, reached: ExportProgress) -> None:
        """From now on a run that dies goes on after this record; a device or a pipe cannot be gone on with."""
        if not self._path.is_file():
            return
        self._sync()
        state = {
            "asked": self._asked,
            "bytes": self.file.tell(),
            "after": reached.after,
            "written": reached.written,
            "left": reached.left,
        }
        with self._new.open("w") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._state)

    def done(self) -> None:
        if self._path.is_file():
            self._sync()
            self._new.unlink(missing_ok=True)
            self._state.unlink(missing_ok=True)

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def _begun(self) -> dict[str, Any] | None:
        """The state of a run that did not end; None when there was none, or its file is gone."""
        if not self._state.exists():
            return None
        begun: dict[str, Any] = json.loads(self._state.read_text())
        if begun["asked"] != self._asked:
            raise Invalid("EXPORT_UNLIKE", path=str(self._path), state=str(self._state))
        if not self._path.exists() or self._path.stat().st_size < begun["bytes"]:
            return None
        return begun


def _unusable(path: Path, problem: OSError) -> Unavailable:
    return Unavailable("FILE_UNUSABLE", path=str(path), why=problem.strerror or str(problem))


Rows = Sequence[Row[*tuple[Any, ...]]]


def _entries_by_number(
    database: Database, context: Context, asked: ExportRequest, after: int
) -> Iterator[tuple[int, Rows]]:
    while True:
        with database.reading(context) as session:
            rows = session.execute(_rows(asked).where(Record.number > after).limit(PAGE)).all()
        if not rows:
            return
        after = rows[-1].number
        yield after, rows


def _entries_of_search(
    database: Database, context: Context, index: Index, asked: ExportRequest, after: int
) -> Iterator[tuple[int, Rows]]:
    match, filters = _match(asked)
    with database.reading(context) as session:
        highest = queries.highest_number(session)
    while after < highest:
        end = after + NUMBERS_A_QUESTION
        window = And((match, Between("number", after + 1, end)))
        found = index.search(Request(match=window, filters=filters, sort="year_asc", limit=NUMBERS_A_QUESTION))
        numbers = sorted(found.numbers)
        for start in range(0, len(numbers), PAGE):
            part = numbers[start : start + PAGE]
            with database.reading(context) as session:
                rows = session.execute(_rows(asked).where(Record.number.in_(part))).all()
            yield part[-1], rows
        after = end
        yield min(after, highest), ()


def _match(asked: ExportRequest) -> tuple[Match, dict[str, tuple[str, ...]]]:
    return validation.parse_query(asked.query)[1], validation.allowed_filters(asked.filters)


def _rows(asked: ExportRequest) -> Select[*tuple[Any, ...]]:
    statement = (
        select(
            Record.number,
            Record.id,
            Record.version,
            Record.marc,
            Record.holdings,
            Record.updated_at,
            Source.code.label("source"),
            Institution.code.label("institution"),
        )
        .join(Source, Source.id == Record.source_id)
        .join(Institution, Institution.id == Record.institution_id)
        .where(Record.deleted_at.is_(None))
        .order_by(Record.number)
    )
    return statement.where(Source.code == asked.source) if asked.source else statement


def _entry(row: Row[*tuple[Any, ...]], address: str) -> Entry:
    return Entry(
        MarcRecord.unpack(row.marc),
        str(row.id),
        row.version,
        row.updated_at,
        row.holdings,
        row.source,
        row.institution,
        address.replace("{id}", str(row.id)),
    )
