"""A service's database: transaction() for writers, reading() and rows() for readers; only this module commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Engine, Integer, LargeBinary, MetaData, Uuid, create_engine, event, text
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine

from chassis import telemetry
from chassis.context import READER, Context
from chassis.db_errors import translate_connection_errors, translate_errors, translate_folder_error
from chassis.errors import Conflict, Unavailable
from chassis.nesting import transaction_on
from chassis.table_access import FUNCTION as INSTITUTION_FUNCTION
from chassis.table_access import SET_INSTITUTION, limit_to_institution, stored_institution
from chassis.urls import check_url, known_scheme
from chassis.write_turn import WriteTurn

# The chassis' own tables, which are in the database of every service; their revisions are in chassis/migrations.
chassis_tables = MetaData()

# 64 bits for counts and generated numbers; SQLite generates row ids only for its own INTEGER.
BigNumber = BigInteger().with_variant(Integer, "sqlite")

# Command tags of statements that change no row.
READ_TAGS = frozenset({"BEGIN", "COMMIT", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW"})
WRITE_WAIT_SECONDS = 60.0  # longest wait of a writer without a deadline
DRIVERS = dict.fromkeys(("sqlite", "sqlite+pysqlite", "postgresql+psycopg"), "")
RESTORING = ".restoring"  # a file of the database's name and this: `restore` has not ended
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-16000")
MAPPED_BYTES = 256 * 1024 * 1024  # part of SQLite's file that readers map: ten rows take 23 µs instead of 33

_SET_CONTEXT = text(f"{SET_INSTITUTION.format(':institution')}, set_config('statement_timeout', :timeout, true)")

Result = TypeVar("Result")


class Id(TypeDecorator[UUID]):
    """A UUID: PostgreSQL's own type; 16 bytes on SQLite, half the size of SQLAlchemy's text in rows and indexes."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(Uuid())

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return UUID(bytes=value) if isinstance(value, bytes) else value


