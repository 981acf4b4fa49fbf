"""Bibliographic records with their items and works, headings for lists in order, and authority records."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis import clock
from services.catalog.tables.base import Compressed, SortKey, Table


def _partial(name: str, condition: str, *columns: str) -> Index:
    """Create an index of the rows that satisfy a condition."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


class Record(Table):
    """A bibliographic record. The columns brief and holdings are computed from marc and from the items.

    These three columns are compressed.

    number       small and dense, for the index and for breaking ties
    control_key  the import key within the source (conventions.md)
    fingerprint  SHA-256 of the parts that conventions.md compares; of a deleted record one that no record has
    marc         marc.Record.pack()
    brief        UTF-8 JSON ready for an answer (record.brief)
    holdings     UTF-8 JSON list, one entry per branch, ready for an answer (record.holdings)
    run          number of the import run that last wrote it; 0 without one, such as a deleted record
    work_number  the work it belongs to; None until records of an older release are completed
    work_keys    the keys of its work, eight bytes each (works.keys.pack); none for a record with a librarian's decision
    title_sort, author_sort   folded title and main entry, cut: for browse lists and searches in tables
    standard_number  record.codes.standard_number_of: ISBN or ISSN, for searches in tables
    index_changes  number of changes that only the index needs, such as loans; the document's version is version + this
    marc_version   version with which marc last changed; 0 in rows that only an older release has written
    """

    __tablename__ = "records"
    __table_args__ = (
        UniqueConstraint("source_id", "control_key"),
        Index("records_by_work", "work_number"),
        Index("records_by_title", "title_sort"),
        Index("records_by_author", "author_sort"),
        Index("records_by_standard_number", "standard_number"),
        _partial("records_deleted", "deleted_at IS NOT NULL", "deleted_at"),
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.id"))
    control_key: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    marc: Mapped[bytes] = mapped_column(Compressed)
    brief: Mapped[bytes] = mapped_column(Compressed)
    holdings: Mapped[bytes] = mapped_column(Compressed)
    version: Mapped[int]
    run: Mapped[int]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    work_number: Mapped[int | None]
    work_keys: Mapped[bytes | None]
    title_sort: Mapped[str] = mapped_column(SortKey, server_default="")
    author_sort: Mapped[str] = mapped_column(SortKey, server_default="")
    standard_number: Mapped[int | None]
    index_changes: Mapped[int] = mapped_column(server_default="0")
    marc_version: Mapped[int] = mapped_column(server_default="0")


class EditedRecord(Table):
    """A record that its library has edited here. Imports of its key no longer replace it; they make an offer.

    imported    fingerprint of what imports last brought under its key
    history     versions of its content (cataloguing.history)
    offer_id    of what an import brought since, until it is taken or refused; None without an offer
    offer       marc.Record.pack() of the offer
    """

    __tablename__ = "edited_records"
    __table_args__ = (_partial("records_with_offers", "offer_id IS NOT NULL", "institution_id", "offer_id"),)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), primary_key=True, autoincrement=False)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    imported: Mapped[bytes] = mapped_column(LargeBinary(32))
    history: Mapped[bytes] = mapped_column(Compressed)
    offer_id: Mapped[UUID | None]
    offer: Mapped[bytes | None] = mapped_column(Compressed)
    offered_at: Mapped[datetime | None]


class NumberedChange(Table):
    """The last change of each record, in the order of commits, for harvests and the change feed (ADR 0048).

    change_number  no transaction commits after a read of this table with a number below those that the read returned
    changed_at     grows with change_number
    version        of the record when it got the number; another version in records is a change without a number
    sets           harvest.sets.sets_of, with blanks between and around them; of a deleted record, its last sets
    """

    __tablename__ = "record_changes"
    __table_args__ = (Index("record_changes_by_time", "changed_at", "change_number"),)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), primary_key=True, autoincrement=False)
    change_number: Mapped[int] = mapped_column(unique=True)
    changed_at: Mapped[datetime]
    version: Mapped[int]
    sets: Mapped[str]


class OriginalRecord(Table):
    """The original bytes of a record that was repaired on import; format as in marc.faults.Frame."""

    __tablename__ = "original_records"
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), primary_key=True, autoincrement=False)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    format: Mapped[str] = mapped_column(String(16))
    raw: Mapped[bytes]


