"""Doctor's checks beyond "does it answer": waiting work, jobs, disks, clocks, and the address of the gateway."""

from __future__ import annotations

import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, select, text

from chassis import clock
from chassis.audit.verification import verify
from chassis.bus.depths import open_depths
from chassis.bus.outbox import outbox, published_ids, unpublished_rows
from chassis.context import system
from chassis.database.db import Database, read_url
from chassis.errors import Unavailable
from chassis.jobs.job_runs import DONE, job_runs, next_start
from chassis.jobs.jobs import jobs_of
from chassis.jobs.lease import holder_of
from chassis.operations.backup import check_backup
from chassis.operations.health import NOTHING_TO_DO, Check, Finding
from chassis.operations.structure import check_pages, check_structure
from chassis.rpc.gaps import find_gaps, find_late, list_published
from chassis.sentences import LocalText, sentence
from chassis.service import GATEWAY_SETTINGS, Job, Resources, Service, load
from chassis.settings import Settings
from chassis.urls import resolve

DOCTOR = system("doctor")
LATE_SECONDS = 60
JOB_GRACE = timedelta(hours=1)
MINIMUM_FREE_BYTES = 256 * 1024 * 1024
MOST_SKEW_SECONDS = 5
GATEWAY_SECONDS = 5.0
WORKER_SECONDS = 3.0  # in which a worker handles at least one event
LATEST_SEALS = 300  # of at most 1,000 rows, 16 µs each


def advice_about_role(database: Database, service: str, role: str) -> LocalText:
    """Return advice for work of a role that waits: end the process that holds the role, or start one.

    raises  Unavailable
    """
    holder = holder_of(database, role)
    if holder:
        return sentence("CHECK_ROLE_IDLE_ADVICE", holder=holder, role=role)
    return sentence("CHECK_ROLE_FREE_ADVICE", role=role, service=service)


def check_outbox(settings: Settings, service: Service) -> list[Finding]:
    """Check that events do not wait for the relay for more than a minute."""
    part = f"{service.name} outgoing events"
    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        with database.reading(DOCTOR) as session:
            query = select(func.count(), func.min(outbox.c.occurred_at)).where(unpublished_rows)
            count, oldest = session.execute(query).one()
        seconds = 0 if oldest is None else int((clock.now() - oldest).total_seconds())
        if seconds < LATE_SECONDS:
            return [Finding(part, True, sentence("CHECK_OUTBOX"))]
        advice = advice_about_role(database, service.name, "relay")
    return [Finding(part, False, sentence("CHECK_OUTBOX_WAITS", count=count, seconds=seconds), advice)]


def check_handlers(settings: Settings, service: Service) -> list[Finding]:
    """Check that each handler has its queues and gets its events, and that no event is dead."""
    if not service.consumers:
        return []
    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with closing(open_depths(resources)) as depths:
            counts = depths.count()
        missing = [queue for depth in counts for queue in depth.missing]
        findings = []
        if missing:
            message = sentence("CHECK_QUEUES_MISSING", queues=", ".join(missing))
            advice = sentence("CHECK_WORKER_ADVICE", service=service.name)
            findings.append(Finding(f"{service.name} queues", False, message, advice))
        waiting = [depth for depth in counts if depth.late]
        if waiting:
            names = ", ".join(depth.handler for depth in waiting)
            message = sentence("CHECK_HANDLERS_WAIT", count=sum(depth.waiting for depth in waiting), handlers=names)
            is_local = urlsplit(settings.bus_url).scheme == "local"
            advice = (
                advice_about_role(database, service.name, "deliver")
                if is_local
                else sentence("CHECK_WORKER_ADVICE", service=service.name)
            )
            findings.append(Finding(f"{service.name} incoming events", False, message, advice))
    dead = sum(depth.dead for depth in counts)
    part = f"{service.name} dead events"
    if dead:
        message, advice = (
            sentence("CHECK_DEAD_EVENTS", count=dead),
            sentence("CHECK_DEAD_EVENTS_ADVICE", service=service.name),
        )
        return [*findings, Finding(part, False, message, advice)]
    return [*findings, Finding(part, True, sentence("CHECK_NO_DEAD_EVENTS"))]


def check_gaps(settings: Settings, service: Service) -> list[Finding]:
    """Check that every published event of the last two days has reached the service's handlers."""
    if not service.consumers:
        return []
    part = f"{service.name} missing events"

    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        gaps = find_gaps(resources, partial(_read_published, resources))
    if not gaps:
        return [Finding(part, True, sentence("CHECK_NO_GAPS"))]
    advice = sentence("CHECK_GAPS_ADVICE", service=service.name)
    return [
        Finding(part, False, sentence("CHECK_GAPS", handler=gap.handler, count=len(gap.ids), owner=gap.owner), advice)
        for gap in gaps
    ]


