"""An index whose engine may be far away: while it is silent nobody waits, and one thread looks whether it is back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from chassis.errors import Unavailable
from services.catalog.index.errors import unavailable
from services.catalog.index.matches import And
from services.catalog.index.port import Change, Hits, Index, Rebuild, Request

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

LOOK_SECONDS = 1.0
# What the client calls it when nobody answered; an answer that refuses is none of these and comes at once.
SILENCE = frozenset({"ConnectionError", "ConnectionTimeout", "TlsError", "TransportError"})
_LOOK = Request(And(()), limit=0)


class Watched:
    """See services.catalog.index.Index. Only what answers readers is watched; writers try again by themselves.

    The first who meets silence waits as long as the client is patient; everybody else is told SEARCH_UNAVAILABLE at
    once, until a look at the engine, once a second, succeeds.
    """

    def __init__(self, index: Index, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._index, self._look_seconds = index, look_seconds
        self._silent = ""
        self._turning = threading.Lock()
        self._closed = threading.Event()

    def search(self, request: Request) -> Hits:
        return self._ask(lambda: self._index.search(request))

    def words(self, token: str, *, fields: Sequence[str], distance: int, limit: int) -> list[tuple[str, int]]:
        return self._ask(lambda: self._index.words(token, fields=fields, distance=distance, limit=limit))

    def tally(self, field: str, values: Sequence[str]) -> dict[str, int]:
        return self._ask(lambda: self._index.tally(field, values))

    def count(self) -> int:
        return self._ask(self._index.count)

    def name(self) -> str:
        return self._index.name()

    def trouble(self) -> str:
        return self._index.trouble()

    def write(self, changes: Iterable[Change]) -> None:
        self._index.write(changes)

    def begin_rebuild(self, name: str) -> Rebuild:
        return self._index.begin_rebuild(name)

    def rebuilding(self) -> Rebuild | None:
        return self._index.rebuilding()

    def retire(self) -> None:
        self._index.retire()

    def close(self) -> None:
        self._closed.set()
        self._index.close()

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        if self._silent:
            raise unavailable(self._silent)
        try:
            return call()
        except Unavailable as problem:
            why = str(problem.facts.get("why", ""))
            if why in SILENCE:
                self._fall_silent(why)
            raise

    def _fall_silent(self, why: str) -> None:
        with self._turning:
            if self._silent:
                return
            self._silent = why
        log.warning("search_engine_silent", extra={"why": why})
        threading.Thread(target=self._look, name="search-engine-look", daemon=True).start()

    def _look(self) -> None:
        begun = time.monotonic()
        while not self._closed.wait(self._look_seconds):
            try:
                self._index.search(_LOOK)
            except Unavailable as problem:
                if str(problem.facts.get("why", "")) in SILENCE:
                    continue
            self._silent = ""
            log.warning("search_engine_answers", extra={"seconds": round(time.monotonic() - begun, 1)})
            return
