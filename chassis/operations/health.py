"""Checks of every part for `rangkiang doctor`: whether a part works, and if not, what is wrong and what to do.

A check is a function that returns findings or raises an Error; a service names its own checks in its manifest.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError

from chassis.bus.depths import open_depths
from chassis.context import READER, system
from chassis.database.db_errors import check_answers, translate_connection_errors
from chassis.errors import Error, Unavailable
from chassis.jobs.job_runs import record_start
from chassis.migrations.migrate import is_unprepared, pending
from chassis.migrations.revisions import histories
from chassis.private_files import readable_by_others
from chassis.sentences import LocalText, sentence
from chassis.service import Resources, Service, service_names, settings_models
from chassis.settings import Settings, find_misspelt, variables
from chassis.urls import resolve

# A part that does not answer in this time is a finding.
TIMEOUT_SECONDS = 10.0
DOCTOR = system("doctor")
MINIMUM_FREE_BYTES = 64 * 1024 * 1024
NOTHING_TO_DO = LocalText("", "")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    part    "catalog database", "bus" …
    advice  what to do; empty when there is nothing
    """

    part: str
    ok: bool
    message: LocalText
    advice: LocalText = NOTHING_TO_DO

    @property
    def mark(self) -> str:
        """`ok`; `to do` for a part that works and has advice; `fault`."""
        if not self.ok:
            return "fault"
        return "to do" if self.advice.en else "ok"

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "ok": self.ok,
            "mark": self.mark,
            "say": {"id": self.message.id, "en": self.message.en},
            "advice": {"id": self.advice.id, "en": self.advice.en},
        }


Check = Callable[[Settings, Service], Sequence[Finding]]


def examine(settings: Settings, services: Sequence[Service]) -> list[Finding]:
    """Check all parts at the same time, for at most TIMEOUT_SECONDS; return findings in the order of the parts.

    A service whose database was never prepared has one finding, and if that is true of all services there is one
    finding in all, because every other check would fail for that reason only.
    """
    unprepared = [service.name for service in services if _is_unprepared(settings, service)]
    is_new = len(unprepared) == len(services) > 0
    checks = [
        _RunningCheck("settings", partial(_settings, settings, services)),
        _RunningCheck("data folder", partial(_data_folder, settings)),
        _RunningCheck("disks", partial(resolve("chassis.operations.diagnosis:check_disks"), settings, services)),
        _RunningCheck("certificates", partial(resolve("chassis.operations.certificates:check_certificates"), settings)),
        *(
            []
            if is_new
            else [_RunningCheck("gateway", partial(resolve("chassis.operations.diagnosis:check_gateway"), settings))]
        ),
        _RunningCheck("proxy", partial(resolve("chassis.operations.diagnosis:check_proxy"), settings)),
    ]
    if is_new:
        checks.insert(0, _RunningCheck("library", partial(_new_library, settings)))
    for service in () if is_new else services:
        parts: dict[str, Check] = (
            {"migrations": _migrations}
            if service.name in unprepared
            else {
                **PARTS,
                **resolve("chassis.operations.diagnosis:PARTS"),
                **{dotted.partition(":")[2]: partial(_service_check, dotted=dotted) for dotted in service.checks},
            }
        )
        checks += [
            _RunningCheck(f"{service.name} {part}", partial(check, settings, service)) for part, check in parts.items()
        ]
    deadline = time.monotonic() + TIMEOUT_SECONDS
    return [finding for check in checks for finding in check.findings(deadline)]


class _RunningCheck:
    """One check in its own thread."""

    def __init__(self, part: str, check: Callable[[], Sequence[Finding]]) -> None:
        self._part, self._check = part, check
        self._findings: Sequence[Finding] | None = None
        self._thread = threading.Thread(target=self._run, name=f"check {part}", daemon=True)
        self._thread.start()

    def findings(self, deadline: float) -> Sequence[Finding]:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._findings is not None:
            return self._findings
        return [Finding(self._part, False, sentence("CHECK_NO_ANSWER"), sentence("CHECK_NO_ANSWER_ADVICE"))]

    def _run(self) -> None:
        try:
            self._findings = self._check()
        except Error as problem:
            self._findings = [Finding(self._part, False, problem.sentence, advice_for(problem.reason))]
        except Exception as problem:
            # Any exception becomes the finding of its check, because doctor must report the other parts too.
            message = f"{type(problem).__name__}: {problem}".splitlines()[0]
            self._findings = [Finding(self._part, False, LocalText(message, message), sentence("ADVICE_SEE_LOG"))]


