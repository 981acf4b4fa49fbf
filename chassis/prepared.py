"""Statements of hot paths: compiled once, and executed on the driver's own connection."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from chassis import telemetry


class Statements:
    """An open transaction in which prepared statements run without SQLAlchemy's session; see `Database`.

    The session takes 60 to 100 µs to execute a statement, most of it to find the compiled one; this takes ten.

    wrote  whether a statement has changed a row
    """

    __slots__ = ("_bind", "_cursor", "_limit", "wrote")

    def __init__(self, bind: Engine, cursor: Any, limit: Callable[[str], str]) -> None:
        """
        limit  converts a statement to one that is limited to the rows of the transaction's institution
        """
        self._bind, self._cursor, self._limit = bind, cursor, limit
        self.wrote = False

    def get_bind(self) -> Engine:
        """Return the engine, as a session does."""
        return self._bind

    def run(self, statement: str, parameters: Any) -> Any:
        """Execute a statement with the driver's placeholders and values. Returns the cursor."""
        if telemetry.is_tracing():
            with telemetry.span(statement.split(None, 1)[0], kind="client", db_statement=statement):
                self._cursor.execute(self._limit(statement), parameters)
        else:
            self._cursor.execute(self._limit(statement), parameters)
        return self._cursor


AnySession = Session | Statements


class Prepared:
    """A statement of a hot path that is compiled once for each dialect and set of parameters.

    statement  of Core, with bindparam() for values; an INSERT takes the columns that are given
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, frozenset[str]], _Form] = {}

    def execute(self, session: AnySession, values: Mapping[str, Any]) -> int:
        """Execute an INSERT, UPDATE or DELETE in an open transaction. Returns the number of rows."""
        cursor, _ = self._run(session, values)
        count = int(cursor.rowcount)
        if count and isinstance(session, Statements):
            session.wrote = True
        return count

    def rows(self, session: AnySession, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a SELECT as named tuples, with values of its columns' types."""
        cursor, form = self._run(session, values)
        return [form.read(row) for row in cursor.fetchall()]

    def first(self, session: AnySession, values: Mapping[str, Any]) -> Any:
        """Return the first row of a SELECT; None without one."""
        rows = self.rows(session, values)
        return rows[0] if rows else None

    def _run(self, session: AnySession, values: Mapping[str, Any]) -> tuple[Any, _Form]:
        target: Statements | Connection
        if isinstance(session, Statements):
            target, dialect = session, session.get_bind().dialect
        else:
            target = session.connection()
            dialect = target.dialect
        key = (dialect.name, frozenset(values))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._statement, dialect, values)
        parameters = form.parameters(values)
        if isinstance(target, Statements):
            return target.run(form.sql, parameters), form
        return target.exec_driver_sql(form.sql, parameters), form


class _Form:
    """A statement as one dialect executes it with one set of parameters."""

    def __init__(self, statement: Any, dialect: Any, values: Mapping[str, Any]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(values))
        self.sql: str = compiled.string
        self._names: Sequence[str] = compiled.positiontup or ()
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        processors = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in binds.items()}
        # Values that the statement has itself, as in `version + 1`.
        self._own = {
            name: processors[name](bind.effective_value) if processors[name] else bind.effective_value
            for name, bind in binds.items()
            if name not in values
        }
        self._processors = [(name, processor) for name, processor in processors.items() if name not in self._own]
        self._readers: list[tuple[int, Callable[[Any], Any]]] = []
        if isinstance(statement, Select):
            columns = list(statement.selected_columns)
            self._make = namedtuple("Row", [str(column.key) for column in columns])._make  # type: ignore[attr-defined]
            for place, column in enumerate(columns):
                reader = column.type.dialect_impl(dialect).result_processor(dialect, None)
                if reader is not None:
                    self._readers.append((place, reader))

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Return the parameters of the driver."""
        parameters = self._own.copy()
        for name, processor in self._processors:
            parameters[name] = values[name] if processor is None else processor(values[name])
        return tuple([parameters[name] for name in self._names]) if self._names else parameters

    def read(self, row: Sequence[Any]) -> Any:
        """Return a row of the driver as a named tuple."""
        values = list(row)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return self._make(values)
