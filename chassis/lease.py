"""One holder of a role at a time: a locked file beside a SQLite database, a timed row in PostgreSQL."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import BigInteger, Column, DateTime, String, Table, text
from sqlalchemy.orm import Session

from chassis.context import system
from chassis.db import Database, chassis_tables
from chassis.errors import Conflict, Error, LocalText
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
_FENCE = text("SELECT token FROM leases WHERE role = :role AND until >= clock_timestamp() FOR SHARE")


class Lease(Protocol):
    """A role held."""

    @property
    def held(self) -> bool:
        """Still ours, as far as we know without asking."""
        ...

    def fence(self, session: Session) -> None:
        """Be sure, inside the holder's own transaction. Raises Conflict LEASE_LOST."""
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


class _FileLease:
    """The kernel frees it when the holder dies, however it dies; nothing else can take it away."""

    def __init__(self, handle: int) -> None:
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
        return cls(handle)

    @property
    def held(self) -> bool:
        return self._handle is not None

    def fence(self, session: Session) -> None:
        if self._handle is None:
            raise _lost("")

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


class _RowLease:
    """Renewed by a thread; lost when the database says so or has not answered for the whole term."""

    def __init__(self, database: Database, role: str, holder: str, token: int) -> None:
        self._database, self._role, self._holder, self._token = database, role, holder, token
        self._good_until = time.monotonic() + LEASE_SECONDS
        self._released = threading.Event()
        threading.Thread(target=self._renew, name=f"lease-{role}", daemon=True).start()

    @classmethod
    def take(cls, database: Database, role: str) -> _RowLease | None:
        holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{new_id().hex[-12:]}"
        with database.transaction(system("lease")) as session:
            row = session.execute(_TAKE, {"role": role, "holder": holder, "seconds": LEASE_SECONDS}).first()
        return None if row is None else cls(database, role, holder, row.token)

    @property
    def held(self) -> bool:
        return not self._released.is_set() and time.monotonic() < self._good_until

    def fence(self, session: Session) -> None:
        row = session.execute(_FENCE, {"role": self._role}).first()
        if row is None or row.token != self._token:
            self._good_until = 0.0
            raise _lost(self._role)

    def release(self) -> None:
        if self._released.is_set():
            return
        self._released.set()
        try:
            with self._database.transaction(system("lease")) as session:
                session.execute(_RELEASE, {"role": self._role, "token": self._token})
        except Error as problem:
            # It runs out by itself within LEASE_SECONDS.
            log.warning("lease_not_released", extra={"role": self._role, "reason": problem.reason})

    def _renew(self) -> None:
        asked = {"role": self._role, "holder": self._holder, "token": self._token, "seconds": LEASE_SECONDS}
        while not self._released.wait(RENEW_SECONDS):
            begun = time.monotonic()
            try:
                with self._database.transaction(system("lease")) as session:
                    renewed = session.execute(_RENEW, asked).rowcount == 1  # type: ignore[attr-defined]
            except Error as problem:
                log.warning("lease_not_renewed", extra={"role": self._role, "reason": problem.reason})
                continue
            if not renewed:
                self._good_until = 0.0
                return
            self._good_until = begun + LEASE_SECONDS


def _lost(role: str) -> Conflict:
    return Conflict(
        "LEASE_LOST",
        LocalText("Giliran {role} sudah beralih ke proses lain.", "The role {role} went to another process."),
        role=role,
    )
