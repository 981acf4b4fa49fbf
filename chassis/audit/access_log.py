"""The access log: audit rows of reads of personal data. Written in batches, not in the transaction of the read."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from chassis.audit import NO_FACTS, acts, row_of
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.database.db_errors import is_away
from chassis.errors import Error, TooLate, Unavailable

log = logging.getLogger(__name__)

BATCH = 200
WAIT_SECONDS = 0.5  # a read is in the database within a second
MOST_WAITING = 1_000
RETRY_SECONDS = 0.5
CLOSE_SECONDS = 5.0
WRITER = system("audit")


class AccessLog:
    """Collects the reads of one process and writes them in one transaction, after half a second or at 200 reads.

    A process that is killed loses the reads of its last second, because they are only in memory. While the database
    does not answer, reads wait. When 1,000 wait, `record` blocks its caller, because every read must be recorded.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(MOST_WAITING)
        self._stop = threading.Event()
        self._given_up = threading.Event()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()
        database.origin.before_close(self.close)

    def record(
        self, context: Context, act: str, *, kind: str, object_id: object, facts: Mapping[str, Any] = NO_FACTS
    ) -> None:
        """Record that the caller reads an object; call it before the reply is sent. Arguments as for audit.record.

        raises  TooLate      DEADLINE_PASSED   the queue stayed full until the caller's deadline
                Unavailable  AUDIT_CLOSED      the process ends
        """
        seconds = context.remaining()
        try:
            self._waiting.put(
                row_of(context, act, kind=kind, object_id=object_id, facts=facts),
                timeout=None if seconds is None else max(0.0, seconds),
            )
        except queue.Full:
            raise TooLate("DEADLINE_PASSED") from None
        if self._has_ended.is_set():
            raise Unavailable("AUDIT_CLOSED")

    def record_list(self, context: Context, act: str, *, shown: int, member_id: object = "", **parameters: Any) -> None:
        """Record that the caller reads a list about members, by one row with the parameters that are not empty.

        shown       number of entries in the reply
        member_id   the member that the list is about; "" for a list of the caller's institution
        parameters  of the request; never a typed text that may name a person
        """
        kind, object_id = ("member", member_id) if member_id else ("institution", context.institution)
        facts = {name: value for name, value in parameters.items() if value} | {"shown": shown}
        self.record(context, act, kind=kind, object_id=object_id, facts=facts)

    def close(self) -> None:
        """Write the waiting reads, and end; the database calls this when it is closed.

        If the database does not answer within five seconds, the reads are lost, and the loss is logged.
        """
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)
        self._given_up.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch:
                self._write(batch)
            elif self._has_ended.is_set():
                return
            elif self._stop.is_set():
                # From here `record` refuses new reads; the next batch has those before.
                self._has_ended.set()

    def _next_batch(self) -> list[dict[str, Any]]:
        """Wait for a read, then for more, until the batch is full or WAIT_SECONDS have passed."""
        batch: list[dict[str, Any]] = []
        end = time.monotonic() + WAIT_SECONDS
        while len(batch) < BATCH:
            try:
                seconds = 0.0 if self._stop.is_set() else max(0.0, end - time.monotonic())
                batch.append(self._waiting.get(timeout=seconds))
            except queue.Empty:
                break
        return batch

    def _write(self, batch: list[dict[str, Any]]) -> None:
        is_logged = False
        while True:
            try:
                with self._database.transaction(WRITER) as session:
                    session.execute(insert(acts), batch)
                return
            except (Error, DBAPIError) as problem:
                if self._given_up.is_set():
                    log.error("access_rows_lost", extra={"count": len(batch), "why": str(problem)})
                    return
                if not (is_logged or is_away(problem)):
                    log.warning("access_rows_wait", extra={"count": len(batch), "why": str(problem)})
                    is_logged = True
            self._given_up.wait(RETRY_SECONDS)
