"""What every part of the servicer needs: the database, the index, and conversions to protobuf."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.db import Database
from chassis.sentences import LocalText
from chassis.service import Resources
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog.index.port import Index


class ServicerBase:
    """Resources of one servicer, shared by its parts."""

    def __init__(self, resources: Resources, index: Index) -> None:
        self._database: Database = resources.database
        self._index = index


def wire_text(label: LocalText | None) -> WireText | None:
    return None if label is None else WireText(id=label.id, en=label.en)


def wire_moment(at: datetime) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment
