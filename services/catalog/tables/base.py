"""The base of the catalogue's tables."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import DeclarativeBase

from chassis.db import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {UUID: Id, datetime: UtcTime, bytes: LargeBinary, int: BigNumber}


# Text that sorts by code point on every database, whatever language the server was set up in.
SortKey = String().with_variant(String(collation="C"), "postgresql")
