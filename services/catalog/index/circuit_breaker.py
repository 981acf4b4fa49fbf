"""A circuit breaker for an index on another machine: while the engine does not answer, searches fail at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from chassis.errors import Unavailable
from services.catalog.index.matches import And, Match
from services.catalog.index.port import Change, Hits, Index, Rebuild, Request, Sums, search_unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PROBE_SECONDS = 1.0
# The client's errors when nothing answered. An engine that refuses a request answers at once, with other errors.
CONNECTION_ERRORS = frozenset({"ConnectionError", "ConnectionTimeout", "TlsError", "TransportError"})
_PROBE = Request(And(()), limit=0)


class CircuitBreaker:
    """An Index that answers searches with SEARCH_UNAVAILABLE at once while its engine does not answer.

    The first failing call waits for the client's timeout. Then every search fails at once until a probe, sent once a
    second, gets an answer. Writes pass through, because writers retry by themselves.
    """

    def __init__(self, index: Index, *, probe_seconds: float = PROBE_SECONDS) -> None:
        self._index, self._probe_seconds = index, probe_seconds
        self._error = ""  # the connection error that opened the circuit; "" while it is closed
        self._opening = threading.Lock()
        self._closed = threading.Event()

    def search(self, request: Request) -> Hits:
        return self._call(lambda: self._index.search(request))

    def totals(
        self, matches: Iterable[Match], *, filters: Mapping[str, tuple[str, ...]] | None = None
    ) -> Iterator[int]:
        return self._call(lambda: self._index.totals(matches, filters=filters))

    def matching(self, matches: Sequence[Match], numbers: Sequence[int]) -> list[frozenset[int]]:
        return self._call(lambda: self._index.matching(matches, numbers))

    def near_words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        return self._call(lambda: self._index.near_words(token, fields=fields, distance=distance, limit=limit))

    def known_words(self, words: Iterable[str], *, fields: Sequence[str]) -> list[str]:
        return self._call(lambda: self._index.known_words(words, fields=fields))

    def count_values(self, field: str, values: Sequence[str]) -> dict[str, int]:
        return self._call(lambda: self._index.count_values(field, values))

    def count(self) -> int:
        return self._call(self._index.count)

    def sums(self) -> Sums:
        return self._call(self._index.sums)

    def name(self) -> str:
        return self._index.name()

    def marker_fault(self) -> str:
        return self._index.marker_fault()

    def fault(self) -> str:
        return self._index.fault()

    def write(self, changes: Iterable[Change]) -> None:
        self._index.write(changes)

    def begin_rebuild(self, name: str) -> Rebuild:
        return self._index.begin_rebuild(name)

    def unfinished_rebuild(self) -> Rebuild | None:
        return self._index.unfinished_rebuild()

    def delete_old(self) -> None:
        self._index.delete_old()

    def close(self) -> None:
        self._closed.set()
        self._index.close()

    def _call(self, call: Callable[[], T]) -> T:
        if self._error:
            raise search_unavailable(self._error)
        try:
            return call()
        except Unavailable as problem:
            error = str(problem.facts.get("why", ""))
            if error in CONNECTION_ERRORS:
                self._open(error)
            raise

    def _open(self, error: str) -> None:
        with self._opening:
            if self._error:
                return
            self._error = error
        log.warning("search_engine_silent", extra={"why": error})
        threading.Thread(target=self._probe, name="search-engine-probe", daemon=True).start()

    def _probe(self) -> None:
        start = time.monotonic()
        while not self._closed.wait(self._probe_seconds):
            try:
                self._index.search(_PROBE)
            except Unavailable as problem:
                if str(problem.facts.get("why", "")) in CONNECTION_ERRORS:
                    continue
            self._error = ""
            log.warning("search_engine_answers", extra={"seconds": round(time.monotonic() - start, 1)})
            return
