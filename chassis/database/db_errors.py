"""Translates the errors of databases and their drivers to errors with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from chassis.errors import Conflict, Error, Unavailable

# PostgreSQL's SQLSTATEs
UNDEFINED_TABLE = "42P01"
DEADLOCK, SERIALIZATION_FAILURE = "40P01", "40001"
# A timeout ended a statement or a wait for a lock.
QUERY_CANCELED, LOCK_NOT_AVAILABLE = "57014", "55P03"
READ_ONLY, INSUFFICIENT_PRIVILEGE = "25006", "42501"
# PostgreSQL refuses a connection, because it, the database or the role has the most that it may have. Such an error has
# no SQLSTATE, because no query has a result.
NO_CONNECTION_FREE = ("too many clients", "too many connections", "connection slots are reserved")
# Reasons for which the database accepts no connection.
AWAY = ("DATABASE_UNAVAILABLE", "DATABASE_CONNECTIONS_USED_UP")
# SQLite's messages about a file that is damaged, cannot be opened or is on a failing disk.
UNUSABLE_FILE = ("not a database", "malformed", "unable to open", "disk I/O error", "readonly database")


class _Translation:
    """A context manager that raises the driver's errors in its block as errors with a reason.

    It has no state, so one object serves all blocks: a generator for each block would be a hundredth of a search.

    is_connecting  returns whether an error with no other name means that the database does not answer
    """

    def __init__(self, is_connecting: Callable[[DBAPIError], bool]) -> None:
        self._is_connecting = is_connecting

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        if isinstance(problem, PoolTimeoutError):
            raise Unavailable("DATABASE_POOL_USED_UP") from problem
        if isinstance(problem, DBAPIError):
            error = _named(problem, is_connecting=self._is_connecting(problem))
            if error is not None:
                raise error from problem


def translate_errors() -> _Translation:
    """Raise a lost connection, a timeout or a full disk as Unavailable; the error of a wrong statement is not changed.

    raises  Unavailable  DATABASE_UNAVAILABLE, DATABASE_CONNECTIONS_USED_UP, DATABASE_POOL_USED_UP, DATABASE_BUSY,
                         DATABASE_READ_ONLY, DATABASE_RIGHT_MISSING, DISK_FULL, DATABASE_NOT_MIGRATED,
                         DATABASE_FILE_UNUSABLE
            Conflict     WRITE_CONFLICT
    """
    return _OF_STATEMENTS


def translate_connection_errors() -> _Translation:
    """Do the same for code without errors in statements: every operational error is one of the connection."""
    return _OF_CONNECTIONS


def is_outage(problem: BaseException) -> bool:
    """Return True when the database does not work for anybody, so that another attempt must wait for its return."""
    return is_away(problem) or (isinstance(problem, Unavailable) and problem.reason == "DATABASE_READ_ONLY")


def is_away(problem: BaseException) -> bool:
    """Return True when the database accepts no connection; the process logs that once, so the caller need not."""
    return isinstance(problem, Unavailable) and problem.reason in AWAY


def check_answers(session: Session) -> None:
    """Check that a database answers, and that it is not read-only: a standby, or one that an operator has set so.

    raises  Unavailable  DATABASE_READ_ONLY
    """
    if session.execute(_IS_READ_ONLY[session.get_bind().dialect.name]).scalar_one():
        raise Unavailable("DATABASE_READ_ONLY")


# This transaction is read-only itself, so not `transaction_read_only`. SQLite's lock for a write is not worth a check.
_IS_READ_ONLY = {
    "postgresql": text("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"),
    "sqlite": text("SELECT 0"),
}


def refuse_unusable_file(problem: DBAPIError) -> None:
    """Raise the error of a SQLite file that cannot be opened, read or written as Unavailable."""
    message = str(problem.orig)
    if any(text in message for text in UNUSABLE_FILE):
        raise Unavailable("DATABASE_FILE_UNUSABLE", why=message) from problem


def _named(problem: DBAPIError, *, is_connecting: bool) -> Error | None:
    """Return the error with a reason; None for the error of a statement."""
    state = str(getattr(problem.orig, "sqlstate", ""))
    if state in (DEADLOCK, SERIALIZATION_FAILURE):
        return Conflict("WRITE_CONFLICT")
    if "no such table" in str(problem.orig) or state == UNDEFINED_TABLE:
        return Unavailable("DATABASE_NOT_MIGRATED")
    if state == READ_ONLY:
        return Unavailable("DATABASE_READ_ONLY")
    # A row of another institution has the same SQLSTATE, but it is the error of a statement.
    if state == INSUFFICIENT_PRIVILEGE and "row-level security" not in str(problem.orig):
        return Unavailable("DATABASE_RIGHT_MISSING", why=str(problem.orig).strip().splitlines()[0])
    if any(message in str(problem.orig) for message in NO_CONNECTION_FREE):
        return Unavailable("DATABASE_CONNECTIONS_USED_UP")
    refuse_unusable_file(problem)
    if _is_full(problem):
        return Unavailable("DISK_FULL")
    if state in (QUERY_CANCELED, LOCK_NOT_AVAILABLE):
        return Unavailable("DATABASE_BUSY")
    if is_connecting or problem.connection_invalidated:
        return Unavailable("DATABASE_UNAVAILABLE")
    return None


def _is_full(problem: DBAPIError) -> bool:
    return "disk is full" in str(problem.orig) or "No space left" in str(problem.orig)


_OF_STATEMENTS = _Translation(lambda problem: problem.connection_invalidated or _is_full(problem))
_OF_CONNECTIONS = _Translation(lambda problem: isinstance(problem, InterfaceError | OperationalError))


@contextmanager
def translate_folder_error(folder: Path) -> Iterator[None]:
    """Raise Unavailable FOLDER_UNUSABLE for an OSError of a folder."""
    try:
        yield
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
