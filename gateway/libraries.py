"""Institutions, branches and opening hours for pages, cached in memory and reloaded from their services.

A page waits at most `WAIT_SECONDS`, and only when no usable value is cached. When circulation is not available, pages
show no hours; when the catalogue is not available, pages use the last names that they had.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.errors import Error
from chassis.ids import new_id_text
from gateway.clients import Clients
from gateway.opening_hours import OpeningHours, read_hours
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.circulation.v1 import rules_pb2
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub

FRESH_SECONDS = 60.0
# Pages show hours that are older than FRESH_HOURS_SECONDS while new ones are read, but only until
# USABLE_HOURS_SECONDS, so that every page shows a changed calendar within a minute.
FRESH_HOURS_SECONDS = 30.0
USABLE_HOURS_SECONDS = 60.0
RETRY_SECONDS = 5.0
WAIT_SECONDS = 0.15
NAMES_SECONDS = 1.0
# Enough days to include the next opening after a long holiday.
DAYS = 14
_MOST_PAGES = 10
_NO_PAGES = ("/api/", "/static/", "/covers/", "/files/", "/openapi.json")

Value = TypeVar("Value")
Hours = Mapping[str, OpeningHours]
_NO_HOURS: Hours = MappingProxyType({})


class CachedValue(Generic[Value]):
    """A cached value of a service, for one event loop.

    read            reads the value from the service; raises Error
    fresh_seconds   age until which the value is not read again
    usable_seconds  age from which the value is no longer used
    ticks           returns the seconds of a monotonic clock; tests replace it
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Value]],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        usable_seconds: float = math.inf,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._usable_seconds = usable_seconds
        self._ticks = ticks
        self._value: Value | None = None
        self._read_at = self._tried_at = -math.inf
        # True when the last read failed or exceeded WAIT_SECONDS; then no other page waits for it.
        self._is_late = False
        self._is_outdated = False
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> Value | None:
        """Return the value, or None when there is none. An old value is reloaded in the background."""
        if self._ticks() - self._read_at < self._fresh_seconds:
            return self._value
        task = self._ask()
        if task is not None and not self._is_late and (self._is_outdated or self.last() is None):
            done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS)
            self._is_late = self._is_late or not done
        return self.last()

    def last(self) -> Value | None:
        """Return the cached value, or None when it is too old."""
        return self._value if self._ticks() - self._read_at < self._usable_seconds else None

    def renew(self) -> None:
        """Make the next page reload the value and wait for it, because this process has just changed it."""
        self._read_at = min(self._read_at, self._ticks() - self._fresh_seconds)
        self._tried_at = -math.inf
        self._is_late, self._is_outdated = False, True

    def _ask(self) -> asyncio.Task[None] | None:
        if self._task is None and self._ticks() - self._tried_at >= RETRY_SECONDS:
            self._tried_at = self._ticks()
            self._task = asyncio.create_task(self._keep())
        return self._task

    async def _keep(self) -> None:
        asked_at = self._ticks()
        try:
            self._value = await self._read()
        except Error:
            self._is_late = True
        else:
            self._read_at, self._is_late, self._is_outdated = asked_at, False, False
        finally:
            self._task = None


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """Institutions by code, and branches by (institution, code), both in order of the codes."""

    institutions: Mapping[str, catalog_pb2.Institution]
    branches: Mapping[tuple[str, str], catalog_pb2.Branch]

    def branches_of(self, institution: str) -> list[catalog_pb2.Branch]:
        """Return the branches of an institution, the central one first."""
        branches = [branch for (owner, _), branch in self.branches.items() if owner == institution]
        return sorted(branches, key=lambda branch: branch.kind != "central")

    def main_branch(self, institution: str) -> catalog_pb2.Branch | None:
        """Return the central branch of an institution, or its first branch when none is central."""
        return _main_branch(self, institution)

    def owner(self, default: str) -> catalog_pb2.Institution | None:
        """Return the institution whose site this is (ADR 0036).

        default  DEFAULT_INSTITUTION
        """
        if len(self.institutions) == 1:
            return next(iter(self.institutions.values()))
        return self.institutions.get(default)


