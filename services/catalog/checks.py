"""Checks of the catalogue for doctor, and its figures for metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import unquote, urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import READER
from chassis.errors import Invalid, Unavailable
from chassis.metrics import Sample
from chassis.operations.diagnosis import MINIMUM_FREE_BYTES, advice_about_role
from chassis.operations.health import NOTHING_TO_DO, Finding
from chassis.sentences import sentence
from chassis.service import Resources
from chassis.urls import resolve
from services.catalog.cataloguing.lookup.outside_sources import load_sources
from services.catalog.importing import backfill, regrouping
from services.catalog.index.installation import open_index
from services.catalog.index.rebuilds import index_fault
from services.catalog.search.own_vocabulary import read_vocabulary
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Branch, ImportRun, IndexQueue, Record, RejectedRecord, Source

SEARCH_SECONDS = 5
LATE_SECONDS = 60  # usually a record waits one second, and a record of an import until the commit
MOST_NAMED = 5
BACKLOG = 5_000  # with more queued records, readers notice that search results are late


def index(resources: Resources) -> list[Finding]:
    """Check that the index is sound, belongs to this catalogue and follows its tables.

    raises  Unavailable  SEARCH_UNAVAILABLE
    """
    with closing(open_index(resources)) as opened:
        try:
            trouble = index_fault(resources.database, opened)
        except Unavailable as problem:
            if problem.reason != "INDEX_FOREIGN":
                raise
            return [Finding("catalog index", False, problem.sentence, sentence("CHECK_INDEX_FOREIGN_ADVICE"))]
        documents = 0 if trouble else opened.count()
    with resources.database.reading(READER) as session:
        records = session.scalar(select(func.count()).select_from(Record).where(Record.deleted_at.is_(None))) or 0
        behind, seconds = index_lag(session)
    if trouble:
        return [
            Finding(
                "catalog index",
                False,
                sentence("CHECK_INDEX_UNSOUND", trouble=trouble),
                sentence("CHECK_INDEX_UNSOUND_ADVICE"),
            )
        ]
    message = sentence("CHECK_INDEX", documents=documents, records=records, behind=behind)
    if seconds >= LATE_SECONDS:
        late = sentence("CHECK_INDEX_LATE", behind=behind, seconds=int(seconds))
        return [Finding("catalog index", False, late, advice_about_role(resources.database, "catalog", "index"))]
    if behind < BACKLOG:
        return [Finding("catalog index", True, message)]
    return [Finding("catalog index", False, message, sentence("CHECK_INDEX_BEHIND_ADVICE"))]


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
    """Check for records of an older release: without a work and positions in lists, or grouped by older rules."""
    with resources.database.reading(READER) as session:
        left = backfill.count_incomplete(session) + regrouping.count_left(session)
    if not left:
        return [Finding("catalog works", True, sentence("CHECK_WORKS"))]
    return [
        Finding("catalog works", False, sentence("CHECK_WORKS_LEFT", records=left), sentence("CHECK_WORKS_LEFT_ADVICE"))
    ]


def vocabulary(resources: Resources) -> list[Finding]:
    """Check the library's own vocabulary, if it has one."""
    path = resources.settings.of(CatalogSettings).vocabulary
    if path is None:
        return []
    try:
        words = read_vocabulary(path)
    except Invalid as problem:
        return [Finding("catalog vocabulary", False, problem.sentence, sentence("CHECK_VOCABULARY_ADVICE"))]
    message = sentence("CHECK_VOCABULARY", statements=len(words.light) + len(words.words))
    return [Finding("catalog vocabulary", True, message)]


def outside_sources(resources: Resources) -> list[Finding]:
    """Check the list of outside sources, if there is one."""
    try:
        sources = load_sources(resources.settings.of(CatalogSettings))
    except Invalid as problem:
        return [Finding("outside sources", False, problem.sentence, sentence("CHECK_OUTSIDE_SOURCES_ADVICE"))]
    return [Finding("outside sources", True, sentence("CHECK_OUTSIDE_SOURCES", sources=[*sources]))] if sources else []


