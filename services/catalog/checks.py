"""What doctor checks in the catalogue."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import func, select

from chassis.context import READER
from chassis.health import NOTHING_TO_DO, Finding
from chassis.sentences import sentence
from chassis.service import Resources
from chassis.urls import open_url
from services.catalog.importing import backfill
from services.catalog.index.port import ENGINES, Index
from services.catalog.index.rebuilds import index_fault
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Branch, ImportRun, IndexQueue, Record, RejectedRecord

BACKLOG = 5_000  # queued records from which on search results are noticeably late


def index(resources: Resources) -> list[Finding]:
    """Check that the index is sound, belongs to this catalogue and follows its tables.

    raises  Unavailable  SEARCH_UNAVAILABLE
    """
    opened: Index = open_url(resources.settings.of(CatalogSettings).search, ENGINES)
    with closing(opened):
        trouble = index_fault(resources.database, opened)
        documents = 0 if trouble else opened.count()
    with resources.database.reading(READER) as session:
        records = session.scalar(select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))) or 0
        behind = session.scalar(select(func.count()).select_from(IndexQueue)) or 0
    if trouble:
        return [
            Finding(
                "catalog index",
                False,
                sentence("CHECK_INDEX_UNSOUND", trouble=trouble),
                sentence("CHECK_INDEX_UNSOUND_ADVICE"),
            )
        ]
    return [
        Finding(
            "catalog index",
            behind < BACKLOG,
            sentence("CHECK_INDEX", documents=documents, records=records, behind=behind),
            NOTHING_TO_DO if behind < BACKLOG else sentence("CHECK_INDEX_BEHIND_ADVICE"),
        )
    ]


def imports(resources: Resources) -> list[Finding]:
    """Check for interrupted imports and for rejected records of the latest import."""
    with resources.database.reading(READER) as session:
        open_runs = session.scalar(select(func.count()).select_from(ImportRun).where(ImportRun.finished_at.is_(None)))
        newest = select(func.max(ImportRun.number)).where(ImportRun.finished_at.is_not(None)).scalar_subquery()
        aside = session.scalar(select(func.count()).select_from(RejectedRecord).where(RejectedRecord.run == newest))
    return [
        Finding(
            "catalog imports",
            not open_runs,
            sentence("CHECK_IMPORTS", runs=open_runs, aside=aside),
            sentence("CHECK_IMPORTS_ADVICE") if open_runs else NOTHING_TO_DO,
        )
    ]


def branches(resources: Resources) -> list[Finding]:
    """Check for branches that an import named and no institutions file describes."""
    with resources.database.reading(READER) as session:
        codes = session.scalars(select(Branch.code).where(Branch.confirmed.is_(False)).order_by(Branch.code)).all()
    listing = ", ".join(codes[:10]) + (" …" if len(codes) > 10 else "")
    if not codes:
        return [Finding("catalog branches", True, sentence("CHECK_BRANCHES"))]
    return [
        Finding(
            "catalog branches",
            False,
            sentence("CHECK_BRANCHES_UNKNOWN", branches=listing),
            sentence("CHECK_BRANCHES_UNKNOWN_ADVICE"),
        )
    ]


def works(resources: Resources) -> list[Finding]:
    """Check for records of an older release without a work and positions in lists."""
    with resources.database.reading(READER) as session:
        left = backfill.count_incomplete(session)
    if not left:
        return [Finding("catalog works", True, sentence("CHECK_WORKS"))]
    return [
        Finding(
            "catalog works",
            False,
            sentence("CHECK_WORKS_LEFT", records=left),
            sentence("CHECK_WORKS_LEFT_ADVICE"),
        )
    ]
