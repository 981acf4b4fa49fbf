"""The catalogue's tables."""

from __future__ import annotations

from services.catalog.tables.accessions import (
    Accession,
    AccessionCorrection,
    AccessionGap,
    AccessionRules,
    ItemSequence,
)
from services.catalog.tables.base import Table, compress, decompress, fresh_numbers
from services.catalog.tables.drafts import Draft, RecordTemplate
from services.catalog.tables.institutions import Branch, ClassCaption, Institution, Source
from services.catalog.tables.labels import BarcodeRange, LabelPrint, LabelSheets, QueuedLabel
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
    EditedRecord,
    Heading,
    Item,
    NumberedChange,
    OriginalRecord,
    Record,
    Work,
    WorkKey,
    WorkRuling,
)
from services.catalog.tables.tasks import ImportChange, Task, TaskFinding, Upload, UploadPart

__all__ = [
    "Accession",
    "AccessionCorrection",
    "AccessionGap",
    "AccessionRules",
    "Authority",
    "AuthorityForm",
    "BarcodeRange",
    "Branch",
    "ClassCaption",
    "Draft",
    "EditedRecord",
    "GoneItem",
    "Heading",
    "ImportChange",
    "ImportRun",
    "ImportSeen",
    "IndexQueue",
    "IndexRebuild",
    "Installation",
    "Institution",
    "Item",
    "ItemOverride",
    "ItemSequence",
    "ItemState",
    "LabelPrint",
    "LabelSheets",
    "LendingRules",
    "NumberedChange",
    "OriginalRecord",
    "QueuedLabel",
    "Record",
    "RecordTemplate",
    "RejectedRecord",
    "Search",
    "Source",
    "Table",
    "Task",
    "TaskFinding",
    "Upload",
    "UploadPart",
    "Work",
    "WorkKey",
    "WorkRuling",
    "compress",
    "decompress",
    "fresh_numbers",
]
