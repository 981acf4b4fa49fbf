"""A small library to search in: records in the tables of a real database and in a real index, without an import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson
from sqlalchemy import func, insert, select, update

from chassis import clock
from chassis.context import READER, Context, system
from chassis.database.db import Database
from chassis.ids import new_id
from services.catalog.browse.headings import HeadingWriter
from services.catalog.index.changes import load_changes
from services.catalog.index.port import Change, Index
from services.catalog.items.parsing import items_of
from services.catalog.marc.record import Record
from services.catalog.record.brief import brief
from services.catalog.record.holdings import holdings
from services.catalog.record.index_document import document
from services.catalog.search.autocomplete import suggest
from services.catalog.search.search import SearchResult, search
from services.catalog.tables import Branch, Institution, Source
from services.catalog.tables import Record as Row
from services.catalog.works.assignment import KeyedRecord, assign_works
from services.catalog.works.keys import record_keys_of

_barcodes = count(1)


def book(
    title: str,
    *,
    author: str = "",
    subject: str = "",
    summary: str = "",
    year: int = 2000,
    language: str = "ind",
    isbn: str = "",
    branch: str = "PST",
    barcode: str = "",
    call_number: str = "",
    audience: str = " ",
) -> Record:
    """A MARC record with these values; ` : ` in the title begins the subtitle. audience: its code in 008/22."""
    title_proper, _, subtitle = title.partition(" : ")
    fields = [
        ["008", f"260101s{year:04}    io     {audience}      000 0 {language} d"],
        ["245", "00", "a", title_proper],
    ]
    if subtitle:
        fields[-1] += ["b", subtitle]
    for tag, value in (("020", isbn), ("100", author), ("520", summary), ("650", subject)):
        if value:
            fields.append([tag, "  ", "a", value])
    # An item without a barcode is not one that can be borrowed.
    fields.append(["852", "  ", "b", branch, "h", call_number, "p", barcode or f"T{next(_barcodes):06d}"])
    return Record(fields=fields)


@dataclass
class Library:
    """The institution SOLOK and its records. Record numbers are 1, 2, 3, … in the order of `put`."""

    database: Database
    index: Index
    numbers: list[int] = field(default_factory=list)

    def put(self, records: Iterable[Record], *, institution: str = "SOLOK") -> None:
        """Write records into the tables and into the index."""
        records = list(records)
        with self.database.transaction(system("test")) as session:
            institution_id = session.scalar(select(Institution.id).where(Institution.code == institution))
            if institution_id is None:
                institution_id = new_id()
                names = {"name_id": "Perpustakaan Kota Solok", "name_en": "Solok City Library"}
                defaults = {"kind": "public", "npp": "", "isil": "", "zone": "Asia/Jakarta"}
                session.execute(insert(Institution).values(id=institution_id, code=institution, **names, **defaults))
                source = {"id": institution_id, "institution_id": institution_id, "code": institution}
                session.execute(insert(Source).values(**source))
                names = {"name_id": "Pusat", "name_en": "Main library"}
                branch = {"id": new_id(), "institution_id": institution_id, "code": "PST", "confirmed": True}
                session.execute(insert(Branch).values(**branch, **names, **defaults))
            at = session.scalar(select(func.max(Row.number))) or 0
            rows: list[dict[str, Any]] = []
            changes = []
            record_keys = {number: record_keys_of(record) for number, record in enumerate(records, at + 1)}
            works = assign_works(
                session, [KeyedRecord(number, keys.keys, True) for number, keys in record_keys.items()]
            )
            HeadingWriter().add(session, [keys.headings for keys in record_keys.values()])
            for number, record in enumerate(records, at + 1):
                items, place = items_of(record), works.assignments[number]
                change_document = document(record, number=number, institution=institution, items=items, work=place.work)
                changes.append(Change(number, 1, change_document))
                rows.append(
                    {
                        "number": number,
                        "id": new_id(),
                        "institution_id": institution_id,
                        "source_id": institution_id,
                        "control_key": str(number),
                        "fingerprint": record.fingerprint(),
                        "marc": record.pack(),
                        "brief": orjson.dumps(brief(record, institution=institution)),
                        "holdings": orjson.dumps(holdings(items, institution=institution)),
                        "version": 1,
                        "run": 1,
                        "updated_at": clock.now(),
                        "deleted_at": None,
                        "work_number": place.work,
                        "work_keys": place.keys,
                        "title_sort": record_keys[number].title_sort,
                        "author_sort": record_keys[number].author_sort,
                        "standard_number": record_keys[number].standard_number,
                    }
                )
            if rows:
                session.execute(insert(Row), rows)
            changes += load_changes(session, dict(works.moved))
        self.numbers += [row["number"] for row in rows]
        self.index.write(changes)

    def lose(self, number: int) -> None:
        """Delete a record in the tables but not in the index."""
        with self.database.transaction(system("test")) as session:
            session.execute(update(Row).where(Row.number == number).values(deleted_at=clock.now()))

    def find(self, query: str = "", *, context: Context = READER, **options: Any) -> SearchResult:
        return search(self.database, self.index, context=context, query=query, **options)

    def titles(self, query: str = "", **options: Any) -> list[str]:
        """Titles of the first page."""
        return [orjson.loads(hit.brief)["title"] for hit in self.find(query, **options).hits]

    def suggested(self, prefix: str, limit: int = 0) -> list[tuple[str, str]]:
        suggestions = suggest(self.database, self.index, context=READER, prefix=prefix, limit=limit)
        return [(suggestion.text, suggestion.kind) for suggestion in suggestions]


def begun(index: Index) -> Index:
    """The index, empty and live."""
    index.begin_rebuild("library-1").swap()
    return index
