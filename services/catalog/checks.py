"""What doctor looks at in the catalogue."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import func, select

from chassis.context import READER
from chassis.errors import LocalText
from chassis.health import Finding
from chassis.service import Resources
from chassis.urls import open_url
from services.catalog.importing import backfill
from services.catalog.index.port import ENGINES, Index
from services.catalog.index.rebuilds import index_fault
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Branch, ImportRun, IndexQueue, PutAside, Record

BACKLOG = 5_000  # records behind at which searching is noticeably late


def index(resources: Resources) -> list[Finding]:
    """Whether the index is sound, is this catalogue's, and follows it.

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
                LocalText(f"Indeks tidak dapat dipakai: {trouble}.", f"The index cannot be used: {trouble}."),
                LocalText(
                    "Layanan yang berjalan membangunnya sendiri; tanpa itu: rangkiang index rebuild",
                    "A running service rebuilds it by itself; without one: rangkiang index rebuild",
                ),
            )
        ]
    return [
        Finding(
            "catalog index",
            behind < BACKLOG,
            LocalText(
                f"{documents} dari {records} rekaman terindeks, {behind} menunggu.",
                f"{documents} of {records} records are indexed, {behind} wait.",
            ),
            LocalText("", "")
            if behind < BACKLOG
            else LocalText(
                "Pastikan `up` atau `serve catalog` berjalan; ia yang mengejar.",
                "See that `up` or `serve catalog` runs; it catches up.",
            ),
        )
    ]


def imports(resources: Resources) -> list[Finding]:
    """Imports that stopped half-way, and records put aside by the newest finished one."""
    with resources.database.reading(READER) as session:
        open_runs = session.scalar(select(func.count()).select_from(ImportRun).where(ImportRun.finished_at.is_(None)))
        newest = select(func.max(ImportRun.number)).where(ImportRun.finished_at.is_not(None)).scalar_subquery()
        aside = session.scalar(select(func.count()).select_from(PutAside).where(PutAside.run == newest))
    return [
        Finding(
            "catalog imports",
            not open_runs,
            LocalText(
                f"{open_runs} impor belum selesai; impor terakhir menyisihkan {aside} rekaman.",
                f"{open_runs} imports are unfinished; the last one put {aside} records aside.",
            ),
            LocalText(
                "Jika tidak sedang berjalan, ulangi perintah impor yang sama: ia melanjutkan.",
                "Unless one is running, give the same import command again: it goes on.",
            )
            if open_runs
            else LocalText("", ""),
        )
    ]


def branches(resources: Resources) -> list[Finding]:
    """Branches that an import has named and nobody has described."""
    with resources.database.reading(READER) as session:
        codes = session.scalars(select(Branch.code).where(Branch.confirmed.is_(False)).order_by(Branch.code)).all()
    shown = ", ".join(codes[:10]) + (" …" if len(codes) > 10 else "")
    if not codes:
        local_text = LocalText("Semua cabang sudah diterangkan.", "Every branch is described.")
        return [Finding("catalog branches", True, local_text)]
    return [
        Finding(
            "catalog branches",
            False,
            LocalText(f"Cabang yang belum diterangkan: {shown}", f"Branches nobody has described: {shown}"),
            LocalText(
                "Tulis di berkas institusi, lalu: rangkiang institutions load BERKAS",
                "Describe them in the institutions file, then: rangkiang institutions load FILE",
            ),
        )
    ]


def works(resources: Resources) -> list[Finding]:
    """Records of an older release that have no work and no places in lists yet."""
    with resources.database.reading(READER) as session:
        left = backfill.count_incomplete(session)
    if not left:
        return [Finding("catalog works", True, LocalText("Setiap rekaman punya karya.", "Every record has a work."))]
    return [
        Finding(
            "catalog works",
            False,
            LocalText(f"{left} rekaman belum punya karya.", f"{left} records have no work yet."),
            LocalText(
                "Layanan yang berjalan mengisinya sendiri, sedikit demi sedikit.",
                "A running service fills them in by itself, batch by batch.",
            ),
        )
    ]
