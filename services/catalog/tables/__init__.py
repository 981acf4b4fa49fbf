"""The catalogue's tables."""

from __future__ import annotations

from services.catalog.tables.base import Table, fresh_numbers
from services.catalog.tables.compression import inflated
from services.catalog.tables.headings import Authority, AuthorityForm, Heading
from services.catalog.tables.imports import ImportRun, ImportSeen, PutAside
from services.catalog.tables.index import IndexQueue, IndexRebuild
from services.catalog.tables.institutions import Branch, ClassCaption, Institution, Source
from services.catalog.tables.query_log import Search
from services.catalog.tables.records import Item, Record
from services.catalog.tables.works import Work, WorkKey, WorkRuling

__all__ = [
    "Authority",
    "AuthorityForm",
    "Branch",
    "ClassCaption",
    "Heading",
    "ImportRun",
    "ImportSeen",
    "IndexQueue",
    "IndexRebuild",
    "Institution",
    "Item",
    "PutAside",
    "Record",
    "Search",
    "Source",
    "Table",
    "Work",
    "WorkKey",
    "WorkRuling",
    "fresh_numbers",
    "inflated",
]
