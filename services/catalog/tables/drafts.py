"""What cataloguers have typed and not saved yet, and templates for new records."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Compressed, Table


class Draft(Table):
    """What an account has typed in the form of a record, until the record is saved or 30 days are over.

    place    id of the record, or cataloguing.drafts.NEW
    content  JSON object: values by the names of the form
    """

    __tablename__ = "drafts"
    __table_args__ = (Index("drafts_by_time", "institution_id", "saved_at"),)
    account: Mapped[str] = mapped_column(String(128), primary_key=True)
    place: Mapped[str] = mapped_column(String(64), primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    title: Mapped[str]
    content: Mapped[bytes] = mapped_column(Compressed)
    saved_at: Mapped[datetime]


class RecordTemplate(Table):
    """A record from which new ones begin. content: marc.Record.pack(); material: of cataloguing.forms.definitions."""

    __tablename__ = "record_templates"
    __table_args__ = (UniqueConstraint("institution_id", "name"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    version: Mapped[int]
    name: Mapped[str] = mapped_column(String(100))
    material: Mapped[str] = mapped_column(String(32))
    content: Mapped[bytes] = mapped_column(Compressed)
    changed_at: Mapped[datetime]
