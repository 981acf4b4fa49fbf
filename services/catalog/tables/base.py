"""The base of the catalogue's tables."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import DeclarativeBase

from chassis.db import BigNumber, Id, UtcTime


class Table(DeclarativeBase):
    type_annotation_map = {UUID: Id, datetime: UtcTime, bytes: LargeBinary, int: BigNumber}
