"""Giving records back as MARC, field for field what came in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal
from uuid import UUID

from sqlalchemy import func, select

from chassis.context import Context
from chassis.db import Database
from chassis.errors import LocalText, NotFound
from services.catalog import marc
from services.catalog.marc import iso2709, marcjson, marcxml
from services.catalog.marc.faults import Unserialisable
from services.catalog.tables import Record, Source

Form = Literal["marc", "marcxml", "json"]
PAGE = 500
ENCODERS = {"marc": iso2709.encode, "marcxml": marcxml.encode, "json": marcjson.encode}
# In a collection: no XML declaration before each record, and one JSON record a line.
IN_A_ROW: dict[str, Callable[[marc.Record], bytes]] = {
    "marc": iso2709.encode,
    "marcxml": lambda record: marcxml.encode(record, declare=False) + b"\n",
    "json": lambda record: marcjson.encode(record) + b"\n",
}


@dataclass(frozen=True, slots=True)
class Left:
    """A record that this format cannot hold."""

    record: UUID
    reason: str
    detail: str


def export(
    database: Database, context: Context, *, to: BinaryIO, form: Form, source: str = ""
) -> Iterator[tuple[int, Left | None]]:
    """Write every record, of one source when named, in the order they came.

    to      gets ISO 2709 records, one MARCXML collection, or MARC-in-JSON with one record a line
    yields  (records written so far, None) after each page, and (…, Left) for each record that could not be written
    raises  NotFound  SOURCE_NOT_FOUND
    """
    written = after = 0
    encode = IN_A_ROW[form]
    if source:
        be_known(database, context, source)
    if form == "marcxml":
        to.write(marcxml.COLLECTION_HEAD)
    while True:
        rows = _page(database, context, source, after)
        if not rows:
            break
        after = rows[-1][0]
        for _, record_id, packed in rows:
            try:
                to.write(encode(marc.Record.unpack(packed)))
            except Unserialisable as problem:
                yield written, Left(record_id, problem.reason, problem.detail)
                continue
            written += 1
        yield written, None
    if form == "marcxml":
        to.write(marcxml.COLLECTION_TAIL)
    to.flush()


def count(database: Database, context: Context, *, source: str = "") -> int:
    """How many records an export would give."""
    asked = select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))
    if source:
        asked = asked.join(Source, Source.id == Record.source_id).where(Source.code == source)
    with database.reading(context) as session:
        return session.scalar(asked) or 0


def be_known(database: Database, context: Context, source: str) -> None:
    """Be sure there is such a source. Raises NotFound SOURCE_NOT_FOUND."""
    with database.reading(context) as session:
        if session.scalar(select(Source.id).where(Source.code == source)) is None:
            raise NotFound(
                "SOURCE_NOT_FOUND",
                LocalText("Tidak ada sumber “{source}”.", "There is no source “{source}”."),
                source=source,
            )


def _page(database: Database, context: Context, source: str, after: int) -> list[tuple[int, UUID, bytes]]:
    asked = select(Record.number, Record.id, Record.marc).where(Record.number > after, Record.deleted_at.is_(None))
    if source:
        asked = asked.join(Source, Source.id == Record.source_id).where(Source.code == source)
    with database.reading(context) as session:
        return [(row.number, row.id, row.marc) for row in session.execute(asked.order_by(Record.number).limit(PAGE))]
