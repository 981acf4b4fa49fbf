"""What a process has in hand, in a file beside its SQLite database: what it died of, if it should die of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.db import Database

LENGTH = (
    256  # of every writing: a file cut to nothing and written anew is forced to the disk by ext4, thousands of times
)


class CrashMarker:
    """One key at a time. Not forced to the disk: it outlives the process, and a power cut was not the key's fault."""

    def __init__(self, database: Database) -> None:
        path = f"{database.url.database}.in-hand" if database.is_sqlite else os.devnull
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def left_behind(self) -> str:
        """The key an earlier process had in hand when it died, "" when it had none."""
        return os.pread(self._handle, LENGTH, 0).decode().strip()

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        self._write(key)
        try:
            yield
        finally:
            self.put_down()

    def put_down(self) -> None:
        self._write("")

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, key: str) -> None:
        os.pwrite(self._handle, key.encode().ljust(LENGTH), 0)