def _is_unprepared(settings: Settings, service: Service) -> bool:
    """Return whether the database is missing, or answers and has never been migrated."""
    try:
        with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
            return is_unprepared(service, database)
    except (Error, DBAPIError) as problem:
        # The other checks find what else is wrong.
        return isinstance(problem, Error) and problem.reason == "DATABASE_MISSING"


def _new_library(settings: Settings) -> list[Finding]:
    if settings.database_url:
        message, advice = sentence("CHECK_UNPREPARED_SERVER"), sentence("CHECK_UNPREPARED_SERVER_ADVICE")
    else:
        message = sentence("CHECK_UNPREPARED", folder=str(settings.data.absolute()))
        advice = sentence("CHECK_UNPREPARED_ADVICE")
    return [Finding("library", False, message, advice)]


def summary(findings: Sequence[Finding]) -> LocalText:
    """Say how many parts work, and name those with a fault or with something to do."""
    named = {mark: [finding.part for finding in findings if finding.mark == mark] for mark in ("ok", "to do", "fault")}
    texts = [sentence("DOCTOR_SUMMARY", count=len(findings), ok=len(named["ok"]))]
    if named["to do"]:
        texts.append(sentence("DOCTOR_TO_DO", parts=", ".join(named["to do"])))
    if named["fault"]:
        texts.append(sentence("DOCTOR_FAULTS", parts=", ".join(named["fault"])))
    return LocalText(" ".join(text.id for text in texts), " ".join(text.en for text in texts))


def _settings(settings: Settings, services: Sequence[Service]) -> list[Finding]:
    """Check that all settings are valid and that no variable looks like a misspelt setting."""
    models = settings_models(services, gateway=True)
    for model in models.values():
        settings.of(model)
    names = [variable.name for variable in variables(models, service_names())]
    return [
        Finding(
            "settings",
            False,
            sentence("SETTING_UNKNOWN", variable=variable.name, meant=variable.meant),
            sentence("ADVICE_SETTING"),
        )
        for variable in find_misspelt(names)
    ] or [Finding("settings", True, sentence("CHECK_SETTINGS"))]


def _data_folder(settings: Settings) -> list[Finding]:
    """Check the folder of databases and indexes, which only the embedded edition uses: writable, and for its owner."""
    if settings.database_url:
        return []
    check_folder(settings.data)
    open_to_others = readable_by_others(settings.data)
    if open_to_others:
        names = ", ".join(map(str, open_to_others[:5]))
        message = sentence("CHECK_FOLDER_OPEN", count=len(open_to_others), names=names)
        return [Finding("data folder", False, message, sentence("CHECK_FOLDER_OPEN_ADVICE"))]
    return [Finding("data folder", True, sentence("CHECK_FOLDER_WRITABLE", folder=str(settings.data.absolute())))]


