"""What a thread must not do while it has a transaction open: begin another one there, or call another service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_threads = threading.local()


class NestedWork(RuntimeError):
    """A programming error: work that may wait for its own thread. Not an answer for a caller."""


@contextmanager
def transaction_on(database: str) -> Iterator[None]:
    """Note, for the length of the block, that this thread has a transaction open on a database.

    database  its URL
    raises    NestedWork  this thread has one open there already: pass the session down instead
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

    raises  NestedWork  this thread has a transaction open: call before it begins, or emit a fact
    """
    if _databases():
        raise NestedWork(f"a call to {service} inside a transaction: call before it begins, or emit a fact")


def _databases() -> list[str]:
    try:
        databases: list[str] = _threads.databases
    except AttributeError:
        databases = _threads.databases = []
    return databases
