"""The current time. No other module reads the clock."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

UNSYNCHRONISED = (-1, 5)  # an error, and TIME_ERROR of adjtimex(2)
TIMEX_BYTES = 512  # more than a struct timex
NOT_AHEAD = timedelta()

_frozen: datetime | None = None
_ahead = NOT_AHEAD


def now() -> datetime:
    """Return the current time, aware UTC."""
    return _frozen or datetime.now(UTC)


def utc_text(moment: datetime, timespec: str = "seconds") -> str:
    """Return an aware time as the API writes it: ISO 8601 in UTC, with `Z` at the end."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def uptime() -> float:
    """Return seconds that go on while the machine sleeps, and that no change of the clock changes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _frozen is None else (_frozen - _ahead).timestamp()


def is_synchronised() -> bool:
    """Return whether NTP keeps the clock, according to the kernel. After a change by hand it does not for a while."""
    # Zeros ask without changing anything.
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return _frozen is None and state not in UNSYNCHRONISED


@contextmanager
def frozen(moment: datetime, *, ahead: timedelta = NOT_AHEAD) -> Iterator[None]:
    """For tests: `now()` returns `moment` (aware) inside the block, in every thread of this process.

    ahead  how far the clock was set forward
    """
    global _frozen, _ahead
    before = _frozen, _ahead
    _frozen, _ahead = moment.astimezone(UTC), ahead
    try:
        yield
    finally:
        _frozen, _ahead = before
