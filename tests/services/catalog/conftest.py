"""A migrated catalogue of the test's own, on SQLite and on PostgreSQL, and imports into it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chassis.context import system
from chassis.database.db import Database
from services.catalog.importing.decode import Rejected
from services.catalog.importing.missing_records import MissingRecords
from services.catalog.importing.pipeline import Import
from services.catalog.importing.runs import Counts
from services.catalog.index.installation import open_index_at
from services.catalog.index.port import Index
from services.catalog.marc.record import Record
from services.catalog.service import SERVICE
from tests.builders import iso
from tests.migrated import MigratedDatabases


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Database]:
    """The catalogue's own database, empty, at its newest revision."""
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        yield database


@dataclass
class Importer:
    """Imports as the command does, without a terminal. problems: rejected records and warnings of the last import."""

    database: Database
    problems: list[Rejected] = field(default_factory=list)

    def __call__(
        self,
        content: bytes | Path | Iterable[Record],
        *,
        source: str = "TEST",
        institution: str = "PKS",
        dry_run: bool = False,
        new_source: bool = True,
        missing: MissingRecords | None = None,
        on_progress: Callable[[object], None] = lambda _: None,
    ) -> Counts:
        self.problems.clear()
        files, stdin = (
            ([content], io.BytesIO()) if isinstance(content, Path) else ([Path("-")], io.BytesIO(_bytes(content)))
        )
        run = Import(
            self.database,
            system("test"),
            source=source,
            institution=institution,
            files=files,
            processes=0,
            stdin=stdin,
            dry_run=dry_run,
            new_source=new_source,
            missing=missing,
            on_progress=on_progress,
            report=self.problems.append,
        )
        return run.run()

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]


def _bytes(content: bytes | Iterable[Record]) -> bytes:
    return content if isinstance(content, bytes) else iso(content)


@pytest.fixture
def import_(database: Database) -> Importer:
    return Importer(database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path, database: Database) -> Iterator[Index]:
    index = open_index_at(f"tantivy:///{folder}", database)
    yield index
    index.close()
