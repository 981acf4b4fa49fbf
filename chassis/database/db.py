"""A service's database: transaction() for writers, reading() and rows() for readers; only this module commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine, MetaData, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database import sqlite
from chassis.database.db_errors import translate_connection_errors, translate_errors, translate_folder_error
from chassis.database.table_access import SET_INSTITUTION, stored_institution
from chassis.errors import Conflict, Unavailable
from chassis.metrics import telemetry
from chassis.transaction_guard import transaction_on
from chassis.urls import check_url, known_scheme

# The chassis' tables in the database of every service; their revisions are in chassis/migrations.
chassis_tables = MetaData()

WRITE_WAIT_SECONDS = 60.0  # longest wait of a writer without a deadline
# Before the second attempt after a deadlock: without it, it may take the row again that the other writer waits for.
CONFLICT_PAUSE_SECONDS = 0.1
DRIVERS = dict.fromkeys(("sqlite", "sqlite+pysqlite", "postgresql+psycopg"), "")

_SET_CONTEXT = text(f"{SET_INSTITUTION.format(':institution')}, set_config('statement_timeout', :timeout, true)")

Result = TypeVar("Result")


_AT_END = "at_end"


def at_end(session: Session, call: Callable[[Session], object]) -> None:
    """Call a function at the end of the transaction, before its commit: for a lock that all writers take.

    Whoever takes such a lock last never waits for another lock while others wait for this one.
    """
    session.info.setdefault(_AT_END, []).append(call)


class _Session(Session):
    """A session of one transaction, which keeps its connection: SQLAlchemy looks for it at each call, in 10 µs."""

    _kept: Connection | None = None

    def connection(self, *arguments: Any, **options: Any) -> Connection:
        if self.in_nested_transaction():
            return super().connection(*arguments, **options)  # sends the savepoint
        if self._kept is None:
            self._kept = super().connection(*arguments, **options)
        return self._kept


class Guard(Protocol):
    """Compares the revisions of a database with those of this release; see chassis.migrations.revisions."""

    due_at: float

    def check(self, database: Database) -> None: ...

    def on_refusal(self, call: Callable[[], object]) -> None: ...

    def raise_refusal(self) -> None: ...


class Database:
    """One service's database.

    url               SQLAlchemy URL; sqlite:///path or postgresql+psycopg://…
    pool_size         largest number of connections
    overflow          on PostgreSQL, number of further connections, which are closed after use: for jobs
    protected_tables  tables whose rows only their institution reads, from the service's manifest
    creates           a missing SQLite file is created; else its use raises Unavailable DATABASE_MISSING
    """

    def __init__(
        self, url: str, *, pool_size: int = 16, overflow: int = 0, protected_tables: tuple[str, ...] = (),
        creates: bool = True,
    ) -> None:  # fmt: skip
        self.url = read_url(url)
        self.protected_tables = protected_tables
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._before_close: list[Callable[[], None]] = []
        self._name = self.url.render_as_string(hide_password=False)
        if self.is_sqlite:
            path = Path(self.url.database or "")
            if creates:
                with translate_folder_error(path.parent):
                    path.parent.mkdir(parents=True, exist_ok=True)
            self._write_lock = sqlite.WriteLock(path)
            self.writer = sqlite.open_engine(
                url, begin="BEGIN IMMEDIATE", pool_size=1, protected_tables=protected_tables, creates=creates
            )
            self.reader = sqlite.open_engine(
                url, begin="BEGIN", pool_size=pool_size, protected_tables=protected_tables, creates=creates,
                mapped_bytes=sqlite.MAPPED_BYTES,
            )  # fmt: skip
        else:
            # A local import: the embedded edition starts without psycopg.
            from chassis.database import postgres

            self._limits = postgres
            self.writer = postgres.open_engine(self.url, pool_size=pool_size, overflow=overflow)
            self.reader = self.writer.execution_options(postgresql_readonly=True)
        self.guard: Guard | None = None
        self._driver_error: type[Exception] = self.reader.dialect.loaded_dbapi.Error

    def check_revisions(self) -> None:
        """Compare the database's revisions with this release, if that is due; every other method does this first.

        raises  Unavailable  DATABASE_NEWER, DATABASE_NOT_MIGRATED, DATABASE_UNAVAILABLE
        """
        guard = self.guard
        if guard is not None and time.monotonic() >= guard.due_at:
            guard.check(self)

    @property
    def origin(self) -> Database:
        """Return this database; for a lease holder's database, the database that it wraps."""
        return self

    def before_close(self, call: Callable[[], None]) -> None:
        """Register a function to call at the beginning of close(), while the database can still be used."""
        self._before_close.append(call)

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """Commit at the end of the block; roll back if the block raises.

        context  the transaction reads and writes the rows of its institution; its deadline limits the wait
        raises   Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
                 TooLate      DEADLINE_PASSED, before the block starts
                 Conflict     WRITE_CONFLICT, and the transaction was rolled back; see `run`
                 NestedWork   this thread has an open transaction on this database
        """
        self.check_revisions()
        with (
            transaction_on(self._name),
            self._turn(context),
            translate_errors(),
            _Session(self.writer, expire_on_commit=False) as session,
        ):
            with translate_connection_errors():
                self._set_context(session, context, is_write=True)
            yield session
            for call in session.info.pop(_AT_END, ()):
                call(session)
            with translate_connection_errors():
                session.commit()

    def run(self, context: Context, act: Callable[[Session], Result]) -> Result:
        """Run a function in a transaction, and once more if PostgreSQL rolls it back because of another writer.

        act     changes only rows of its session, because it may run twice
        raises  the errors of `transaction` and of `act`
        """
        try:
            with self.transaction(context) as session:
                return act(session)
        except Conflict as problem:
            if problem.reason != "WRITE_CONFLICT":
                raise
        time.sleep(CONFLICT_PAUSE_SECONDS)
        with self.transaction(context) as session:
            return act(session)

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Open a PostgreSQL connection for leases, which commits each statement.

        raises  Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
        """
        self.check_revisions()
        with translate_errors(), translate_connection_errors(), self.writer.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self, context: Context) -> Iterator[Session]:
        """Read a consistent snapshot; writes in it are rolled back.

        context  of protected tables, the rows of its institution are read
        raises   Unavailable  DATABASE_UNAVAILABLE
        """
        self.check_revisions()
        with translate_errors(), _Session(self.reader) as session:
            with translate_connection_errors():
                self._set_context(session, context, is_write=False)
            yield session

    def rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        """Return the rows of one SELECT with the driver's placeholders, from a database without protected tables.

        For the reads of searches: it avoids the session, which takes four times as long as SQLite's answer. Each
        statement reads a consistent snapshot, on PostgreSQL without BEGIN and ROLLBACK.

        raises   Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
        """
        if self.origin.protected_tables:
            raise ValueError("the driver's SQL would read rows of every institution")
        self.check_revisions()
        with (
            translate_errors(),
            telemetry.span("SELECT", kind="client", db_statement=statement),
            self._connection(self.reader, alone=not self.is_sqlite) as connection,
        ):
            cursor = connection.dbapi_connection.cursor()
            cursor.execute(statement, parameters)
            rows: list[Any] = cursor.fetchall()
            return rows

    @contextmanager
    def _connection(self, engine: Engine, *, alone: bool = False) -> Iterator[Any]:
        """Take a connection of the driver; the block must end every transaction and cursor on it.

        alone  on PostgreSQL, commit each statement by itself
        """
        try:
            connection: Any = engine.raw_connection()
        except self._driver_error as problem:
            raise OperationalError(None, None, problem, connection_invalidated=True) from problem
        try:
            if not self.is_sqlite and connection.dbapi_connection.autocommit != alone:
                connection.dbapi_connection.autocommit = alone
            yield connection
        except self._driver_error as problem:
            is_lost = engine is self.reader if self.is_sqlite else connection.dbapi_connection.closed
            if is_lost:
                connection.invalidate(problem)
            # Wrapped here, because SQLAlchemy does not wrap errors of raw connections.
            raise DBAPIError.instance(
                None, None, problem, self._driver_error, connection_invalidated=is_lost, dialect=engine.dialect
            ) from problem
        finally:
            connection.close()

    def close(self) -> None:
        while self._before_close:
            self._before_close.pop()()
        self.writer.dispose()
        self.reader.dispose()
        if self.is_sqlite:
            self._write_lock.close()

    def _set_context(self, session: Session, context: Context, *, is_write: bool) -> None:
        """Set the institution; on PostgreSQL set the statement timeout in the same statement."""
        if self.is_sqlite:
            session.connection().info["institution"] = stored_institution(context.institution)
        else:
            connection: Any = session.connection().connection.dbapi_connection
            timeout = self._limits.limit_statements(connection, context, is_write=is_write)
            session.execute(_SET_CONTEXT, {"institution": context.institution, "timeout": timeout})

    @contextmanager
    def _turn(self, context: Context) -> Iterator[None]:
        """Admit one writer on SQLite, from before BEGIN until after COMMIT; the engine's commit event comes too early.

        raises  TooLate      DEADLINE_PASSED
                Unavailable  DATABASE_BUSY
        """
        context.check_deadline()
        if not self.is_sqlite:
            yield
            return
        seconds = context.remaining()
        try:
            self._write_lock.acquire(WRITE_WAIT_SECONDS if seconds is None else seconds)
        except TimeoutError:
            context.check_deadline()
            raise Unavailable("DATABASE_BUSY") from None
        try:
            yield
        finally:
            self._write_lock.release()


def read_url(url: str) -> URL:
    """Parse the URL of a database.

    raises  Invalid      SETTING_INVALID, URL_SCHEME_UNKNOWN, URL_SCHEME_MISSPELT
            Unavailable  FOLDER_UNUSABLE: the name of a SQLite file is not UTF-8
    """
    if any("\ud800" <= character <= "\udfff" for character in url):
        raise Unavailable("FOLDER_UNUSABLE", folder=url.partition("///")[2], why="its name is not UTF-8")
    check_url(url, "DATABASE_URL")
    known_scheme(url, DRIVERS)
    return make_url(url)
