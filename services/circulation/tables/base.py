"""The base class of the tables of circulation."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase

from chassis.database.column_types import COLUMN_TYPES


class Table(DeclarativeBase):
    type_annotation_map = COLUMN_TYPES