def _read_published(resources: Resources, owner: str, event_type: str, after: UUID, before: UUID) -> list[UUID]:
    try:
        of_owner = load(owner).open_database(resources.settings, pool_size=1, any_revision=True)
        with closing(of_owner), of_owner.reading(DOCTOR) as session:
            return published_ids(session, event_type, after=after, before=before)
    except Unavailable:
        # With a role for each service, doctor in a service's Pod reads only the database of that service.
        return list_published(resources, owner, event_type, after, before)


def check_workers(settings: Settings, service: Service) -> list[Finding]:
    """Check that a worker which is connected to the broker handles its events, and is not stopped or hung."""
    if not service.consumers or urlsplit(settings.bus_url).scheme == "local":
        return []  # of the local bus, `check_handlers` names the process that holds the role
    part = f"{service.name} workers"
    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        find = partial(find_late, resources, partial(_read_published, resources))
        before = {gap.handler: gap.ids for gap in find()}
        if before:
            time.sleep(WORKER_SECONDS)
        # Of a worker that is only behind, the events have changed.
        late = {gap.handler: len(gap.ids) for gap in find() if set(before.get(gap.handler, ())) <= set(gap.ids)}
        with closing(open_depths(resources)) as depths:
            frozen = [
                depth
                for depth in depths.count()
                if depth.workers and late.get(depth.handler, 0) > depth.dead + depths.postponed(depth.handler)
            ]
    if not frozen:
        return [Finding(part, True, sentence("CHECK_WORKERS"))]
    message = sentence("CHECK_WORKER_FROZEN", handlers=", ".join(depth.handler for depth in frozen))
    return [Finding(part, False, message, sentence("CHECK_WORKER_FROZEN_ADVICE", service=service.name))]


def check_jobs(settings: Settings, service: Service) -> list[Finding]:
    """Check that the last run of each scheduled job succeeded, and that the next one is not overdue."""
    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with database.reading(DOCTOR) as session:
            runs = {run.name: run for run in session.execute(select(job_runs))}
        findings = []
        for job in jobs_of(resources):
            run = runs.get(job.name)
            # A job without a row was never due, because no process has run here.
            if run is None or not job.scheduled:
                continue
            part = f"{service.name} job {job.name}"
            if run.ended_at is not None and run.outcome != DONE:
                message = sentence("CHECK_JOB_FAILED", job=job.name, why=run.outcome, moment=_minute(run.ended_at))
                findings.append(Finding(part, False, message, sentence("CHECK_JOB_FAILED_ADVICE", job=job.name)))
            elif _is_late(job, run.started_at):
                message = sentence("CHECK_JOB_LATE", job=job.name, moment=_minute(run.started_at))
                findings.append(Finding(part, False, message, advice_about_role(database, service.name, job.lease)))
    return findings or [Finding(f"{service.name} jobs", True, sentence("CHECK_JOBS"))]


def _is_late(job: Job, started_at: datetime) -> bool:
    return next_start(job, started_at) + JOB_GRACE < clock.now()


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def check_audit(settings: Settings, service: Service) -> list[Finding]:
    """Check the last seals of the audit, and that sealing is not late; `rangkiang audit verify` checks all seals."""
    part = f"{service.name} audit"
    with closing(service.open_database(settings, pool_size=2, any_revision=True)) as database:
        wrong = verify(database, latest=LATEST_SEALS).wrong
        if not wrong:
            return [Finding(part, True, sentence("CHECK_AUDIT"))]
        if wrong[0].reason == "AUDIT_ROWS_UNSEALED":
            advice = advice_about_role(database, service.name, "audit")
        else:
            advice = sentence("CHECK_AUDIT_ADVICE", service=service.name)
    return [Finding(part, False, wrong[0].sentence, advice)]


def check_database_clock(settings: Settings, service: Service) -> list[Finding]:
    """Compare the clock of this machine with PostgreSQL's, because leases, jobs and events have times of both."""
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        if database.is_sqlite:
            return []
        with database.reading(DOCTOR) as session:
            before = clock.now()
            theirs: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            ours = before + (clock.now() - before) / 2
    return [_clock_finding(f"{service.name} database clock", theirs - ours)]


