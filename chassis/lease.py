"""One holder of a role at a time: a locked file next to a SQLite database, a row with an end in PostgreSQL.

What a holder writes goes through its `Fenced` database: a holder whose term has ended can commit nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.db import Database
from chassis.errors import Error
from chassis.lease_rows import RowLease, keeper_of, lease_lost

log = logging.getLogger(__name__)

FILE_POLL_SECONDS = 1.0
STOP_POLL_SECONDS = 0.5


class Lease(Protocol):
    """A role held."""

    @property
    def role(self) -> str: ...

    @property
    def held(self) -> bool:
        """Whether the role is still ours, as far as this process knows without asking."""
        ...

    def fence(self, session: Session) -> None:
        """Make sure that the role is ours until this transaction ends; the last thing before its commit.

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
        """Wait for the role and hold it in the block; None when `stop` came first."""
        lease = self._wait_for_file(role, stop) if self._database.is_sqlite else self._wait_for_row(role, stop)
        try:
            yield lease
        finally:
            if lease is not None:
                lease.release()

    def _wait_for_file(self, role: str, stop: threading.Event) -> Lease | None:
        while not stop.is_set():
            lease = self.try_hold(role)
            if lease is not None:
                return lease
            stop.wait(FILE_POLL_SECONDS)
        return None

    def _wait_for_row(self, role: str, stop: threading.Event) -> Lease | None:
        with keeper_of(self._database).waiting(role) as may_be_free:
            may_be_free.set()
            while not stop.is_set():
                if not may_be_free.wait(STOP_POLL_SECONDS):
                    continue
                may_be_free.clear()
                try:
                    lease = self.try_hold(role)
                except Error as problem:
                    log.warning("lease_wait", extra={"role": role, "reason": problem.reason})
                    continue
                if lease is not None:
                    return lease
        return None


class Fenced(Database):
    """A database as the holder of a lease writes to it: each transaction makes sure of the lease before it commits.

    The token is checked last, under a lock that the row's next holder waits for. Checked at the beginning, the role
    could be gone by the commit; locked from the beginning, a relay that waits for its broker would hold up the next
    holder. So the lock lasts as long as a commit does, and where the holder stalls just there PostgreSQL ends its
    session after LEASE_SECONDS.

    At the beginning `held` is asked, which costs nothing and saves most of the work that would be refused. What a
    holder does outside its database cannot be fenced, and need not be: indexes refuse versions older than theirs, and
    facts published twice have one effect, by their id.
    """

    def __init__(self, origin: Database, lease: Lease) -> None:
        self.__dict__.update(origin.__dict__)
        self._fenced, self._lease = origin, lease

    @property
    def origin(self) -> Database:
        return self._fenced.origin

    def after_commit(self, call: Callable[[], None]) -> None:
        self._fenced.after_commit(call)

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """One act of the holder.

        raises  Conflict  LEASE_LOST, nothing of it was kept; and as `Database.transaction` does
        """
        if not self._lease.held:
            raise lease_lost(self._lease.role)
        with self._fenced.transaction(context) as session:
            yield session
            session.flush()
            self._lease.fence(session)

    def close(self) -> None:
        """Nothing: the code that opened the database closes it."""


class _FileLease:
    """A lock on a file: the kernel frees it when the holder dies, and nothing else can take it away."""

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
    def held(self) -> bool:
        return self._handle is not None

    def fence(self, session: Session) -> None:
        if self._handle is None:
            raise lease_lost(self.role)

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
