"""The catalogue's tables."""

from __future__ import annotations

from services.catalog.tables.base import Table, compress, decompress, fresh_numbers
from services.catalog.tables.institutions import Branch, ClassCaption, Institution, Source
from services.catalog.tables.lending import GoneItem, ItemOverride, ItemState, LendingRules
from services.catalog.tables.operations import (
    ImportRun,
    ImportSeen,
    IndexQueue,
    IndexRebuild,
    Installation,
    RejectedRecord,
    Search,
)
from services.catalog.tables.records import (
    Authority,
    AuthorityForm,
    Heading,
    Item,
    NumberedChange,
    OriginalRecord,
    Record,
    Work,
    WorkKey,
    WorkRuling,
)

__all__ = [
    "Authority",
    "AuthorityForm",
    "Branch",
    "ClassCaption",
    "GoneItem",
    "Heading",
    "ImportRun",
    "ImportSeen",
    "IndexQueue",
    "IndexRebuild",
    "Installation",
    "Institution",
    "Item",
    "ItemOverride",
    "ItemState",
    "LendingRules",
    "NumberedChange",
    "OriginalRecord",
    "Record",
    "RejectedRecord",
    "Search",
    "Source",
    "Table",
    "Work",
    "WorkKey",
    "WorkRuling",
    "compress",
    "decompress",
    "fresh_numbers",
]
