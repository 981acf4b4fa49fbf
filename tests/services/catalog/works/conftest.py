"""Works as the tables have them, by the control numbers of their records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from chassis import clock
from chassis.context import READER, system
from chassis.database.db import Database
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Record, Work, WorkKey
from services.catalog.works.assignment import lock_works, remove_records
from services.catalog.works.editions import WorkPage, load_work
from services.catalog.works.overrides import join_work, split_record
from tests.services.catalog.conftest import Importer

CONTEXT = system("test")


@dataclass
class Works:
    """A catalogue whose records are known by their control numbers."""

    database: Database
    import_: Importer

    def put(self, *records: Marc, source: str = "TEST") -> None:
        self.import_(records, source=source)

    def partition(self) -> set[frozenset[str]]:
        """The works: control numbers together."""
        keys_by_work: dict[int, set[str]] = {}
        with self.database.reading(READER) as session:
            rows = session.execute(
                select(Record.control_key, Record.work_number).where(Record.deleted_at.is_(None))
            ).all()
        for key, number in rows:
            assert number is not None
            keys_by_work.setdefault(number, set()).add(key.partition(")")[2])
        return {frozenset(keys) for keys in keys_by_work.values()}

    def number(self, key: str) -> int:
        """The work of a record."""
        return int(self._of(key, Record.work_number))

    def version(self, key: str) -> int:
        return int(self._of(key, Record.version))

    def record_id(self, key: str) -> UUID:
        record_id: UUID = self._of(key, Record.id)
        return record_id

    def work_id(self, key: str) -> UUID:
        with self.database.reading(READER) as session:
            return session.scalars(select(Work.id).where(Work.number == self.number(key))).one()

    def split(self, key: str) -> None:
        with self.database.transaction(CONTEXT) as session:
            split_record(session, self.record_id(key), reason="bukan karya yang sama")

    def join(self, key: str, into: str) -> None:
        with self.database.transaction(CONTEXT) as session:
            join_work(session, self.record_id(key), self.work_id(into), reason="terjemahan")

    def delete(self, key: str) -> None:
        with self.database.transaction(CONTEXT) as session:
            lock_works(session)
            number = session.scalars(select(Record.number).where(Record.id == self.record_id(key))).one()
            remove_records(session, [number])
            columns = {"deleted_at": clock.now(), "work_number": None, "work_keys": None}
            session.execute(update(Record).where(Record.number == number).values(**columns))

    def shown(self, key: str, **parameters: str) -> WorkPage:
        """A record's work."""
        return self.shown_by(self.work_id(key), **parameters)

    def shown_by(self, work_id: UUID, **parameters: str) -> WorkPage:
        return load_work(self.database, context=READER, work_id=work_id, **parameters)

    def keys(self) -> int:
        with self.database.reading(READER) as session:
            return session.scalar(select(func.count()).select_from(WorkKey)) or 0

    def _of(self, key: str, column: Any) -> Any:
        with self.database.reading(READER) as session:
            return session.scalars(select(column).where(Record.control_key == f"(TEST){key}")).one()


@pytest.fixture
def works(database: Database, import_: Importer) -> Works:
    return Works(database, import_)


def of(*groups: Iterable[str]) -> set[frozenset[str]]:
    return {frozenset(group) for group in groups}
