"""`--delete-missing`: deletes the records of a source that are not in a complete load."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Refusal
from services.catalog.importing.changes import StoredRecord
from services.catalog.importing.deletion import Deleted, count_out, delete_in_batches
from services.catalog.importing.offers import IS_KEPT
from services.catalog.importing.runs import Counts, save_run
from services.catalog.tables import ImportSeen, Record, Source

MOST_PERCENT = 5


@dataclass(slots=True)
class MissingRecords:
    """The deletion of missing records.

    at_most  number of deletions that the operator allows; None allows MOST_PERCENT of the source, but none if a record
             was rejected, because that may be a missing one
    found    number of missing records
    refusal  why nothing was deleted; None without a refusal
    """

    at_most: int | None = None
    found: int = 0
    refusal: Refusal | None = None

    def delete(
        self, database: Database, context: Context, *, source: str, run: int, counts: Counts, met: set[int] | None
    ) -> None:
        """Delete what is missing, batch by batch, or set `refusal`. A killed run continues.

        counts  of the run; this adds to `missing` and `kept`
        met     numbers of the records that a dry run met or deleted; None for a real run, which has them in its tables
        """
        with database.reading(context) as session:
            source_id = session.scalar(select(Source.id).where(Source.code == source))
            if source_id is None:
                return
            numbers, live = _missing(session, source_id, run, met)
        # Includes the deletions of a killed run, so that its continuation decides as the killed run did.
        before = live + counts.missing
        self.found = len(numbers) + counts.missing
        self.refusal = self._refuse(before=before, put_aside=counts.put_aside)
        if self.refusal is not None:
            return
        if met is not None:
            with database.reading(context) as session:
                counts.kept += count_out(session, numbers)
            counts.missing += len(numbers)
            return
        at_first = replace(counts)

        def save(session: Session, done: Deleted) -> None:
            counts.missing, counts.kept = at_first.missing + done.records, at_first.kept + done.kept
            save_run(session, run, counts)

        delete_in_batches(
            database,
            context,
            numbers,
            source=source,
            at=clock.now(),
            act=f"import-run:{run}:missing",
            run=run,
            on_batch=save,
        )

    def _refuse(self, *, before: int, put_aside: int) -> Refusal | None:
        if self.at_most is not None:
            if self.found > self.at_most:
                return Refusal("MISSING_MORE_THAN_GIVEN", missing=self.found, records=before, given=self.at_most)
        elif self.found and put_aside:
            return Refusal("MISSING_UNSURE", missing=self.found, records=before, put_aside=put_aside)
        elif self.found * 100 > before * MOST_PERCENT:
            return Refusal("MISSING_TOO_MANY", missing=self.found, records=before, percent=MOST_PERCENT)
        return None


def met_numbers(simulated: dict[str, StoredRecord]) -> set[int]:
    """Return the numbers of the stored records that a dry run met or deleted."""
    return {row.number for row in simulated.values() if row.in_this_run or row.is_deleted}


def _missing(session: Session, source_id: object, run: int, met: set[int] | None) -> tuple[list[int], int]:
    """Return the numbers of the live records that a run did not meet, and the number of those it did not create."""
    of_source = (Record.source_id == source_id, Record.deleted_at.is_(None), ~IS_KEPT)
    is_created = and_(Record.run == run, Record.version == 1)
    live = session.scalar(select(func.count()).select_from(Record).where(*of_source, ~is_created)) or 0
    statement = select(Record.number).where(*of_source).order_by(Record.number)
    if met is not None:
        return [number for number in session.scalars(statement) if number not in met], live
    # A record with a higher run number was written by an import that began later.
    is_seen = exists().where(ImportSeen.run == run, ImportSeen.record_number == Record.number)
    return list(session.scalars(statement.where(Record.run < run, ~is_seen))), live
