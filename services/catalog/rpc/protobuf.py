"""The base of the servicer's parts, and conversions to protobuf messages that several parts use."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.database.db import Database
from chassis.sentences import LocalText
from chassis.service import Resources
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog.index.port import Index
from services.catalog.queries import Brief
from services.catalog.record.classes import Class


class ServicerPart:
    """The resources that the parts of the servicer share."""

    def __init__(self, resources: Resources, index: Index) -> None:
        self._database: Database = resources.database
        self._index = index


def wire_text(label: LocalText | None) -> WireText | None:
    return None if label is None else WireText(id=label.id, en=label.en)


def wire_moment(at: datetime) -> Timestamp:
    """Convert an aware UTC time."""
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment


def wire_brief(record: Brief) -> browsing_pb2.Shown:
    return browsing_pb2.Shown(id=record.id, brief=record.brief, holdings=record.holdings)


def wire_class(class_: Class) -> browsing_pb2.Class:
    return browsing_pb2.Class(
        value=class_.value,
        notation=class_.notation,
        caption=wire_text(class_.caption),
        count=class_.count,
        divided=class_.divided,
        under=wire_text(class_.under),
    )
