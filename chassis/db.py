"""A service's database: transaction() for writers, reading() and rows() for readers; only this module commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Engine, Integer, LargeBinary, MetaData, Uuid, create_engine, event, text
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine

from chassis import telemetry
from chassis.context import READER, Context
from chassis.errors import Conflict, Unavailable
from chassis.nesting import transaction_on
from chassis.table_access import FUNCTION as INSTITUTION_FUNCTION
from chassis.table_access import SET_INSTITUTION, limit_to_institution, stored_institution
from chassis.write_turn import WriteTurn

# The chassis' own tables, which every service's database has; their revisions are in chassis/migrations.
chassis_tables = MetaData()

# 64 bits for counts and generated numbers; SQLite generates row ids only for its own INTEGER.
BigNumber = BigInteger().with_variant(Integer, "sqlite")

# PostgreSQL's SQLSTATEs
UNDEFINED_TABLE = "42P01"
DEADLOCK, SERIALIZATION_FAILURE = "40P01", "40001"
# Command tags of statements that change no row.
READING_TAGS = frozenset({"BEGIN", "COMMIT", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW"})
WRITE_WAIT_SECONDS = 60.0  # of a writer without a deadline, for the writers before it
READY_CONNECTIONS = 2  # kept outside the pool for `rows`, on SQLite
MAPPED_BYTES = 256 * 1024 * 1024  # of SQLite's file, mapped by readers: ten rows take 23 µs instead of 33

Result = TypeVar("Result")


class Id(TypeDecorator[UUID]):
    """A UUID: the type of PostgreSQL; 16 bytes on SQLite, half the size of SQLAlchemy's text in rows and indexes."""

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
    """A time, aware UTC in and out; SQLite stores no zone, so results get UTC."""

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


class Database:
    """One service's database.

    url        SQLAlchemy URL; sqlite:///path or postgresql+psycopg://…
    pool_size  largest number of connections
    walled     tables whose rows only their institution reads, as the service's manifest names them
    """

    def __init__(self, url: str, *, pool_size: int = 16, walled: tuple[str, ...] = ()) -> None:
        self.url = make_url(url)
        self.walled = walled
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._after_commit: list[Callable[[], None]] = []
        self._name = self.url.render_as_string(hide_password=False)
        if self.is_sqlite:
            path = Path(self.url.database or "")
            with _translate_folder_error(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
            self._write_turn = WriteTurn(path.with_name(path.name + ".lock"))
            self.writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, walled=walled)
            self.reader = _sqlite_engine(
                url, begin="BEGIN", pool_size=pool_size, walled=walled, mapped_bytes=MAPPED_BYTES
            )
        else:
            self.writer = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)
            telemetry.watch_sql(self.writer, event.listen)
            event.listen(self.writer, "after_cursor_execute", _note_write)
            self.reader = self.writer.execution_options(postgresql_readonly=True)
        self._driver_error: type[Exception] = self.reader.dialect.loaded_dbapi.Error
        self._ready: list[Any] = []

    @property
    def origin(self) -> Database:
        """The database itself; of a lease holder's database, the one that it was made from."""
        return self

    def after_commit(self, call: Callable[[], None]) -> None:
        """Register a short function, called after each commit that wrote: it wakes threads that wait for work."""
        self._after_commit.append(call)

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Session]:
        """Commit at the end of the block; roll back if the block raises.

        context  its institution reads and writes its own rows of walled tables; its deadline limits the wait for others
        raises   Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
                 TooLate      DEADLINE_PASSED, before anything was done
                 Conflict     WRITE_CONFLICT, nothing of it was kept; see `run`
                 NestedWork   this thread has a transaction open on this database
        """
        wrote = False
        with (
            transaction_on(self._name),
            self._turn(context),
            _translate_loss(),
            Session(self.writer, expire_on_commit=False) as session,
        ):
            with _translate_outage():
                self._set_institution(session, context)
                changes = self._changes(session)
            yield session
            with _translate_outage():
                session.flush()
                wrote = self._changes(session) != changes
                session.commit()
        if wrote:
            for call in self._after_commit:
                call()

    def run(self, context: Context, act: Callable[[Session], Result]) -> Result:
        """Run a function in a transaction, and once more in a new one when PostgreSQL gave it up for another writer.

        act     does nothing outside its session, so that it may be done twice
        raises  as `transaction` does, and what `act` raises
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
        """A connection of PostgreSQL whose statements are kept one by one and wake nobody: for leases.

        raises  Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY
        """
        with _translate_loss(), _translate_outage(), self.writer.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self, context: Context) -> Iterator[Session]:
        """Read a consistent snapshot; nothing written in it is kept.

        context  its institution reads its own rows of walled tables
        raises   Unavailable  DATABASE_UNAVAILABLE
        """
        with _translate_loss(), Session(self.reader) as session:
            with _translate_outage():
                self._set_institution(session, context)
            yield session

    def rows(self, statement: str, parameters: Sequence[Any], context: Context = READER) -> list[Any]:
        """Return the rows of one SELECT, with the driver's own placeholders: for the most frequent reads.

        A session costs four times what SQLite takes to answer. Each statement is a consistent snapshot. The
        institution is set only in a database that has walled tables: elsewhere nothing depends on it.

        context  its institution reads its own rows of walled tables; by default nobody's
        raises   Unavailable  DATABASE_UNAVAILABLE
        """
        with _translate_loss(), telemetry.span("SELECT", kind="client", db_statement=statement):
            connection = self._take()
            try:
                cursor = connection.cursor()
                if self.origin.walled:
                    statement = self._limit(statement, connection, cursor, context)
                cursor.execute(statement, parameters)
                rows = list(cursor.fetchall())
            except self._driver_error as problem:
                connection.invalidate()
                connection.close()
                raise OperationalError(statement, None, problem, connection_invalidated=True) from problem
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
            return rows

    def _take(self) -> Any:
        try:
            return self._ready.pop()
        except IndexError:
            with _translate_outage():
                return self.reader.raw_connection()

    def _give_back(self, connection: Any) -> None:
        """On SQLite one SELECT leaves nothing open: its connection is kept for the next, outside the pool."""
        if self.is_sqlite and len(self._ready) < READY_CONNECTIONS:
            self._ready.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._ready:
            self._ready.pop().close()
        self.writer.dispose()
        self.reader.dispose()
        if self.is_sqlite:
            self._write_turn.close()

    def _set_institution(self, session: Session, context: Context) -> None:
        if self.is_sqlite:
            session.connection().info["institution"] = stored_institution(context.institution)
        else:
            session.execute(text(SET_INSTITUTION.format(":institution")), {"institution": context.institution})

    def _limit(self, statement: str, connection: Any, cursor: Any, context: Context) -> str:
        """Set the institution of one `rows` statement; returns the statement to run."""
        if not self.is_sqlite:
            cursor.execute(SET_INSTITUTION.format("%s"), (context.institution,))
            return statement
        connection.info["institution"] = stored_institution(context.institution)
        return limit_to_institution(statement, self.origin.walled)

    def _changes(self, session: Session) -> int:
        """Count of what this connection has written; its difference says whether a transaction wrote."""
        connection = session.connection()
        if self.is_sqlite:
            return int(connection.connection.dbapi_connection.total_changes)  # type: ignore[union-attr]
        return int(connection.info.get("writes", 0))

    @contextmanager
    def _turn(self, context: Context) -> Iterator[None]:
        """On SQLite one writer at a time, from before BEGIN until after COMMIT: the engine's commit event is too early.

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
                stack.enter_context(self._write_turn.take(WRITE_WAIT_SECONDS if seconds is None else seconds))
            except TimeoutError:
                context.check_deadline()
                raise Unavailable("DATABASE_BUSY") from None
            yield


