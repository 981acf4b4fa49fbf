"""Whether each part is well, what is wrong if not, and what to do about it: for `rangkiang doctor`.

A part is looked at by a function that returns findings or raises an Error; a service names its own in its manifest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis import bus as buses
from chassis.bus import dead
from chassis.cli import usable_folder
from chassis.context import READER
from chassis.db import Database
from chassis.errors import Error
from chassis.migrate import pending
from chassis.sentences import LocalText, sentence
from chassis.service import Resources, Service
from chassis.settings import Settings
from chassis.urls import known_scheme, open_url, resolve

# Nobody waits longer for one part; a part that hangs is a finding.
PATIENCE_SECONDS = 10.0
NOTHING_TO_DO = LocalText("", "")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part.

    part    "catalog database", "bus" …
    advice  what to do; empty when all is well
    """

    part: str
    ok: bool
    say: LocalText
    advice: LocalText = NOTHING_TO_DO

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "ok": self.ok,
            "say": {"id": self.say.id, "en": self.say.en},
            "advice": {"id": self.advice.id, "en": self.advice.en},
        }


Look = Callable[[Settings, Service], Sequence[Finding]]


def examine(settings: Settings, services: Sequence[Service]) -> list[Finding]:
    """Look at every part at once, and wait at most PATIENCE_SECONDS; findings in the order of the parts."""
    looks = [_Looking("data folder", partial(_data_folder, settings))]
    for service in services:
        parts: dict[str, Look] = {**PARTS, **{dotted: partial(_own, dotted=dotted) for dotted in service.checks}}
        looks += [_Looking(f"{service.name} {part}", partial(look, settings, service)) for part, look in parts.items()]
    end = time.monotonic() + PATIENCE_SECONDS
    return [finding for looking in looks for finding in looking.findings(end)]


class _Looking:
    """One look, in a thread of its own."""

    def __init__(self, part: str, look: Callable[[], Sequence[Finding]]) -> None:
        self._part, self._look = part, look
        self._found: Sequence[Finding] | None = None
        self._thread = threading.Thread(target=self._run, name=f"look at {part}", daemon=True)
        self._thread.start()

    def findings(self, end: float) -> Sequence[Finding]:
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._found is not None:
            return self._found
        return [Finding(self._part, False, sentence("CHECK_NO_ANSWER"), sentence("CHECK_NO_ANSWER_ADVICE"))]

    def _run(self) -> None:
        try:
            self._found = self._look()
        except Error as problem:
            self._found = [Finding(self._part, False, problem.sentence, advice_for(problem.reason))]
        except Exception as problem:
            # The doctor's own edge: whatever a part breaks with is what was found of it.
            told = f"{type(problem).__name__}: {problem}".splitlines()[0]
            self._found = [Finding(self._part, False, LocalText(told, told), sentence("ADVICE_SEE_LOG"))]


def _data_folder(settings: Settings) -> list[Finding]:
    """The folder that databases and indexes of the embedded edition are in; a cluster keeps nothing there."""
    if settings.database_url and settings.search_url:
        return []
    usable_folder(settings.data)
    folder = str(settings.data)
    return [Finding("data folder", True, sentence("CHECK_FOLDER_WRITABLE", folder=folder))]


def _database(settings: Settings, service: Service) -> list[Finding]:
    with closing(Database(settings.database(service.name), pool_size=1)) as database:
        with database.reading(READER) as session:
            session.execute(text("SELECT 1"))
        kind = database.url.get_backend_name()
    return [Finding(f"{service.name} database", True, sentence("CHECK_ANSWERS", kind=kind))]


def _migrations(settings: Settings, service: Service) -> list[Finding]:
    part = f"{service.name} migrations"
    with closing(Database(settings.database(service.name), pool_size=1)) as database:
        try:
            missing = pending(service, database)
        except CommandError:
            return [
                Finding(
                    part,
                    False,
                    sentence("CHECK_DATABASE_NEWER"),
                    sentence("CHECK_DATABASE_NEWER_ADVICE"),
                )
            ]
        except DBAPIError as problem:
            told = str(problem.orig).splitlines()[0]
            return [Finding(part, False, LocalText(told, told), sentence("ADVICE_DATABASE"))]
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
    known_scheme(settings.bus_url, buses.ADAPTERS)
    with closing(Database(settings.database(service.name), pool_size=1)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with closing(open_url(settings.bus_url, buses.ADAPTERS, resources=resources)) as bus:
            bus.check()
    scheme = urlsplit(settings.bus_url).scheme
    return [Finding(f"{service.name} bus", True, sentence("CHECK_ANSWERS", kind=f"{scheme}:"))]


def _dead(settings: Settings, service: Service) -> list[Finding]:
    """Facts that the service's handlers could not take; a service that listens to nobody has none."""
    if not service.consumers:
        return []
    with closing(Database(settings.database(service.name), pool_size=1)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with closing(open_url(settings.bus_url, dead.ADAPTERS, resources=resources)) as listed:
            count = len(listed.find())
    part = f"{service.name} dead events"
    if not count:
        return [Finding(part, True, sentence("CHECK_NO_DEAD_EVENTS"))]
    return [
        Finding(
            part,
            False,
            sentence("CHECK_DEAD_EVENTS", count=count),
            sentence("CHECK_DEAD_EVENTS_ADVICE", service=service.name),
        )
    ]


def _channel(settings: Settings, service: Service) -> list[Finding]:
    """Where a service is reached over the network; inside one process there is nothing to look at."""
    url = settings.service_url(service.name)
    if url.startswith("inproc:"):
        return []
    # By string: what a worker loads may load this module, and never gRPC.
    with resolve("chassis.rpc.client:sync_channel")(url, settings) as channel:
        resolve("chassis.rpc.client:check_health_sync")(channel, PATIENCE_SECONDS / 2)
    return [Finding(f"{service.name} channel", True, sentence("CHECK_SERVES", url=url))]


def _own(settings: Settings, service: Service, *, dotted: str) -> Sequence[Finding]:
    with closing(Database(settings.database(service.name), pool_size=1)) as database:
        found: Sequence[Finding] = resolve(dotted)(Resources(settings=settings, database=database, service=service))
    return found


PARTS: dict[str, Look] = {
    "database": _database,
    "migrations": _migrations,
    "bus": _bus,
    "dead events": _dead,
    "channel": _channel,
}

# What to do about an error: the key of its sentence, by the error's reason.
ADVICE = {
    "BUS_UNAVAILABLE": "ADVICE_BUS",
    "DATABASE_UNAVAILABLE": "ADVICE_DATABASE",
    "DISK_FULL": "ADVICE_DISK",
    "FOLDER_UNUSABLE": "ADVICE_FOLDER",
    "NOT_SERVING": "ADVICE_NOT_SERVING",
    "SEARCH_UNAVAILABLE": "ADVICE_SEARCH",
    "SERVICE_UNAVAILABLE": "ADVICE_SERVICE",
    "URL_SCHEME_MISSPELT": "ADVICE_SETTING",
    "URL_SCHEME_UNKNOWN": "ADVICE_SETTING",
}


def advice_for(reason: str) -> LocalText:
    """What to do about an error with this reason."""
    return sentence(ADVICE.get(reason, "ADVICE_SEE_LOG"))
