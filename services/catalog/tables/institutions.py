"""Institutions, their branches, sources and captions of classes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.catalog.tables.base import Table

IMPORT, HERE = "import", "here"


class Institution(Table):
    """A library organisation: the tenant.

    version      grows with each change of the institution or a branch, for copies in other services
    own_version  grows with each change of the institution itself, for edits
    details      JSON object: field -> value, for the fields in institutions.fields without a column
    edits        JSON object: field that staff edited on a page -> own_version after the edit
    changed_at   time of the last change; None before the first recorded change
    renamed_to   number of the last record whose holdings have the branches' present names; None when all have
    """

    __tablename__ = "institutions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_id: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(String(32))
    npp: Mapped[str] = mapped_column(String(32))
    isil: Mapped[str] = mapped_column(String(16))
    zone: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(server_default="1")
    own_version: Mapped[int] = mapped_column(server_default="1")
    details: Mapped[str] = mapped_column(Text, server_default="{}")
    edits: Mapped[str] = mapped_column(Text, server_default="{}")
    changed_at: Mapped[datetime | None]
    renamed_to: Mapped[int | None]


class Branch(Table):
    """A place of an institution that holds items; unconfirmed when only an import has named it.

    version                     grows with each change, for edits
    details, edits, changed_at  as in Institution; edits has `version`
    """

    __tablename__ = "branches"
    __table_args__ = (UniqueConstraint("institution_id", "code"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    code: Mapped[str] = mapped_column(String(64))
    name_id: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(String(32))
    npp: Mapped[str] = mapped_column(String(32))
    isil: Mapped[str] = mapped_column(String(16))
    zone: Mapped[str] = mapped_column(String(64))
    confirmed: Mapped[bool]
    version: Mapped[int] = mapped_column(server_default="1")
    details: Mapped[str] = mapped_column(Text, server_default="{}")
    edits: Mapped[str] = mapped_column(Text, server_default="{}")
    changed_at: Mapped[datetime | None]


class Source(Table):
    """Where an institution's records come from.

    item_map    how items are read from its records, as TOML; "" for the usual map
    dropped_at  when all its records were deleted, equal to their deleted_at; None for a source in use
    owner       who owns its records: IMPORT, whose records replace earlier ones, or HERE, the library's cataloguers
    """

    __tablename__ = "sources"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    code: Mapped[str] = mapped_column(String(64), unique=True)
    item_map: Mapped[str] = mapped_column(server_default="")
    dropped_at: Mapped[datetime | None]
    owner: Mapped[str] = mapped_column(String(16), server_default=IMPORT)


class ClassCaption(Table):
    """An institution's own caption of a class, which replaces that of the release.

    words  statements of words, one a line: see record.class_table.parse_words
    """

    __tablename__ = "class_captions"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    notation: Mapped[str] = mapped_column(String(32), primary_key=True)
    name_id: Mapped[str]
    name_en: Mapped[str]
    words: Mapped[str] = mapped_column(server_default="")
