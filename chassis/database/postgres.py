"""Connections to PostgreSQL with bounded waits, also when the server no longer answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg.abc import RV, PQGen, PQGenConn
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError

from chassis.context import Context
from chassis.metrics import telemetry

log = logging.getLogger(__name__)

# A caller gets an error within 2 s when the server is silent: after a ping on an idle connection and an attempt at a
# new one, or after a statement without an answer and an attempt at a new connection. If the server answers new
# connections, it is only slow, and the caller waits as long as the statement may take.
POOL_SECONDS = 1.0
PING_SECONDS = 0.5
QUIET_SECONDS = 0.5  # without an answer to a statement, until a new connection tests the server; and between two tests
CONNECT_SECONDS = 1.8
RECONNECT_SECONDS = 1.2  # of an attempt after such a wait
# Longest statement of a reader, of a caller's write, and of a command or job, which has no deadline.
READ_SECONDS = 3.0
WRITE_SECONDS = 10.0
WORK_SECONDS = 120.0
# The server ends a statement after its timeout; if it has not done so after this further time, it is silent.
MARGIN_SECONDS = 1.0
RETRY_SECONDS = 0.25  # between two attempts to connect, while the server does not answer
LOSS_LOG_SECONDS = 60.0

# The kernel ends a connection whose packets are lost within 9 s: by keepalives if idle, else by the user timeout.
TCP: dict[str, Any] = {"keepalives_idle": 3, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 6_000}
# The server does the same, so that it releases the locks of a client that has disappeared.
SERVER_OPTIONS = (
    f"-c statement_timeout={int(READ_SECONDS * 1000)}"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000"
)


class _Thread(threading.local):
    """Times of this thread: until when it may open a connection, and when a server last did not answer it."""

    connect_until = float("inf")
    silence_at = float("-inf")


_thread = _Thread()


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose waits for the server end after `limit_seconds`; then the connection is closed.

    Timeouts of statements and TCP are not enough, because a proxy or a frozen machine may still acknowledge packets.
    """

    limit_seconds = READ_SECONDS + MARGIN_SECONDS
    is_silent: Callable[[], bool] = staticmethod(lambda: False)  # tests the server with a new connection

    @classmethod
    def connect_within(cls, seconds: float, *arguments: Any, **parameters: Any) -> Self:
        """Connect within this time, for all addresses of a name together; psycopg's own limit is at least 2 s.

        raises  psycopg.errors.ConnectionTimeout, psycopg.Error
        """
        _thread.connect_until = time.monotonic() + seconds
        try:
            return cls.connect(*arguments, **parameters)
        finally:
            _thread.connect_until = float("inf")

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        until = _thread.connect_until

        def check() -> None:
            if time.monotonic() > until:
                raise psycopg.errors.ConnectionTimeout("no answer to a new connection")

        return _checked(super()._connect_gen(conninfo), check)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval=interval, timeout=timeout)
        quiet_at = time.monotonic() + QUIET_SECONDS

        def check() -> None:
            nonlocal quiet_at
            if time.monotonic() < quiet_at:
                return
            if self.is_silent():
                raise psycopg.OperationalError("the server does not answer")
            quiet_at = time.monotonic() + QUIET_SECONDS

        # A ping is not checked: its wait ends earlier, and a new connection follows it.
        watched = gen if self.limit_seconds <= QUIET_SECONDS else _checked(gen, check)
        try:
            return super().wait(watched, interval=interval, timeout=self.limit_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            # The connection cannot be used again, because the server is still at the statement.
            self.close()
            _thread.silence_at = time.monotonic()
            raise psycopg.OperationalError("no answer in time") from None


def _checked(gen: Generator[Any, Any, RV], check: Callable[[], None]) -> Generator[Any, Any, RV]:
    """Run a generator of psycopg; call `check` after each interval in which the server has sent nothing."""
    try:
        command = next(gen)
        while True:
            ready = yield command
            if not ready:
                check()
            command = gen.send(ready)
    except StopIteration as end:
        result: RV = end.value
        return result


class Availability:
    """Knows whether new connections to a server succeed, and logs each change once.

    While they fail, one thread at a time tries, and the others fail at once. Otherwise all threads of a service would
    wait for a silent server, and none could answer that the database is unavailable.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._away_since: float | None = None
        self._is_silent = False
        self._why = ""  # the last attempt to connect failed
        self._asked_at = float("-inf")
        self._changed_at = self._next_attempt = self._loss_logged_at = float("-inf")

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Connect in the block. While the attempt of another thread lasts, raises psycopg.OperationalError at once."""
        started_at = time.monotonic()
        with self._lock:
            if self._away_since is not None:
                if started_at < self._next_attempt:
                    raise psycopg.OperationalError(f"the last attempt to connect has just failed: {self._why}")
                self._next_attempt = started_at + CONNECT_SECONDS + MARGIN_SECONDS
        try:
            yield
        except psycopg.Error as problem:
            self._store_failure(started_at, problem)
            raise
        self._store_success(started_at)

    def is_silent(self, connect: Callable[[], object]) -> bool:
        """Return whether a new connection gets no answer. A refusal is an answer; the kernel then ends old connections.

        One thread connects, and the others wait for its result.
        """
        with self._asking:
            if time.monotonic() - self._asked_at > QUIET_SECONDS:
                try:
                    with self.attempt():
                        connect()
                except psycopg.Error:
                    log.debug("database_not_reached", extra={"database": self._name})
                self._asked_at = time.monotonic()
            return self._is_silent

    def log_loss(self, problem: BaseException | None) -> None:
        """Log that an open connection was lost, at most once a minute, because new connections may succeed."""
        now = time.monotonic()
        with self._lock:
            if self._away_since is not None or now - self._loss_logged_at < LOSS_LOG_SECONDS:
                return
            self._loss_logged_at = now
        log.warning("database_connection_lost", extra={"database": self._name, "why": _first_line(problem)})

    def _store_failure(self, started_at: float, problem: psycopg.Error) -> None:
        now = time.monotonic()
        with self._lock:
            self._next_attempt = now + RETRY_SECONDS
            # An attempt that began before the last change does not show the present state.
            if started_at < self._changed_at:
                return
            self._is_silent = isinstance(problem, psycopg.errors.ConnectionTimeout)
            self._why = str(problem).strip()
            if self._away_since is not None:
                return
            self._away_since = self._changed_at = now
        log.warning("database_away", extra={"database": self._name, "why": _first_line(problem)})

    def _store_success(self, started_at: float) -> None:
        self._is_silent = False
        if self._away_since is None:
            return
        with self._lock:
            if self._away_since is None or started_at < self._changed_at:
                return
            now = time.monotonic()
            seconds, self._away_since, self._changed_at = now - self._away_since, None, now
        log.warning("database_back", extra={"database": self._name, "seconds": round(seconds, 1)})


def _first_line(problem: BaseException | None) -> str:
    # SQLAlchemy's error of an idle connection that did not answer has no text.
    text = "" if problem is None or isinstance(problem, DisconnectionError) else str(problem).strip()
    return text.splitlines()[0] if text else "no answer on an idle connection"


_availabilities: dict[tuple[str | None, ...], Availability] = {}
_availabilities_lock = threading.Lock()


def availability_of(url: URL) -> Availability:
    """Return the state of a database for this process, one for all its pools and connections."""
    key = (url.host, str(url.port), url.database, str(url.query))
    with _availabilities_lock:
        return _availabilities.setdefault(key, Availability(str(url.database)))


def open_engine(url: URL, *, pool_size: int, overflow: int) -> Engine:
    """Make an engine with bounded connections.

    url        its query parameters replace the limits of this module
    pool_size  largest number of connections that stay open
    overflow   largest number of further connections, which are closed after use
    """
    # Otherwise SQLAlchemy logs a traceback for each lost connection, of which the loss is already in the log.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    availability = availability_of(url)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,  # because errors are logged, and values may be personal
    )

    telemetry.watch_sql(engine, event.listen)

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> BoundedConnection:
        options = f"{SERVER_OPTIONS} {parameters.pop('options', '')}"
        limits = {**TCP, **parameters, "options": options}
        silent_seconds = time.monotonic() - _thread.silence_at
        seconds = CONNECT_SECONDS if silent_seconds > RETRY_SECONDS else RECONNECT_SECONDS
        with availability.attempt():
            connection = _connect(seconds, *arguments, **limits)
        connection.is_silent = lambda: availability.is_silent(
            lambda: _connect(RECONNECT_SECONDS, *arguments, **limits).close()
        )
        return connection

    @event.listens_for(engine, "checkin")
    def _limit_ping(connection: Any, _record: Any) -> None:
        if connection is not None:
            connection.limit_seconds = PING_SECONDS
            if connection.autocommit:
                connection.autocommit = False
            if connection.read_only is False:
                # SQLAlchemy's value after a reader; it would begin READ WRITE, also where the default is read-only.
                connection.read_only = None

    @event.listens_for(engine, "checkout")
    def _limit_read(connection: Any, _record: Any, _fairy: Any) -> None:
        connection.limit_seconds = READ_SECONDS + MARGIN_SECONDS

    @event.listens_for(engine, "invalidate")
    def _lost(_connection: Any, _record: Any, problem: BaseException | None) -> None:
        availability.log_loss(problem)

    return engine


def open_connection(url: URL) -> BoundedConnection:
    """Open a connection outside a pool that commits each statement. Raises psycopg.Error."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with availability_of(url).attempt():
        return _connect(CONNECT_SECONDS, plain, autocommit=True, **TCP)


def _connect(seconds: float, *arguments: Any, **parameters: Any) -> BoundedConnection:
    """Connect within this time, or within that of the URL."""
    if "connect_timeout" in parameters:
        seconds = float(parameters["connect_timeout"])
    return BoundedConnection.connect_within(seconds, *arguments, **parameters)


def statement_seconds(context: Context, *, is_write: bool) -> float:
    """Return the longest time of a statement, by the kind of work, and at most until the caller's deadline."""
    remaining = context.remaining()
    if remaining is None:
        return WORK_SECONDS
    return max(0.05, min(WRITE_SECONDS if is_write else READ_SECONDS, remaining))


def limit_statements(connection: BoundedConnection, context: Context, *, is_write: bool) -> str:
    """Limit the waits of a connection for a transaction. Returns the value of `statement_timeout` for it."""
    seconds = statement_seconds(context, is_write=is_write)
    connection.limit_seconds = seconds + MARGIN_SECONDS
    return str(int(seconds * 1000))
