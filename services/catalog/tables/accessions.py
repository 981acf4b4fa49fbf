"""The accession register: one row for each item that got an accession number, which stays when the item is removed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table


class Accession(Table):
    """An item in the accession register of an institution.

    record_number  of its record; after a removal of the item, of its last one
    number         accession number, as the pattern of the institution wrote it
    series         of its sequence: the year, when the pattern has one, else ""
    sequence       within the series, without gaps
    entered_on     day of the entry in the institution's zone, ISO 8601
    acquired_on    ISO 8601
    source         one of cataloguing.accession_numbers.SOURCES
    amount         price in the currency's unit in use; None when unknown
    asset_code     of the asset register, such as KIB E
    branch_id      of the item when it was entered; None for an entry of an older release whose item was gone
    version        grows with each correction
    removal        why staff removed the item, or items.gone_items.REMOVED_WITH_RECORD; "" while it is in the catalogue
    """

    __tablename__ = "accessions"
    __table_args__ = (
        UniqueConstraint("institution_id", "number"),
        UniqueConstraint("institution_id", "series", "sequence"),
        Index("accessions_by_day", "institution_id", "entered_on", "series", "sequence"),
    )
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    record_number: Mapped[int]
    number: Mapped[str] = mapped_column(String(100))
    series: Mapped[str] = mapped_column(String(8))
    sequence: Mapped[int]
    entered_on: Mapped[str] = mapped_column(String(10))
    acquired_on: Mapped[str] = mapped_column(String(10))
    source: Mapped[str] = mapped_column(String(16))
    fund: Mapped[str]
    supplier: Mapped[str]
    document: Mapped[str]
    amount: Mapped[int | None]
    currency: Mapped[str] = mapped_column(String(3))
    asset_code: Mapped[str] = mapped_column(String(64))
    removal: Mapped[str] = mapped_column(server_default="")
    removed_at: Mapped[datetime | None]
    branch_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default="1")


class AccessionCorrection(Table):
    """A correction of an entry of the accession register.

    version  of the entry after it
    reason   why, in the words of staff
    changes  JSON: name of a fact -> [value before, value after]
    """

    __tablename__ = "accession_corrections"
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    corrected_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str]
    changes: Mapped[str]


class AccessionGap(Table):
    """Numbers of a series that are not given, with the reason.

    first, last   in the series; each number between them is void, or was given under an earlier pattern or by an import
    first_number, last_number   as the pattern writes them
    entered_on    day of the entry in the institution's zone, ISO 8601
    """

    __tablename__ = "accession_gaps"
    __table_args__ = (Index("accession_gaps_by_day", "institution_id", "entered_on", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    series: Mapped[str] = mapped_column(String(8))
    first: Mapped[int]
    last: Mapped[int]
    first_number: Mapped[str] = mapped_column(String(100))
    last_number: Mapped[str] = mapped_column(String(100))
    reason: Mapped[str]
    entered_on: Mapped[str] = mapped_column(String(10))
    actor: Mapped[str] = mapped_column(String(128))


class ItemSequence(Table):
    """The last number of a sequence of an institution; its lock orders the acts that take numbers.

    name  "accession:" and the series, or "barcode"
    """

    __tablename__ = "item_sequences"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    last: Mapped[int]


class AccessionRules(Table):
    """How an institution numbers its items; without a row cataloguing.accession_numbers.USUAL_PATTERN.

    pattern  see cataloguing.accession_numbers.check_pattern
    """

    __tablename__ = "accession_rules"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    version: Mapped[int]
    pattern: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[datetime]