def _clock_finding(part: str, difference: timedelta) -> Finding:
    seconds = round(abs(difference.total_seconds()), 1)
    if seconds <= MOST_SKEW_SECONDS:
        return Finding(part, True, sentence("CHECK_CLOCK"))
    return Finding(part, False, sentence("CHECK_CLOCK_DIFFERS", seconds=seconds), sentence("CHECK_CLOCK_ADVICE"))


def check_disks(settings: Settings, services: Sequence[Service]) -> list[Finding]:
    """Check the free space of each folder that a setting or its default names."""
    findings = []
    for variable, named in _folders(settings, services):
        folder = next(path for path in (named, *named.parents) if path.exists())
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < MINIMUM_FREE_BYTES or (disk.f_files and not disk.f_favail):
            message = sentence("CHECK_DISK_FULL", folder=str(folder), free_mb=free // 1024 // 1024)
            findings.append(Finding(f"disk of {variable}", False, message, sentence("ADVICE_DISK")))
    return findings or [Finding("disks", True, sentence("CHECK_DISKS"))]


def _folders(settings: Settings, services: Sequence[Service]) -> Iterator[tuple[str, Path]]:
    """Yield each folder with the variable that names it."""
    yield "DATA", settings.data.absolute()
    if settings.database_url:
        for service in services:
            url = read_url(settings.database(service.name))
            if url.get_backend_name() == "sqlite":
                yield "DATABASE_URL", Path(url.database or "").absolute().parent
    for name, value in (settings.model_extra or {}).items():
        if name == "covers":
            yield "COVERS", Path(value).absolute()
        elif name.endswith("_url") and urlsplit(value).scheme == "tantivy":
            yield name.upper(), Path(urlsplit(value).path).absolute()


def check_gateway(settings: Settings) -> list[Finding]:
    """Check that the gateway answers at PUBLIC_URL, or without it at HOST and PORT, and check the gateway's clock."""
    public = _public_url(settings)
    if not public and not settings.port:
        return []  # port 0 means any free port, so the port is unknown
    host = "127.0.0.1" if settings.host in ("", "0.0.0.0", "::") else settings.host  # noqa: S104
    scheme = "https" if settings.tls_cert else "http"
    url = public.rstrip("/") or f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
    context = ssl.create_default_context()
    if settings.tls_cert:
        # The issuer may be the library's own authority, or that of the certificate's chain.
        with suppress(OSError):
            context.load_verify_locations(Path(settings.tls_cert).with_name("authority.crt"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{url}/api/v1/health/live", timeout=GATEWAY_SECONDS) as response:
            date, ours = parsedate_to_datetime(response.headers["Date"]), clock.now()
            is_ours = response.read(100).strip().startswith(b'{"status":"live"')
    except (OSError, ValueError, TypeError) as problem:
        why = str(getattr(problem, "reason", problem))
    else:
        if is_ours:
            # The header has whole seconds.
            difference = date - ours + timedelta(seconds=0.5)
            return [
                Finding("gateway", True, sentence("CHECK_SERVES", url=url)),
                _clock_finding("gateway clock", difference),
            ]
        why = "another program"
    message = sentence("CHECK_GATEWAY_UNREACHABLE", url=url, why=why)
    return [Finding("gateway", False, message, sentence("CHECK_GATEWAY_UNREACHABLE_ADVICE"))]


def check_proxy(settings: Settings) -> list[Finding]:
    """Check that the settings name the proxy and the public address, if they show that there is a proxy."""
    public = _public_url(settings)
    # The gateway serves https only with a certificate, so without one an https address means a proxy.
    if public.startswith("https:") and not (settings.trusted_proxies or settings.tls_cert):
        message, advice = sentence("CHECK_PROXY_UNKNOWN", url=public), sentence("CHECK_PROXY_UNKNOWN_ADVICE")
    elif settings.trusted_proxies and not public:
        message, advice = sentence("CHECK_PUBLIC_URL_MISSING"), sentence("CHECK_PUBLIC_URL_MISSING_ADVICE")
    else:
        return [Finding("proxy", True, sentence("CHECK_PROXY"), NOTHING_TO_DO)]
    return [Finding("proxy", False, message, advice)]


def _public_url(settings: Settings) -> str:
    url: str = settings.of(resolve(GATEWAY_SETTINGS)).public_url
    return url


PARTS: dict[str, Check] = {
    "outgoing events": check_outbox,
    "incoming events": check_handlers,
    "missing events": check_gaps,
    "workers": check_workers,
    "jobs": check_jobs,
    "backup": check_backup,
    "database clock": check_database_clock,
    "audit": check_audit,
    "structure": check_structure,
    "pages": check_pages,
}