class UtcTime(TypeDecorator[datetime]):
    """A time, aware UTC; SQLite stores no zone, so results get UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Guard(Protocol):
    """Compares the revisions of a database with those of this release: chassis.revisions."""

    due_at: float

    def check(self, database: Database) -> None: ...

    def on_refusal(self, call: Callable[[], object]) -> None: ...

    def raise_refusal(self) -> None: ...


class Database:
    """One service's database.

    url               SQLAlchemy URL; sqlite:///path or postgresql+psycopg://…
    pool_size         largest number of connections
    overflow          on PostgreSQL, connections more at most, which are closed after their use: for jobs
    protected_tables  tables whose rows only their institution reads, from the service's manifest
    """

    def __init__(
        self, url: str, *, pool_size: int = 16, overflow: int = 0, protected_tables: tuple[str, ...] = ()
    ) -> None:
        self.url = read_url(url)
        self.protected_tables = protected_tables
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._after_commit: list[Callable[[], None]] = []
        self._before_close: list[Callable[[], None]] = []
        self._name = self.url.render_as_string(hide_password=False)
        if self.is_sqlite:
            path = Path(self.url.database or "")
            with translate_folder_error(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            self._write_turn = WriteTurn.of(path)
            self.writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, protected_tables=protected_tables)
            self.reader = _sqlite_engine(
                url, begin="BEGIN", pool_size=pool_size, protected_tables=protected_tables, mapped_bytes=MAPPED_BYTES
            )
        else:
            # A local import: the embedded edition starts without psycopg.
            from chassis import postgres

            self._limits = postgres
            self.writer = postgres.open_engine(self.url, pool_size=pool_size, overflow=overflow)
            telemetry.watch_sql(self.writer, event.listen)
            event.listen(self.writer, "after_cursor_execute", _count_write)
            self.reader = self.writer.execution_options(postgresql_readonly=True)
        self.guard: Guard | None = None
        self._driver_error: type[Exception] = self.reader.dialect.loaded_dbapi.Error
        self._reads_alone = not self.is_sqlite and not protected_tables  # a protected read is a transaction
        self._most_ready = 2 if self.is_sqlite else min(4, pool_size // 4) * self._reads_alone  # outside the pool
        self._ready: list[Any] = []

    def check_revisions(self) -> None:
        """Compare the database's revisions with this release, when it is due; each other method does so first.

        raises  Unavailable  DATABASE_NEWER, DATABASE_NOT_MIGRATED, DATABASE_UNAVAILABLE
        """
        guard = self.guard
        if guard is not None and time.monotonic() >= guard.due_at:
            guard.check(self)

    @property
    def origin(self) -> Database:
        """This database; for a lease holder's database, the database that it wraps."""
        return self

    def after_commit(self, call: Callable[[], None]) -> None:
        """Register a short function to call after each commit with changes: it wakes threads that wait for work."""
        self._after_commit.append(call)

    def before_close(self, call: Callable[[], None]) -> None:
        """Register a function to call when this database is closed, while it can still be used."""
        self._before_close.append(call)

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """Commit at the end of the block; roll back if the block raises.

        context  its institution reads and writes its rows of protected tables; its deadline limits the wait
        raises   Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
                 TooLate      DEADLINE_PASSED, before the block starts
                 Conflict     WRITE_CONFLICT, and the transaction was rolled back; see `run`
                 NestedWork   this thread has an open transaction on this database
        """
        wrote = False
        self.check_revisions()
        with (
            transaction_on(self._name),
            self._turn(context),
            translate_errors(),
            Session(self.writer, expire_on_commit=False) as session,
        ):
            with translate_connection_errors():
                self._set_context(session, context, is_write=True)
                changes = self._changes(session)
            yield session
            with translate_connection_errors():
                session.flush()
                wrote = self._changes(session) != changes
                session.commit()
        if wrote:
            for call in self._after_commit:
                call()

    def run(self, context: Context, act: Callable[[Session], Result]) -> Result:
        """Run a function in a transaction, and once more in a new one when PostgreSQL rolls it back for another writer.

        act     works only with its session, so it may run twice
        raises  the errors of `transaction` and of `act`
        """
        try:
            with self.transaction(context) as session:
                return act(session)
        except Conflict as problem:
            if problem.reason != "WRITE_CONFLICT":
                raise
        with self.transaction(context) as session:
            return act(session)

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Open a PostgreSQL connection that commits each statement and wakes no thread: for leases.

        raises  Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
        """
        self.check_revisions()
        with translate_errors(), translate_connection_errors(), self.writer.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self, context: Context) -> Iterator[Session]:
        """Read a consistent snapshot; writes in it are rolled back.

        context  its institution reads its own rows of protected tables
        raises   Unavailable  DATABASE_UNAVAILABLE
        """
        self.check_revisions()
        with translate_errors(), Session(self.reader) as session:
            with translate_connection_errors():
                self._set_context(session, context, is_write=False)
            yield session

    def rows(self, statement: str, parameters: Sequence[Any], context: Context = READER) -> list[Any]:
        """Return the rows of one SELECT, with the driver's own placeholders: for the most frequent reads.

        A session takes four times as long as SQLite's answer. Each statement reads a consistent snapshot; on PostgreSQL
        it is sent without BEGIN and ROLLBACK. The institution is set only in a database that has protected tables.

        context  its institution reads its own rows of protected tables; no institution by default
        raises   Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
        """
        self.check_revisions()
        with translate_errors(), telemetry.span("SELECT", kind="client", db_statement=statement):
            connection = self._take()
            try:
                cursor = connection.cursor()
                if self.origin.protected_tables:
                    statement = self._limit(statement, connection, cursor, context)
                cursor.execute(statement, parameters)
                rows = list(cursor.fetchall())
            except self._driver_error as problem:
                is_lost = self.is_sqlite or connection.dbapi_connection.closed
                if is_lost:
                    connection.invalidate(problem)
                connection.close()
                raise OperationalError(statement, None, problem, connection_invalidated=is_lost) from problem
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
            return rows

    def _take(self) -> Any:
        while self._ready:
            with suppress(IndexError):  # another thread took the last one
                ready = self._ready.pop()
                if self.is_sqlite or self._limits.is_fresh(ready.dbapi_connection):
                    return ready
                ready.close()  # the pool asks the server before it lends a connection
        try:
            connection: Any = self.reader.raw_connection()
            if self._reads_alone:
                connection.dbapi_connection.autocommit = True
            return connection
        except self._driver_error as problem:
            # SQLAlchemy does not wrap the driver's errors here.
            raise OperationalError(None, None, problem, connection_invalidated=True) from problem

    def _give_back(self, connection: Any) -> None:
        """A SELECT leaves nothing open, so the next call of `rows` uses its connection, outside the pool."""
        if len(self._ready) < self._most_ready:
            if not self.is_sqlite:
                connection.dbapi_connection.used_at = time.monotonic()
            self._ready.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._before_close:
            self._before_close.pop()()
        while self._ready:
            self._ready.pop().close()
        self.writer.dispose()
        self.reader.dispose()
        if self.is_sqlite:
            self._write_turn.close()

    def _set_context(self, session: Session, context: Context, *, is_write: bool) -> None:
        """Set the institution and, on PostgreSQL in the same statement, the longest time of a statement."""
        if self.is_sqlite:
            session.connection().info["institution"] = stored_institution(context.institution)
            return
        seconds = self._limits.statement_seconds(context, is_write=is_write)
        driver_connection: Any = session.connection().connection.dbapi_connection
        driver_connection.limit_seconds = seconds + self._limits.MARGIN_SECONDS
        session.execute(_SET_CONTEXT, {"institution": context.institution, "timeout": str(int(seconds * 1000))})

    def _limit(self, statement: str, connection: Any, cursor: Any, context: Context) -> str:
        """Set the institution for a statement of `rows`; return the statement to run."""
        if not self.is_sqlite:
            cursor.execute(SET_INSTITUTION.format("%s"), (context.institution,))
            return statement
        connection.info["institution"] = stored_institution(context.institution)
        return limit_to_institution(statement, self.origin.protected_tables)

    def _changes(self, session: Session) -> int:
        """Return the number of changes on this connection; two calls show whether a transaction wrote."""
        connection = session.connection()
        if self.is_sqlite:
            return int(connection.connection.dbapi_connection.total_changes)  # type: ignore[union-attr]
        return int(connection.info.get("writes", 0))

    def acts_wait(self) -> bool:
        """Whether an act of any process waits for the write turn of SQLite: then a batch ends its transaction soon."""
        return self.is_sqlite and self._write_turn.acts_wait()

    @contextmanager
    def _turn(self, context: Context) -> Iterator[None]:
        """On SQLite admit one writer, from before BEGIN until after COMMIT: the engine's commit event is too early.

        raises  TooLate      DEADLINE_PASSED
                Unavailable  DATABASE_BUSY
        """
        context.check_deadline()
        if not self.is_sqlite:
            yield
            return
        seconds = context.remaining()
        with ExitStack() as stack:
            try:
                longest = WRITE_WAIT_SECONDS if seconds is None else seconds
                stack.enter_context(self._write_turn.take(longest, batch=context.batch))
            except TimeoutError:
                context.check_deadline()
                raise Unavailable("DATABASE_BUSY") from None
            yield


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


def _count_write(
    connection: Any, cursor: Any, _statement: str, _parameters: Any, _context: Any, _executemany: bool
) -> None:
    """Count the statements of a PostgreSQL connection that changed something."""
    if cursor.rowcount != 0 and (cursor.statusmessage or "").partition(" ")[0] not in READ_TAGS:
        connection.info["writes"] = connection.info.get("writes", 0) + 1


def _sqlite_engine(
    url: str, *, begin: str, pool_size: int, protected_tables: tuple[str, ...], mapped_bytes: int = 0
) -> Engine:
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=0, hide_parameters=True,  # in errors, because they may be personal
        connect_args={"check_same_thread": False, "timeout": 30},
    )  # fmt: skip

    telemetry.watch_sql(engine, event.listen)
    marker = Path(f"{engine.url.database}{RESTORING}")

    @event.listens_for(engine, "do_connect")
    def _refuse_unfinished(_dialect: Any, _record: Any, _arguments: Any, _options: Any) -> None:
        if marker.exists():
            raise Unavailable("RESTORE_UNFINISHED", database=str(engine.url.database))

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        information = record.info
        connection.create_function(INSTITUTION_FUNCTION, 0, lambda: information.get("institution"))
        for pragma in (*PRAGMAS, f"mmap_size={mapped_bytes}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    if protected_tables:

        @event.listens_for(engine, "before_cursor_execute", retval=True)
        def _limit(
            _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
        ) -> tuple[str, Any]:
            return limit_to_institution(statement, protected_tables), parameters

    return engine
