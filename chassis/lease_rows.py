"""Leases in PostgreSQL: a row for each role, with its end; a thread for each database renews and watches leases."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, String, Table, text
from sqlalchemy.engine import URL

from chassis.db import Database, chassis_tables
from chassis.errors import Conflict, Error
from chassis.ids import new_id
from chassis.prepared import AnySession
from chassis.sql import fetch_sql
from chassis.wake import listen

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

CHANNEL = "rangkiang_lease"
LEASE_SECONDS = 6
RENEW_SECONDS = 2
POLL_SECONDS = 2
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
    UPDATE leases
       SET holder = :holder, token = leases.token + 1, until = clock_timestamp() + make_interval(secs => :seconds)
      FROM (SELECT role FROM leases WHERE role = :role AND until < clock_timestamp() FOR UPDATE) AS free
     WHERE leases.role = free.role
    RETURNING leases.token
    """
)
_MAKE = text(
    """
    INSERT INTO leases (role, holder, token, until)
    VALUES (:role, :holder, 1, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (role) DO NOTHING
    RETURNING token
    """
)
_RELEASE = text(
    """
    WITH released AS (
        UPDATE leases SET until = clock_timestamp() - interval '1 second'
         WHERE role = :role AND token = :token AND until >= clock_timestamp()
        RETURNING role
    )
    SELECT pg_notify(:channel, role) FROM released
    """
)
_FENCE = "SELECT token FROM leases WHERE role = ? AND until >= clock_timestamp() FOR KEY SHARE"
_LIMIT_IDLE_TIME = "SELECT set_config('idle_in_transaction_session_timeout', ?, true)"
_RENEW = """
    UPDATE leases SET until = clock_timestamp() + make_interval(secs => %s)
     WHERE (role, token) IN (SELECT * FROM unnest(%s::text[], %s::bigint[])) AND until >= clock_timestamp()
    RETURNING role, token
"""
_SELECT_SECONDS = "SELECT role, extract(epoch FROM until - clock_timestamp())::float8 FROM leases WHERE role = ANY(%s)"


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
            row = connection.execute(_TAKE, values).first() or connection.execute(_MAKE, values).first()
        if row is None:
            return None
        lease = cls(database, role, row.token, good_until=start + LEASE_SECONDS)
        renewer.add(lease)
        return lease

    @property
    def is_held(self) -> bool:
        return not self._released and time.monotonic() < self.good_until

    def fence(self, session: AnySession) -> None:
        """See `chassis.lease.Lease`."""
        # From here on PostgreSQL ends a transaction that is idle because its process or machine has stopped.
        fetch_sql(session, _LIMIT_IDLE_TIME, [str(int(LEASE_SECONDS * 1000))])
        if fetch_sql(session, _FENCE, [self.role]) != [(self.token,)]:
            self.good_until = 0.0
            raise lease_lost(self.role)

    def release(self) -> None:
        if self._released:
            return
        self._released = True
        renewer_of(self._database).remove(self)
        try:
            with self._database.autocommit() as connection:
                connection.execute(_RELEASE, {"role": self.role, "token": self.token, "channel": CHANNEL})
        except Error as problem:
            # Not needed: the lease ends by itself within LEASE_SECONDS.
            log.debug("lease_not_released", extra={"role": self.role, "reason": problem.reason})


class LeaseRenewer:
    """Renews the leases of this process on a database, and watches the roles for which its threads wait.

    It has a thread and a connection only while there are leases to renew or roles to watch.
    """

    def __init__(self, url: URL) -> None:
        self.holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{new_id().hex[-12:]}"
        self._url = url
        self._lock = threading.Lock()
        self._leases: set[RowLease] = set()
        self._waiting: list[tuple[str, threading.Event]] = []
        self._runs = False

    def add(self, lease: RowLease) -> None:
        """Renew this lease until it is removed or lost."""
        with self._lock:
            self._leases.add(lease)
            self._start()

    def remove(self, lease: RowLease) -> None:
        """Stop renewing this lease."""
        with self._lock:
            self._leases.discard(lease)

    @contextmanager
    def wait_for(self, role: str) -> Iterator[threading.Event]:
        """Yield an event that is set whenever the role may have become free."""
        waiter = (role, threading.Event())
        with self._lock:
            self._waiting.append(waiter)
            self._start()
        try:
            yield waiter[1]
        finally:
            with self._lock:
                self._waiting.remove(waiter)

    def _start(self) -> None:
        if not self._runs:
            self._runs = True
            threading.Thread(target=self._run, name="leases", daemon=True).start()

    def _run(self) -> None:
        import psycopg

        connection: psycopg.Connection[Any] | None = None
        while self._has_work():
            try:
                connection = connection or listen(self._url, CHANNEL)
                self._renew(connection)
                for notice in connection.notifies(timeout=self._check_roles(connection), stop_after=1):
                    self._wake([notice.payload])
            except psycopg.Error as problem:
                # Only debug, because the process logs an outage once, and the job logs a lost lease.
                log.debug("lease_not_renewed", extra={"reason": type(problem).__name__})
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(RECONNECT_SECONDS)
                with self._lock:
                    roles = [role for role, _event in self._waiting]
                # A waiting thread may still reach the database by its own connection.
                self._wake(roles)
        if connection is not None:
            connection.close()

    def _has_work(self) -> bool:
        with self._lock:
            self._leases = {lease for lease in self._leases if lease.is_held}
            self._runs = bool(self._leases or self._waiting)
            return self._runs

    def _renew(self, connection: psycopg.Connection[Any]) -> None:
        now = time.monotonic()
        with self._lock:
            leases = list(self._leases)
        if all(lease.good_until - now > LEASE_SECONDS - RENEW_SECONDS for lease in leases):
            return
        keys = [lease.role for lease in leases], [lease.token for lease in leases]
        renewed = set(connection.execute(_RENEW, (LEASE_SECONDS, *keys)).fetchall())
        for lease in leases:
            lease.good_until = now + LEASE_SECONDS if (lease.role, lease.token) in renewed else 0.0

    def _check_roles(self, connection: psycopg.Connection[Any]) -> float:
        """Wake the threads whose roles are free. Returns the seconds until the next renewal or check."""
        with self._lock:
            leases = list(self._leases)
            roles = sorted({role for role, _event in self._waiting})
        now = time.monotonic()
        pauses = [lease.good_until - LEASE_SECONDS + RENEW_SECONDS - now for lease in leases if lease.good_until]
        if roles:
            ends: dict[str, float] = dict(connection.execute(_SELECT_SECONDS, (roles,)).fetchall())
            # A role without a row has never had a holder, so it is free.
            self._wake([role for role in roles if ends.get(role, -1.0) < 0])
            pauses += [POLL_SECONDS, *(seconds + 0.01 for seconds in ends.values() if seconds >= 0)]
        return max(0.01, min(pauses, default=POLL_SECONDS))

    def _wake(self, roles: list[str]) -> None:
        with self._lock:
            for role, event in self._waiting:
                if role in roles:
                    event.set()


_renewers: weakref.WeakKeyDictionary[Database, LeaseRenewer] = weakref.WeakKeyDictionary()
_renewers_lock = threading.Lock()


def renewer_of(database: Database) -> LeaseRenewer:
    """Return the renewer of this process for a database."""
    database = database.origin
    with _renewers_lock:
        if database not in _renewers:
            _renewers[database] = LeaseRenewer(database.url)
        return _renewers[database]


def lease_lost(role: str) -> Conflict:
    return Conflict("LEASE_LOST", role=role)
