"""Leases in PostgreSQL: a row for each role, with its end; a thread for each database renews them."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, String, Table, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from chassis.database.db import Database, chassis_tables
from chassis.errors import Conflict, Error
from chassis.ids import new_id

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

LEASE_SECONDS = 6
RENEW_SECONDS = 2
RECONNECT_SECONDS = 1

leases = Table(
    "leases",
    chassis_tables,
    Column("role", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

# FOR UPDATE waits for the commit of a holder that has checked its token with FOR KEY SHARE. A renewal does not wait,
# because it does not change the key.
_TAKE = text(
    """
    WITH free AS (
        SELECT role FROM leases WHERE role = :role AND until < clock_timestamp() FOR UPDATE
    ), taken AS (
        UPDATE leases
           SET holder = :holder, token = leases.token + 1, until = clock_timestamp() + make_interval(secs => :seconds)
          FROM free
         WHERE leases.role = free.role
        RETURNING leases.token
    ), made AS (
        INSERT INTO leases (role, holder, token, until)
        SELECT :role, :holder, 1, clock_timestamp() + make_interval(secs => :seconds)
         WHERE NOT EXISTS (SELECT FROM leases WHERE role = :role)
        ON CONFLICT (role) DO NOTHING
        RETURNING token
    )
    SELECT token FROM taken UNION ALL SELECT token FROM made
    """
)
_RELEASE = text(
    """
    UPDATE leases SET until = clock_timestamp() - interval '1 second'
     WHERE role = :role AND token = :token AND until >= clock_timestamp()
    """
)
_FENCE = text("SELECT token FROM leases WHERE role = :role AND until >= clock_timestamp() FOR KEY SHARE")
_LIMIT_IDLE_TIME = text(f"SELECT set_config('idle_in_transaction_session_timeout', '{LEASE_SECONDS * 1000}', true)")
_RENEW = """
    UPDATE leases SET until = clock_timestamp() + make_interval(secs => %s)
     WHERE (role, token) IN (SELECT * FROM unnest(%s::text[], %s::bigint[])) AND until >= clock_timestamp()
    RETURNING role, token
"""


class RowLease:
    """A role held by a row; lost if the database says so or has not answered for LEASE_SECONDS."""

    def __init__(self, database: Database, role: str, token: int, *, good_until: float) -> None:
        self.role, self.token, self.good_until = role, token, good_until
        self._database = database
        self._released = False

    @classmethod
    def take(cls, database: Database, role: str) -> RowLease | None:
        """Take the role if it is free. Raises Unavailable."""
        renewer = renewer_of(database)
        start = time.monotonic()
        values = {"role": role, "holder": renewer.holder, "seconds": LEASE_SECONDS}
        with database.autocommit() as connection:
            token = connection.execute(_TAKE, values).scalar()
        if token is None:
            return None
        lease = cls(database, role, token, good_until=start + LEASE_SECONDS)
        renewer.add(lease)
        return lease

    @property
    def is_held(self) -> bool:
        return not self._released and time.monotonic() < self.good_until

    def fence(self, session: Session) -> None:
        """See `chassis.jobs.lease.Lease`."""
        # From here on PostgreSQL ends a transaction that is idle because its process or machine has stopped.
        session.execute(_LIMIT_IDLE_TIME)
        if session.scalar(_FENCE, {"role": self.role}) != self.token:
            self.good_until = 0.0
            raise lease_lost(self.role)

    def release(self) -> None:
        if self._released:
            return
        self._released = True
        renewer_of(self._database).remove(self)
        try:
            with self._database.autocommit() as connection:
                connection.execute(_RELEASE, {"role": self.role, "token": self.token})
        except Error as problem:
            # Not needed: the lease ends by itself within LEASE_SECONDS.
            log.debug("lease_not_released", extra={"role": self.role, "reason": problem.reason})


class _Renewer:
    """Renews the leases of this process on a database. It has a thread and a connection only while there are leases."""

    def __init__(self, url: URL) -> None:
        self.holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{new_id().hex[-12:]}"
        self._url = url
        self._lock = threading.Lock()
        self._leases: set[RowLease] = set()
        self._removed = threading.Event()
        self._runs = False

    def add(self, lease: RowLease) -> None:
        """Renew this lease until it is removed or lost."""
        with self._lock:
            self._leases.add(lease)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="leases", daemon=True).start()

    def remove(self, lease: RowLease) -> None:
        """Stop renewing this lease."""
        with self._lock:
            self._leases.discard(lease)
        self._removed.set()

    def _run(self) -> None:
        import psycopg

        from chassis.database.postgres import open_connection

        connection: psycopg.Connection[Any] | None = None
        while leases := self._held():
            try:
                connection = connection or open_connection(self._url)
                now = time.monotonic()
                keys = [lease.role for lease in leases], [lease.token for lease in leases]
                renewed = set(connection.execute(_RENEW, (LEASE_SECONDS, *keys)).fetchall())
                for lease in leases:
                    lease.good_until = now + LEASE_SECONDS if (lease.role, lease.token) in renewed else 0.0
                self._removed.wait(RENEW_SECONDS)
            except psycopg.Error as problem:
                # Only debug, because the process logs an outage once, and the job logs a lost lease.
                log.debug("lease_not_renewed", extra={"reason": type(problem).__name__})
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(RECONNECT_SECONDS)
        if connection is not None:
            connection.close()

    def _held(self) -> list[RowLease]:
        self._removed.clear()
        with self._lock:
            self._leases = {lease for lease in self._leases if lease.is_held}
            self._runs = bool(self._leases)
            return list(self._leases)


_renewers: weakref.WeakKeyDictionary[Database, _Renewer] = weakref.WeakKeyDictionary()
_renewers_lock = threading.Lock()


def renewer_of(database: Database) -> _Renewer:
    """Return the renewer of this process for a database."""
    database = database.origin
    with _renewers_lock:
        if database not in _renewers:
            _renewers[database] = _Renewer(database.url)
        return _renewers[database]


def lease_lost(role: str) -> Conflict:
    return Conflict("LEASE_LOST", role=role)