def check_folder(folder: Path) -> None:
    """Check that data can be written to this folder; create the folder if needed.

    raises  Unavailable  FOLDER_UNUSABLE, DISK_FULL
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        disk = os.statvfs(folder)
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
    free = disk.f_bavail * disk.f_frsize
    if free < MINIMUM_FREE_BYTES:
        raise Unavailable(
            "DISK_FULL",
            folder=str(folder),
            free_mb=free // 1024 // 1024,
            need_mb=MINIMUM_FREE_BYTES // 1024 // 1024,
        )


class _Undone(Exception):
    """Rolls back a write."""


def _database(settings: Settings, service: Service) -> list[Finding]:
    """Check that the database answers and takes a write, which is rolled back."""
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        with database.reading(READER) as session:
            check_answers(session)
        probe = replace(DOCTOR, deadline=time.monotonic() + TIMEOUT_SECONDS / 2)
        with suppress(_Undone), database.transaction(probe) as session:
            record_start(session, "doctor")
            raise _Undone
        kind = database.url.get_backend_name()
    return [Finding(f"{service.name} database", True, sentence("CHECK_ANSWERS", kind=kind))]


def _migrations(settings: Settings, service: Service) -> list[Finding]:
    part = f"{service.name} migrations"
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        try:
            with translate_connection_errors():
                missing = pending(service, database)
        except Unavailable as problem:
            if problem.reason == "DATABASE_NEWER":
                return [Finding(part, False, sentence("CHECK_DATABASE_NEWER"), sentence("CHECK_DATABASE_NEWER_ADVICE"))]
            if problem.reason != "DATABASE_MISSING":
                raise
            missing = [history.label(revision) for history in histories(service) for revision in history.revisions()]
    if not missing:
        return [Finding(part, True, sentence("CHECK_MIGRATED"))]
    return [
        Finding(
            part,
            False,
            sentence("CHECK_MIGRATIONS_PENDING", revisions=", ".join(missing)),
            sentence("CHECK_MIGRATIONS_PENDING_ADVICE", service=service.name),
        )
    ]


def _bus(settings: Settings, service: Service) -> list[Finding]:
    """Check that the bus answers and has the parts that every event needs; does not declare any."""
    part = f"{service.name} event bus"
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with closing(open_depths(resources)) as depths:
            missing = depths.missing()
    if missing:
        message = sentence("CHECK_EXCHANGES_MISSING", names=", ".join(missing))
        return [Finding(part, False, message, sentence("CHECK_EXCHANGES_MISSING_ADVICE", service=service.name))]
    scheme = urlsplit(settings.bus_url).scheme
    return [Finding(part, True, sentence("CHECK_ANSWERS", kind=f"{scheme}:"))]


def _server(settings: Settings, service: Service) -> list[Finding]:
    """Check that a service answers over the network; a service in this process is not checked."""
    url = settings.service_url(service.name)
    if url.startswith("inproc:"):
        return []
    # Imported by name, because a worker process imports this module and must not import gRPC.
    with resolve("chassis.rpc.client:sync_channel")(url, settings) as channel:
        resolve("chassis.rpc.client:check_health_sync")(channel, TIMEOUT_SECONDS / 2)
    return [Finding(f"{service.name} server", True, sentence("CHECK_SERVES", url=url))]


def _service_check(settings: Settings, service: Service, *, dotted: str) -> Sequence[Finding]:
    with closing(service.open_database(settings, pool_size=1, any_revision=True)) as database:
        findings: Sequence[Finding] = resolve(dotted)(Resources(settings=settings, database=database, service=service))
    return findings


PARTS: dict[str, Check] = {
    "database": _database,
    "migrations": _migrations,
    "event bus": _bus,
    "server": _server,
}

# Reason of an error -> key of the sentence with advice.
ADVICE = {
    "BUS_UNAVAILABLE": "ADVICE_BUS",
    "DATABASE_CONNECTIONS_USED_UP": "ADVICE_CONNECTIONS",
    "DATABASE_NEWER": "CHECK_DATABASE_NEWER_ADVICE",
    "DATABASE_READ_ONLY": "ADVICE_READ_ONLY",
    "DATABASE_RIGHT_MISSING": "ADVICE_RIGHTS",
    "DATABASE_UNAVAILABLE": "ADVICE_DATABASE",
    "DATABASE_FILE_UNUSABLE": "ADVICE_FOLDER",
    "DISK_FULL": "ADVICE_DISK",
    "FOLDER_UNUSABLE": "ADVICE_FOLDER",
    "RESTORE_UNFINISHED": "ADVICE_RESTORE",
    "NOT_SERVING": "ADVICE_NOT_SERVING",
    "SEARCH_UNAVAILABLE": "ADVICE_SEARCH",
    "SERVICE_UNAVAILABLE": "ADVICE_SERVICE",
    "TLS_FILE_UNUSABLE": "ADVICE_SETTING",
    "SETTING_INVALID": "ADVICE_SETTING",
    "URL_SCHEME_MISSPELT": "ADVICE_SETTING",
    "URL_SCHEME_UNKNOWN": "ADVICE_SETTING",
}


def advice_for(reason: str) -> LocalText:
    """Return the advice for an error with this reason."""
    return sentence(ADVICE.get(reason, "ADVICE_SEE_LOG"))
