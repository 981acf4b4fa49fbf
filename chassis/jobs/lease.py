"""Leases: one holder of a role at a time, by a locked file next to a SQLite database or by a row in PostgreSQL.

A holder writes through its `FencedDatabase`: a holder whose lease has ended cannot commit.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.errors import Error
from chassis.jobs.lease_rows import RowLease, lease_lost

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Lease(Protocol):
    """A role that this process holds."""

    @property
    def role(self) -> str: ...

    @property
    def is_held(self) -> bool:
        """Return whether this process still holds the role; does not ask the database."""
        ...

    def fence(self, session: Session) -> None:
        """Make sure that this process holds the role until the transaction ends; must be called just before the commit.

        raises  Conflict  LEASE_LOST
        """
        ...

    def release(self) -> None: ...


class Leases:
    """The roles of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def try_hold(self, role: str) -> Lease | None:
        """Take the role if it is free. Raises Unavailable."""
        if self._database.is_sqlite:
            return _FileLease.take(self._database, role)
        return RowLease.take(self._database, role)

    @contextmanager
    def hold(self, role: str, stop: threading.Event) -> Iterator[Lease | None]:
        """Wait for the role and hold it in the block; yield None when `stop` is set first."""
        lease = self._wait(role, stop)
        try:
            yield lease
        finally:
            if lease is not None:
                lease.release()

    def _wait(self, role: str, stop: threading.Event) -> Lease | None:
        last_reason = ""
        while not stop.is_set():
            try:
                if (lease := self.try_hold(role)) is not None:
                    return lease
            except Error as problem:
                # Each new reason is logged once, because this is tried every second.
                if not is_away(problem) and problem.reason != last_reason:
                    log.warning("lease_unavailable", extra={"role": role, "reason": problem.reason})
                last_reason = problem.reason
            stop.wait(POLL_SECONDS)
        return None


class FencedDatabase(Database):
    """The database of a lease's holder: each transaction checks the lease before it commits.

    The token is checked last, under a row lock for which the next holder waits. A check at the beginning would not find
    a lease that is lost before the commit. A lock from the beginning on would let the next holder wait while, for
    example, a relay waits for its broker. So the lock lasts only for the commit. If the holder stalls there, PostgreSQL
    ends its session after LEASE_SECONDS.

    At the beginning only `is_held` is checked, without the database, which avoids most of the work that would be
    refused. Work outside the database needs no check: indexes refuse older versions, and an event that is published
    twice has one effect because of its id.
    """

    def __init__(self, origin: Database, lease: Lease) -> None:
        self.__dict__.update(origin.__dict__)
        self._database, self._lease = origin, lease

    @property
    def origin(self) -> Database:
        return self._database.origin

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """Commit at the end of the block if this process still holds the lease.

        raises  Conflict  LEASE_LOST, and the transaction was rolled back; and the errors of `Database.transaction`
        """
        if not self._lease.is_held:
            raise lease_lost(self._lease.role)
        with self._database.transaction(context) as session:
            yield session
            session.flush()
            self._lease.fence(session)

    def close(self) -> None:
        """Do nothing; the code that opened the database closes it."""


def holder_of(database: Database, role: str) -> str:
    """Return the process that holds the role, as text for an operator; "" if the role is free. Raises Unavailable."""
    if not database.is_sqlite:
        with database.autocommit() as connection:
            holder = connection.execute(_HOLDER, {"role": role}).scalar() or ""
        host, _, rest = holder.partition(":")
        return f"{host}, PID {rest.partition(':')[0]}" if holder else ""
    try:
        handle = os.open(f"{database.url.database}.{role}.lease", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return f"PID {os.pread(handle, 32, 0).decode().strip()}"
    finally:
        os.close(handle)
    return ""


_HOLDER = text("SELECT holder FROM leases WHERE role = :role AND until >= clock_timestamp()")


class _FileLease:
    """A lease by a locked file. The kernel releases the lock when the holder dies."""

    def __init__(self, role: str, handle: int) -> None:
        self.role = role
        self._handle: int | None = handle

    @classmethod
    def take(cls, database: Database, role: str) -> _FileLease | None:
        path = Path(f"{database.url.database}.{role}.lease")
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        return cls(role, handle)

    @property
    def is_held(self) -> bool:
        return self._handle is not None

    def fence(self, _session: Session) -> None:
        if self._handle is None:
            raise lease_lost(self.role)

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
