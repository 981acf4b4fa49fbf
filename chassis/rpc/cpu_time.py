"""CPU time of a request: that of its coroutine and that of its calls of services.

The gateway counts it against the caller's limit. Services measure their methods. For a call inside this process, the
time of the thread is added when the call returns. For another process, the reply's trailing metadata has the time.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Generator, Iterable
from contextvars import ContextVar
from typing import Any

# Trailing metadata of a reply: microseconds of CPU time, as decimal digits.
METADATA_KEY = "x-cpu-us"


class CpuTime:
    """Seconds of CPU time, counted up while the request runs."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


_of_request: ContextVar[CpuTime | None] = ContextVar("cpu_time", default=None)


class Measured:
    """Awaits a coroutine. `cpu.seconds` is the CPU time of its steps plus the seconds passed to `add` meanwhile."""

    __slots__ = ("_coroutine", "cpu")

    def __init__(self, coroutine: Awaitable[None]) -> None:
        self._coroutine: Any = coroutine
        self.cpu = CpuTime()

    def __await__(self) -> Generator[Any, Any, None]:
        cpu, coroutine = self.cpu, self._coroutine
        _of_request.set(cpu)
        step, argument = coroutine.send, None
        while True:
            start = time.thread_time()
            try:
                future = step(argument)
            except StopIteration:
                return
            finally:
                cpu.seconds += time.thread_time() - start
            try:
                argument = yield future
                step = coroutine.send
            except BaseException as raised:  # also a cancellation, which the coroutine must handle
                argument, step = raised, coroutine.throw


def add(seconds: float) -> None:
    """Count CPU time of the current request outside the steps of its coroutine."""
    cpu = _of_request.get()
    if cpu is not None:
        cpu.seconds += seconds


def add_metadata(trailing_metadata: Iterable[Any] | None) -> None:
    """Count the CPU time that another process reported."""
    for key, value in trailing_metadata or ():
        if key == METADATA_KEY and value.isdigit():
            add(int(value) / 1e6)
