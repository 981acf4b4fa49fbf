"""Refuses a second transaction or a call of another service in a thread that has an open transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_threads = threading.local()


class NestedWork(RuntimeError):
    """A programming error: work that may wait for its own thread. Callers never receive it."""


@contextmanager
def transaction_on(database: str) -> Iterator[None]:
    """Record, for the duration of the block, that this thread has an open transaction on a database.

    database  URL of the database
    raises    NestedWork  this thread already has an open transaction on it: pass the session down instead
    """
    databases = _databases()
    if database in databases:
        raise NestedWork("a transaction on this database is open in this thread: pass its session down")
    databases.append(database)
    try:
        yield
    finally:
        databases.remove(database)


def refuse_call_in_transaction(service: str) -> None:
    """Refuse to wait for another service while rows are locked.

    raises  NestedWork  this thread has an open transaction: call before it begins, or emit an event
    """
    if _databases():
        raise NestedWork(f"a call to {service} inside a transaction: call before it begins, or emit an event")


def _databases() -> list[str]:
    try:
        databases: list[str] = _threads.databases
    except AttributeError:
        databases = _threads.databases = []
    return databases
