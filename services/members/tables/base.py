"""The base class of the tables of members."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import DeclarativeBase

from chassis.column_types import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {UUID: Id, datetime: UtcTime, bytes: LargeBinary, int: BigNumber}