def samples(resources: Resources) -> Iterator[Sample]:
    """Read the lag of the index and the progress of imports. Raises Unavailable."""
    with resources.database.reading(READER) as session:
        behind, seconds = index_lag(session)
        totals = session.execute(
            select(*(func.coalesce(func.sum(getattr(ImportRun, name)), 0).label(name) for name in _OUTCOMES))
        ).one()
        unfinished = select(Source.code, ImportRun.read, ImportRun.started_at).join(Source)
        runs = session.execute(unfinished.where(ImportRun.finished_at.is_(None))).all()
    yield Sample("rangkiang_index_behind_records", "Records that wait for the index", behind)
    yield Sample("rangkiang_index_behind_seconds", "Time for which the oldest of them has waited", seconds)
    for name in _OUTCOMES:
        labels = {"outcome": name}
        total = int(getattr(totals, name))  # PostgreSQL returns the sum of 64-bit columns as a decimal
        yield Sample("rangkiang_import_records", "Records of imports", total, labels, "counter")
    yield Sample("rangkiang_imports_unfinished", "Imports that run or were interrupted", len(runs))
    for source, read, started_at in runs:
        labels = {"source": source}
        yield Sample("rangkiang_import_read_records", "Records that an unfinished import has read", read, labels)
        age = max(0.0, (clock.now() - started_at).total_seconds())
        yield Sample("rangkiang_import_age_seconds", "Time since an unfinished import began", age, labels)


_OUTCOMES = ("created", "updated", "unchanged", "put_aside")


def index_lag(session: Session) -> tuple[int, float]:
    """Return how many records wait for the index, and the seconds for which the oldest has waited."""
    behind, oldest = session.execute(select(func.count(), func.min(IndexQueue.queued_at))).one()
    return behind, 0.0 if oldest is None else max(0.0, (clock.now() - oldest).total_seconds())


def search_disk(resources: Resources) -> list[Finding]:
    """Check the disks of Elasticsearch, and whether it refuses writes because a disk was full. Raises Unavailable."""
    parts = urlsplit(resources.settings.of(CatalogSettings).search)
    if parts.scheme not in ("http", "https"):
        return []
    # A local import, because the embedded edition runs without it.
    from elasticsearch import ApiError, Elasticsearch, TransportError

    port = ":443" if parts.scheme == "https" else ":9200"
    account, _, hosts = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    with closing(
        Elasticsearch(
            [f"{parts.scheme}://{host}{'' if ':' in host else port}" for host in hosts.replace(" ", "").split(",")],
            basic_auth=(unquote(user), unquote(password)) if account else None,
            request_timeout=SEARCH_SECONDS,
            max_retries=0,
        )
    ) as client:
        try:
            nodes = client.nodes.stats(metric="fs", filter_path="nodes.*.name,nodes.*.fs.total")["nodes"].values()
            name = f"{parts.path.strip('/')}*"
            blocked = client.indices.get_settings(index=name, name="index.blocks.read_only_allow_delete").body
        except (ApiError, TransportError) as problem:
            raise Unavailable("SEARCH_UNAVAILABLE", why=type(problem).__name__) from problem
    part = "catalog search disk"
    for node in nodes:
        free = node["fs"]["total"]["available_in_bytes"]
        if free < MINIMUM_FREE_BYTES:
            message = sentence("CHECK_SEARCH_DISK_FULL", node=node["name"], free_mb=free // 1024 // 1024)
            return [Finding(part, False, message, sentence("CHECK_SEARCH_DISK_ADVICE"))]
    if blocked:
        message = sentence("CHECK_SEARCH_BLOCKED", index=", ".join(sorted(blocked)))
        return [Finding(part, False, message, sentence("CHECK_SEARCH_DISK_ADVICE"))]
    return [Finding(part, True, sentence("CHECK_SEARCH_DISK"))]


def item_states(resources: Resources) -> list[Finding]:
    """Check that items which are lent or in transit are the same here and in circulation."""
    part = "catalog item states"
    try:
        # By name, because a worker imports this module for its figures, and must not import gRPC.
        items = resolve("services.catalog.rpc.snapshots:find_differing_states")(resources)
    except Unavailable:
        return []  # circulation's own checks report it
    if not items:
        return [Finding(part, True, sentence("CHECK_ITEM_STATES"))]
    named = ", ".join(map(str, items[:MOST_NAMED]))
    message = sentence("CHECK_ITEM_STATES_DIFFER", count=len(items), items=named)
    return [Finding(part, False, message, sentence("CHECK_ITEM_STATES_DIFFER_ADVICE"))]