class Item(Table):
    """One physical piece. Its id stays while its barcode stays in the institution (ADR 0032).

    call_sort    sorts items in shelf order; the parts of call_number are parsed on demand
    enumeration, chronology   "Jilid 2", "Vol. 3 No. 2"; "Mei 2026"
    pieces       accompanying material
    version      grows when something that other services may copy changes
    last_published     digest of the copy that was last published; None in rows of a release without it
    contested_barcode  barcode that its record claims, but that another item of the institution has; this item gets it
                       when the other record no longer claims it
    is_fast_add  added at a desk; no import of its record removes it
    is_own       cataloguers added or edited it: imports neither change nor remove it
    access       "online", "ask_the_library" or "" (record.holdings.ItemFacts); None in rows of an older release
    is_leaving   its record was deleted or no longer names it, while it is out: it is removed when it is returned
    changed_at   time of the last write; of rows from before revision 0016 the time of that revision
    """

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("institution_id", "barcode"),
        Index("items_by_record", "record_number"),
        Index("items_changed", "institution_id", "changed_at", "id"),
        Index("items_on_shelf", "branch_id", "call_sort", "record_number"),
        Index("items_by_arrival", "branch_id", "id"),
        _partial("items_by_wanted_barcode", "wanted_barcode IS NOT NULL", "institution_id", "contested_barcode"),
        _partial("items_added_at_desk", "is_fast_add", "institution_id", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"))
    branch_id: Mapped[UUID] = mapped_column(ForeignKey("branches.id"))
    barcode: Mapped[str | None] = mapped_column(String(64))
    call_number: Mapped[str]
    collection: Mapped[str] = mapped_column(String(32))
    material: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(32))
    copy: Mapped[str]
    position: Mapped[int]
    call_sort: Mapped[str] = mapped_column(SortKey, server_default="")
    room: Mapped[str] = mapped_column(String(64), server_default="")
    enumeration: Mapped[str] = mapped_column(server_default="")
    chronology: Mapped[str] = mapped_column(server_default="")
    pieces: Mapped[str] = mapped_column(server_default="")
    version: Mapped[int] = mapped_column(server_default="1")
    last_published: Mapped[int | None] = mapped_column("told", key="last_published")
    contested_barcode: Mapped[str | None] = mapped_column("wanted_barcode", String(64), key="contested_barcode")
    is_fast_add: Mapped[bool] = mapped_column(server_default=false())
    is_own: Mapped[bool] = mapped_column(server_default=false())
    access: Mapped[str | None] = mapped_column(String(16))
    is_leaving: Mapped[bool] = mapped_column(server_default=false())
    changed_at: Mapped[datetime] = mapped_column(default=clock.now, onupdate=clock.now)


class Work(Table):
    """A creation whose editions are records, whatever their language, year and carrier.

    number       small and dense, for the index; when two works are merged the lower number stays
    merged_into  number of the work that this one was merged into, which is itself not merged; the id finds that work
    """

    __tablename__ = "works"
    __table_args__ = (Index("works_by_merged", "merged_into"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("works.number"))


class WorkKey(Table):
    """The work of the records with this key; a key is a 63-bit hash (works.keys).

    Records store their own keys, so this table has one row for each key, for any number of editions.
    """

    __tablename__ = "work_keys"
    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    work_number: Mapped[int]


class WorkRuling(Table):
    """A librarian's decision on a record and a work, which no rule overrides. ruling: "apart" or "together".

    A record with a decision stays where the newest decision put it, and its keys do not add other records to the work.
    """

    __tablename__ = "work_rulings"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    record_number: Mapped[int] = mapped_column(ForeignKey("records.number"), index=True)
    work_number: Mapped[int] = mapped_column(ForeignKey("works.number"))
    ruling: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    made_at: Mapped[datetime]


class Heading(Table):
    """A heading that records use, one row for all records, for browse lists; the index counts its records.

    kind  "author", "subject" or "series"
    sort  folded text, at most 200 characters
    text  as the facets have it, at most 200 characters
    """

    __tablename__ = "headings"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    sort: Mapped[str] = mapped_column(SortKey, primary_key=True)
    text: Mapped[str] = mapped_column(SortKey, primary_key=True)


class Authority(Table):
    """An authority record (MARC 21 Authority), stored complete; its heading is the form that records should use."""

    __tablename__ = "authorities"
    __table_args__ = (UniqueConstraint("source_id", "control_key"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.id"))
    control_key: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    heading: Mapped[str]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    marc: Mapped[bytes]
    version: Mapped[int]
    updated_at: Mapped[datetime]


class AuthorityForm(Table):
    """A form that an authority record names: "heading" (1XX), "see" (4XX: not used) or "see_also" (5XX: related)."""

    __tablename__ = "authority_forms"
    __table_args__ = (Index("authority_forms_in_order", "kind", "sort"),)
    authority_number: Mapped[int] = mapped_column(ForeignKey("authorities.number"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    relation: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(SortKey)
    sort: Mapped[str] = mapped_column(SortKey)
