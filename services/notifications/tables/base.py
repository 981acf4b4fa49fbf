"""The base class of the tables of notifications."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Date
from sqlalchemy.orm import DeclarativeBase

from chassis.column_types import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {
        UUID: Id,
        datetime: UtcTime,
        date: Date,
        int: BigNumber,
        dict[str, Any]: JSON,
    }