@contextmanager
def _translate_loss() -> Iterator[None]:
    """Raise a lost connection or a full disk as Unavailable; let the error of a wrong statement pass.

    raises  Unavailable  DATABASE_UNAVAILABLE, DATABASE_BUSY, DISK_FULL, DATABASE_NOT_MIGRATED
            Conflict     WRITE_CONFLICT
    """
    try:
        yield
    except PoolTimeoutError as problem:
        raise Unavailable("DATABASE_BUSY") from problem
    except DBAPIError as problem:
        if _sqlstate(problem) in (DEADLOCK, SERIALIZATION_FAILURE):
            raise Conflict("WRITE_CONFLICT") from problem
        if "no such table" in str(problem.orig) or _sqlstate(problem) == UNDEFINED_TABLE:
            raise Unavailable("DATABASE_NOT_MIGRATED") from problem
        if not problem.connection_invalidated and not _is_full(problem):
            raise
        with _translate_outage():
            raise


@contextmanager
def _translate_outage() -> Iterator[None]:
    try:
        yield
    except DBAPIError as problem:
        if _sqlstate(problem) in (DEADLOCK, SERIALIZATION_FAILURE):
            raise Conflict("WRITE_CONFLICT") from problem
        if not (isinstance(problem, InterfaceError | OperationalError) or problem.connection_invalidated):
            raise
        if _is_full(problem):
            raise Unavailable("DISK_FULL") from problem
        raise Unavailable("DATABASE_UNAVAILABLE") from problem


def _sqlstate(problem: DBAPIError) -> str:
    return str(getattr(problem.orig, "sqlstate", ""))


def _note_write(
    connection: Any, cursor: Any, _statement: str, _parameters: Any, _context: Any, _executemany: bool
) -> None:
    """Count the statements of a PostgreSQL connection that changed something."""
    if cursor.rowcount != 0 and (cursor.statusmessage or "").partition(" ")[0] not in READING_TAGS:
        connection.info["writes"] = connection.info.get("writes", 0) + 1


def _is_full(problem: DBAPIError) -> bool:
    return "disk is full" in str(problem.orig) or "No space left" in str(problem.orig)


@contextmanager
def _translate_folder_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None


def _sqlite_engine(url: str, *, begin: str, pool_size: int, walled: tuple[str, ...], mapped_bytes: int = 0) -> Engine:
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=0, connect_args={"check_same_thread": False, "timeout": 30}
    )

    telemetry.watch_sql(engine, event.listen)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        information = record.info
        connection.create_function(INSTITUTION_FUNCTION, 0, lambda: information.get("institution"))
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.execute(f"PRAGMA mmap_size={mapped_bytes}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    if walled:

        @event.listens_for(engine, "before_cursor_execute", retval=True)
        def _limit(
            _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
        ) -> tuple[str, Any]:
            return limit_to_institution(statement, walled), parameters

    return engine
