"""Calls inside one process: the context a servicer is given, and streams between the event loop and a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, NoReturn

import grpc

from chassis.errors import Error
from chassis.rpc import status

# Replies that may lie between a servicer that is quick and a caller that is not.
AHEAD = 64
_END = object()


class Call(grpc.ServicerContext):
    """What a servicer's method gets in the place of gRPC's own context."""

    def __init__(self, metadata: Sequence[tuple[str, str]] | None, end: float | None) -> None:
        self._metadata = metadata or ()
        self._end = end
        self._active = True
        self._callbacks: list[Callable[[], None]] = []

    def invocation_metadata(self) -> Any:
        return self._metadata

    def time_remaining(self) -> Any:
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def in_time(self) -> None:
        """Raise TooLate when the deadline has passed."""
        if self._end is not None and time.monotonic() > self._end:
            raise status.too_late()

    def is_active(self) -> bool:
        return self._active and (self._end is None or time.monotonic() <= self._end)

    def end(self) -> None:
        """The call is over, however it ended."""
        if self._active:
            self._active = False
            for callback in self._callbacks:
                callback()

    def cancel(self) -> bool:
        self.end()
        return True

    def add_callback(self, callback: Callable[[], None]) -> bool:
        if self._active:
            self._callbacks.append(callback)
        return self._active

    def peer(self) -> str:
        return "inproc:"

    def peer_identities(self) -> None:
        return None

    def peer_identity_key(self) -> None:
        return None

    def auth_context(self) -> Mapping[str, Any]:
        return {}

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Nobody reads it here."""

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Nobody reads it here."""

    def set_code(self, code: Any) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def set_details(self, details: str) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def abort(self, code: Any, details: str) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")

    def abort_with_status(self, status: Any) -> NoReturn:
        raise NotImplementedError("a servicer raises chassis.errors.Error")


def requests_of(requests: Iterable[Any] | AsyncIterable[Any], call: Call) -> Iterator[Any]:
    """A caller's requests for a servicer's thread; an async iterable is advanced on the loop it belongs to."""
    if not isinstance(requests, AsyncIterable):
        return iter(requests)
    loop, theirs = asyncio.get_running_loop(), aiter(requests)

    async def advance() -> Any:
        return await anext(theirs, _END)

    def advanced() -> Iterator[Any]:
        while call.is_active():
            request = asyncio.run_coroutine_threadsafe(advance(), loop).result(call.time_remaining())
            if request is _END:
                return
            yield request

    return advanced()


class Replies:
    """A servicer's replies for the event loop; whoever drops them wants no more, as with gRPC's own."""

    def __init__(self, pool: Executor, begin: Callable[[], Iterator[Any]], call: Call) -> None:
        self._pool, self._call = pool, call
        self._maker = _Maker(begin, call)
        self._begun = self._over = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._over:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            self._pool.submit(self._maker.run)
        reply: Any
        try:
            async with asyncio.timeout(self._call.time_remaining()):
                reply = await self._maker.next()
        except TimeoutError:
            reply = status.too_late()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if reply is not _END and not isinstance(reply, Error):
            return reply
        self.cancel()
        if isinstance(reply, Error):
            raise reply
        raise StopAsyncIteration

    def cancel(self) -> None:
        self._over = True
        self._call.cancel()

    def __del__(self) -> None:
        self._call.cancel()


class _Maker:
    """Makes replies in one thread, at most AHEAD in advance, and hands them to the loop."""

    def __init__(self, begin: Callable[[], Iterator[Any]], call: Call) -> None:
        self._begin, self._call = begin, call
        self._ready: asyncio.Queue[Any] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        self._loop = asyncio.get_running_loop()
        # A thread that waits for room is let go when the call is over.
        call.add_callback(self._room.release)

    async def next(self) -> Any:
        reply = await self._ready.get()
        self._room.release()
        return reply

    def run(self) -> None:
        """In a thread: make replies until they end, fail, or nobody wants more."""
        replies = None
        try:
            replies = self._begin()
            for reply in replies:
                self._room.acquire()
                if not self._call.is_active():
                    return
                self._hand_over(reply)
        except Error as error:
            self._hand_over(status.received(error))
        else:
            self._hand_over(_END)
        finally:
            if replies is not None:
                replies.close()  # type: ignore[attr-defined]  # a generator, as every guarded stream is

    def _hand_over(self, reply: Any) -> None:
        # The loop may have been closed since: then there is nobody to hand it to.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ready.put_nowait, reply)
