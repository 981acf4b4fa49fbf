"""Headings for lists in order, and authority records."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import SortKey, Table


class Heading(Table):
    """A heading that records use, once, for browse lists; the index counts its records.

    kind  "author", "subject" or "series"
    sort  folded; text: as the facets have it; both of at most 200 characters
    """

    __tablename__ = "headings"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    sort: Mapped[str] = mapped_column(SortKey, primary_key=True)
    text: Mapped[str] = mapped_column(SortKey, primary_key=True)


class Authority(Table):
    """An authority record (MARC 21 Authority), stored whole; its heading is the form that records should use."""

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
