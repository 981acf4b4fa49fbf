"""Statements of hot paths: compiled once, and executed on the driver's own connection."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Engine, Select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from chassis import telemetry


class Statements:
    """An open transaction in which prepared statements run without SQLAlchemy's session; see `Database`.

    A session takes 60 to 100 µs to execute a statement, mostly to find the compiled statement; this takes 10 µs.

    wrote  whether a statement has changed a row
    """

    __slots__ = ("_bind", "_cursor", "_limit")

    def __init__(self, bind: Engine, cursor: Any, limit: Callable[[str], str]) -> None:
        """
        limit  limits a statement to the rows of the transaction's institution
        """
        self._bind, self._cursor, self._limit = bind, cursor, limit

    def get_bind(self) -> Engine:
        """Return the engine, like the method of a session."""
        return self._bind

    def run(self, statement: str, parameters: Any, *, many: bool = False) -> Any:
        """Execute a statement with the driver's placeholders and values. Returns the cursor.

        many  `parameters` has the parameters of many rows; the statement is executed once for each
        """
        execute = self._cursor.executemany if many else self._cursor.execute
        if telemetry.is_tracing():
            with telemetry.span(statement.split(None, 1)[0], kind="client", db_statement=statement):
                execute(self._limit(statement), parameters)
        else:
            execute(self._limit(statement), parameters)
        return self._cursor

    def fetch(self, statement: str, parameters: Any) -> list[Any]:
        """Execute a SELECT, or a statement with RETURNING. Returns the driver's rows."""
        return list(self.run(statement, parameters).fetchall())

    def close(self) -> None:
        """Close the cursor, before another thread takes the connection.

        A cursor holds its last statement until it is destroyed, and then resets it. The connection has one statement
        for one SQL text, so the reset could come while the next thread binds values to it, which SQLite then refuses.
        """
        self._cursor.close()


class SessionStatements(Statements):
    """Statements in a session's transaction, on SQLite; errors of the driver are raised as a session raises them."""

    __slots__ = ()

    def run(self, statement: str, parameters: Any, *, many: bool = False) -> Any:
        try:
            return super().run(statement, parameters, many=many)
        except self._driver_error as problem:
            raise self._wrapped(problem) from problem

    def fetch(self, statement: str, parameters: Any) -> list[Any]:
        try:
            return super().fetch(statement, parameters)
        except self._driver_error as problem:
            raise self._wrapped(problem) from problem

    @property
    def _driver_error(self) -> type[Exception]:
        error: type[Exception] = self._bind.dialect.loaded_dbapi.Error
        return error

    def _wrapped(self, problem: Exception) -> Exception:
        return DBAPIError.instance(None, None, problem, self._driver_error, dialect=self._bind.dialect)


AnySession = Session | Statements
_STATEMENTS = "statements"  # key in a session's `info`


def add_statements(session: Session, statements: SessionStatements) -> None:
    """Let prepared statements of a session run on the driver's connection."""
    session.info[_STATEMENTS] = statements


def close_statements(session: Session) -> None:
    """Close the cursor of a session's prepared statements."""
    statements = session.info.pop(_STATEMENTS, None)
    if statements is not None:
        statements.close()


def statements_of(session: AnySession) -> Statements | None:
    """Return the Statements of this transaction; None for a session on PostgreSQL."""
    return session if isinstance(session, Statements) else session.info.get(_STATEMENTS)


class Prepared:
    """A statement of a hot path that is compiled once for each dialect and set of parameters.

    statement  a statement of SQLAlchemy Core, with bindparam() for values; an INSERT gets the columns of the values
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, frozenset[str]], _Form] = {}

    def execute(self, session: AnySession, values: Mapping[str, Any]) -> int:
        """Execute an INSERT, UPDATE or DELETE in an open transaction. Returns the number of rows."""
        statements = statements_of(session)
        form = self._form(session, statements, values)
        if statements is None:
            return int(_connection(session).exec_driver_sql(form.sql, form.parameters(values)).rowcount)
        return int(statements.run(form.sql, form.parameters(values)).rowcount)

    def rows(self, session: AnySession, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a SELECT as named tuples, with values of its columns' types."""
        statements = statements_of(session)
        form = self._form(session, statements, values)
        parameters = form.parameters(values)
        if statements is None:
            rows: Any = _connection(session).exec_driver_sql(form.sql, parameters)
        else:
            rows = statements.fetch(form.sql, parameters)
        return [form.read(row) for row in rows]

    def first(self, session: AnySession, values: Mapping[str, Any]) -> Any:
        """Return the first row of a SELECT; None without one."""
        rows = self.rows(session, values)
        return rows[0] if rows else None

    def _form(self, session: AnySession, statements: Statements | None, values: Mapping[str, Any]) -> _Form:
        dialect = (session if statements is None else statements).get_bind().dialect
        key = (dialect.name, frozenset(values))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._statement, dialect, values)
        return form


def whole(session: AnySession) -> Session:
    """Return a session that is more than Statements."""
    assert isinstance(session, Session)
    return session


def _connection(session: AnySession) -> Connection:
    return whole(session).connection()


class _Form:
    """A statement compiled for one dialect and one set of parameters."""

    def __init__(self, statement: Any, dialect: Any, values: Mapping[str, Any]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(values))
        self.sql: str = compiled.string
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        processors = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in binds.items()}
        # Values in the statement itself, as in `version + 1`.
        self._own = {
            name: processors[name](bind.effective_value) if processors[name] else bind.effective_value
            for name, bind in binds.items()
            if name not in values
        }
        self._by_place = bool(compiled.positional)
        self._names = list(compiled.positiontup or ()) if self._by_place else list(binds)
        # itemgetter takes half of the time of a comprehension, but returns no tuple for one name.
        self._get: Callable[[Mapping[str, Any]], Any] | None = (
            itemgetter(*self._names) if len(self._names) > 1 else None
        )
        self._converted = [
            (place, processors[name])
            for place, name in enumerate(self._names)
            if processors[name] and name not in self._own
        ]
        self._readers: list[tuple[int, Callable[[Any], Any]]] = []
        if isinstance(statement, Select):
            columns = list(statement.selected_columns)
            self._make = namedtuple("Row", [str(column.key) for column in columns])._make  # type: ignore[attr-defined]
            for place, column in enumerate(columns):
                reader = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if reader is not None:
                    self._readers.append((place, reader))

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Convert values to parameters of the driver."""
        if self._own:
            values = {**values, **self._own}
        parameters = list(self._get(values)) if self._get is not None else [values[name] for name in self._names]
        for place, processor in self._converted:
            parameters[place] = processor(parameters[place])
        return tuple(parameters) if self._by_place else dict(zip(self._names, parameters, strict=True))

    def read(self, row: Sequence[Any]) -> Any:
        """Convert a row of the driver to a named tuple."""
        values = list(row)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return self._make(values)