# Cached, because every page needs the same branch.
@lru_cache(maxsize=4)
def _main_branch(directory: Directory, institution: str) -> catalog_pb2.Branch | None:
    return next(iter(directory.branches_of(institution)), None)


NO_DIRECTORY = Directory(MappingProxyType({}), MappingProxyType({}))


class Libraries:
    """The institutions, branches and hours that this process has cached."""

    def __init__(self, clients: Clients, default_institution: str) -> None:
        self._clients = clients
        self._default = default_institution
        self._directory: CachedValue[Directory] = CachedValue(self._read_directory)
        self._hours: dict[str, CachedValue[Hours]] = {}

    async def directory(self) -> Directory:
        return await self._directory.get() or NO_DIRECTORY

    def known_directory(self) -> Directory:
        """Return the cached directory, without a call."""
        return self._directory.last() or NO_DIRECTORY

    def owner(self) -> catalog_pb2.Institution | None:
        """Return the institution whose site this is; None when the cached directory does not have it."""
        return self.known_directory().owner(self._default)

    async def hours(self, institution: str) -> Hours:
        """Return the opening hours of an institution's branches by code; empty when circulation is not available."""
        hours = self._hours_of(institution)
        return _NO_HOURS if hours is None else await hours.get() or _NO_HOURS

    def known_hours(self, institution: str) -> Hours:
        """Return the cached opening hours, without a call."""
        hours = self._hours_of(institution)
        return _NO_HOURS if hours is None else hours.last() or _NO_HOURS

    async def prepare(self) -> None:
        """Reload the data of the header and footer of pages when it is old."""
        await self._directory.get()
        owner = self.owner()
        if owner is not None:
            await self.hours(owner.code)

    def renew(self) -> None:
        """Make the next page of this process read institutions and branches again."""
        self._directory.renew()

    def _hours_of(self, institution: str) -> CachedValue[Hours] | None:
        if institution not in self.known_directory().institutions:
            return None
        hours = self._hours.get(institution)
        if hours is None:
            hours = self._hours[institution] = CachedValue(
                lambda: self._read_hours(institution),
                fresh_seconds=FRESH_HOURS_SECONDS,
                usable_seconds=USABLE_HOURS_SECONDS,
            )
        return hours

    async def _read_directory(self) -> Directory:
        stub = self._clients.stub("catalog", CatalogStub)
        institutions, branches = await asyncio.gather(
            _call(stub.ListInstitutions, catalog_pb2.ListInstitutionsRequest()),
            _call(stub.ListBranches, catalog_pb2.ListBranchesRequest()),
        )
        return Directory(
            {institution.code: institution for institution in institutions.institutions},
            {(branch.institution, branch.code): branch for branch in branches.branches},
        )

    async def _read_hours(self, institution: str) -> Hours:
        method = self._clients.stub("circulation", CirculationStub).ListOpeningHours
        hours: dict[str, OpeningHours] = {}
        cursor = ""
        for _ in range(_MOST_PAGES):
            message = rules_pb2.ListOpeningHoursRequest(institution=institution, days=DAYS, cursor=cursor)
            reply = await _call(method, message)
            hours |= {branch.branch.partition("/")[2]: read_hours(branch) for branch in reply.branches}
            cursor = reply.cursor
            if not cursor:
                break
        return hours


async def _call(method: Any, message: Any) -> Any:
    return await method(message, timeout=NAMES_SECONDS, metadata=[("x-request-id", new_id_text())])


class PreparedLibraries:
    """ASGI: before each page, reads the data that every page shows, unless the cache is fresh."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_NO_PAGES):
            await scope["app"].state.libraries.prepare()
        await self._app(scope, receive, send)


def libraries(request: Request) -> Libraries:
    held: Libraries = request.app.state.libraries
    return held
