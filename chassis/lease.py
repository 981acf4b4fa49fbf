"""One holder of a role at a time: a locked file beside a SQLite database, a timed row in PostgreSQL.

What a holder writes goes through its `fenced` database: one that overslept its term can commit nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import BigInteger, Column, DateTime, String, Table, text
from sqlalchemy.orm import Session

from chassis.context import Context, system
from chassis.db import Database, chassis_tables
from chassis.errors import Conflict, Error
from chassis.ids import new_id

log = logging.getLogger(__name__)

LEASE_SECONDS = 6
RENEW_SECONDS = 2
RETRY_SECONDS = 0.5

leases = Table(
    "leases",
    chassis_tables,
    Column("role", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

_TAKE = text(
    """
    INSERT INTO leases (role, holder, token, until)
    VALUES (:role, :holder, 1, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (role) DO UPDATE
       SET holder = excluded.holder, token = leases.token + 1, until = excluded.until
     WHERE leases.until < clock_timestamp()
    RETURNING token
    """
)
_RENEW = text(
    """
    UPDATE leases SET until = clock_timestamp() + make_interval(secs => :seconds)
     WHERE role = :role AND holder = :holder AND token = :token AND until >= clock_timestamp()
    """
)
_RELEASE = text(
    "UPDATE leases SET until = clock_timestamp() - interval '1 second' WHERE role = :role AND token = :token"
)
_BE_BRIEF = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")
_FENCE = text("SELECT token FROM leases WHERE role = :role AND until >= clock_timestamp() FOR SHARE")


class Lease(Protocol):
    """A role held."""

    @property
    def role(self) -> str: ...

    @property
    def held(self) -> bool:
        """Still ours, as far as we know without asking."""
        ...

    def fence(self, session: Session) -> None:
        """Be sure that the role is ours until this transaction ends; the last thing before its commit.

        raises  Conflict  LEASE_LOST
        """
        ...

    def release(self) -> None: ...


class Leases:
    """The roles of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def try_hold(self, role: str) -> Lease | None:
        """Take the role if it is free."""
        if self._database.is_sqlite:
            return _FileLease.take(self._database, role)
        return _RowLease.take(self._database, role)

    @contextmanager
    def hold(self, role: str, stop: threading.Event) -> Iterator[Lease | None]:
        """Wait for the role and hold it in the block; None when `stop` came first."""
        lease: Lease | None = None
        while not stop.is_set():
            try:
                lease = self.try_hold(role)
            except Error as problem:
                log.warning("lease_wait", extra={"role": role, "reason": problem.reason})
            if lease is not None or stop.wait(RETRY_SECONDS):
                break
        try:
            yield lease
        finally:
            if lease is not None:
                lease.release()


class Fenced(Database):
    """A database as the holder of a lease writes to it: each transaction makes sure of the lease before it commits.

    The number is checked last, under a lock that the row's next holder has to wait for: checked at the beginning,
    the role could be gone by the commit; locked from the beginning, a relay that waits for its broker would hold up
    its own renewals, and whoever is to take over. So the lock lasts as long as a commit does, and where the holder
    stalls just there PostgreSQL ends its session after LEASE_SECONDS: nobody is held up for ever.

    At the beginning `held` is asked, which costs nothing and spares most of what would be refused. What a holder does
    outside its database cannot be fenced, and need not be: indexes refuse versions older than theirs, and facts
    published twice have one effect, by their id.
    """

    def __init__(self, origin: Database, lease: Lease) -> None:
        self._held_from, self._lease = origin, lease
        self.url, self.is_sqlite, self.writer, self.reader = origin.url, origin.is_sqlite, origin.writer, origin.reader
        self._driver_error, self._ready = origin._driver_error, origin._ready

    @property
    def origin(self) -> Database:
        return self._held_from.origin

    def after_commit(self, call: Callable[[], None]) -> None:
        self._held_from.after_commit(call)

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """One act of the holder.

        raises  Conflict     LEASE_LOST: nothing of it was kept
                Unavailable  DATABASE_UNAVAILABLE
        """
        if not self._lease.held:
            raise _lost(self._lease.role)
        with self._held_from.transaction(context) as session:
            yield session
            session.flush()
            self._lease.fence(session)

    def close(self) -> None:
        """Nothing: who opened the database closes it."""


class _FileLease:
    """The kernel frees it when the holder dies, however it dies; nothing else can take it away."""

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
            raise _lost(self.role)

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


class _RowLease:
    """Renewed by a thread; lost when the database says so or has not answered for the whole term."""

    def __init__(self, database: Database, role: str, holder: str, token: int) -> None:
        self.role = role
        self._database, self._holder, self._token = database, holder, token
        self._good_until = time.monotonic() + LEASE_SECONDS
        self._released = threading.Event()
        threading.Thread(target=self._renew, name=f"lease-{role}", daemon=True).start()

    @classmethod
    def take(cls, database: Database, role: str) -> _RowLease | None:
        holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{new_id().hex[-12:]}"
        with _brief(database) as session:
            row = session.execute(_TAKE, {"role": role, "holder": holder, "seconds": LEASE_SECONDS}).first()
        return None if row is None else cls(database, role, holder, row.token)

    @property
    def held(self) -> bool:
        return not self._released.is_set() and time.monotonic() < self._good_until

    def fence(self, session: Session) -> None:
        _be_brief(session)
        row = session.execute(_FENCE, {"role": self.role}).first()
        if row is None or row.token != self._token:
            self._good_until = 0.0
            raise _lost(self.role)

    def release(self) -> None:
        if self._released.is_set():
            return
        self._released.set()
        try:
            with _brief(self._database) as session:
                session.execute(_RELEASE, {"role": self.role, "token": self._token})
        except Error as problem:
            # It runs out by itself within LEASE_SECONDS.
            log.warning("lease_not_released", extra={"role": self.role, "reason": problem.reason})

    def _renew(self) -> None:
        asked = {"role": self.role, "holder": self._holder, "token": self._token, "seconds": LEASE_SECONDS}
        while not self._released.wait(RENEW_SECONDS):
            begun = time.monotonic()
            try:
                with _brief(self._database) as session:
                    renewed = session.execute(_RENEW, asked).rowcount == 1  # type: ignore[attr-defined]
            except Error as problem:
                log.warning("lease_not_renewed", extra={"role": self.role, "reason": problem.reason})
                continue
            if not renewed:
                self._good_until = 0.0
                return
            self._good_until = begun + LEASE_SECONDS


@contextmanager
def _brief(database: Database) -> Iterator[Session]:
    """A transaction of the lease's own, on its row."""
    with database.transaction(system("lease")) as session:
        _be_brief(session)
        yield session


def _be_brief(session: Session) -> None:
    """From here to its end a transaction that sits idle, its process stopped or its machine gone, is rolled back."""
    session.execute(_BE_BRIEF, {"milliseconds": str(int(LEASE_SECONDS * 1000))})


def _lost(role: str) -> Conflict:
    return Conflict("LEASE_LOST", role=role)
