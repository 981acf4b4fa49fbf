"""What both kinds of client do around a call: deadline, span, one more try, the error as the service raised it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import grpc
from grpc import aio

from chassis import telemetry
from chassis.errors import Error, Unavailable
from chassis.rpc import status
from chassis.rpc.interceptors import options_of

# How long a call with one answer may take when its caller says nothing; streams may take as long as they flow.
PATIENCE_SECONDS = 2.0
# Before the second try; a service that just restarted is back by then.
PAUSE_SECONDS = 0.05

Metadata = Sequence[tuple[str, str]]


class Call:
    """One method of a service, as a client has it."""

    __slots__ = ("_idempotent", "_path", "_road", "_service")

    def __init__(self, road: Any, path: str, *, repeatable: bool = True) -> None:
        self._road = road
        self._path = path
        self._service = path.split("/")[1].rsplit(".", 1)[-1].lower()
        self._idempotent = repeatable and options_of(path).idempotent

    def span(self) -> AbstractContextManager[None]:
        return telemetry.span(self._path[1:], kind="client")

    def metadata(self, given: Metadata | None) -> Metadata:
        trace = telemetry.traceparent()
        if not trace:
            return given or ()
        return [*((key, value) for key, value in given or () if key != "traceparent"), ("traceparent", trace)]

    def error(self, problem: grpc.RpcError) -> Error:
        return status.from_call(problem, service=self._service)

    def worth_another_try(self, error: Error, tries: int, end: float) -> bool:
        """Nobody answered (an answered refusal is final), it does no harm, and there is time."""
        return (
            self._idempotent
            and tries == 1
            and isinstance(error, Unavailable)
            and error.facts.get("code") == "UNAVAILABLE"
            and time.monotonic() + PAUSE_SECONDS < end
        )


class AioOne(Call):
    """One answer, awaited."""

    __slots__ = ()

    async def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **more: Any
    ) -> Any:
        end = time.monotonic() + (PATIENCE_SECONDS if timeout is None else timeout)
        tries = 0
        with self.span():
            told = self.metadata(metadata)
            while True:
                tries += 1
                try:
                    return await self._road(request, timeout=max(0.0, end - time.monotonic()), metadata=told, **more)
                except aio.AioRpcError as problem:
                    error = self.error(problem)
                    if not self.worth_another_try(error, tries, end):
                        raise error from problem
                await asyncio.sleep(PAUSE_SECONDS)


class SyncOne(Call):
    """One answer, waited for."""

    __slots__ = ()

    def __call__(
        self, request: Any, timeout: float | None = None, metadata: Metadata | None = None, **more: Any
    ) -> Any:
        end = time.monotonic() + (PATIENCE_SECONDS if timeout is None else timeout)
        tries = 0
        with self.span():
            told = self.metadata(metadata)
            while True:
                tries += 1
                try:
                    return self._road(request, timeout=max(0.0, end - time.monotonic()), metadata=told, **more)
                except grpc.RpcError as problem:
                    error = self.error(problem)
                    if not self.worth_another_try(error, tries, end):
                        raise error from problem
                time.sleep(PAUSE_SECONDS)


class AioMany(Call):
    """Many answers, awaited one after another."""

    __slots__ = ()

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **more: Any
    ) -> AioReplies:
        with self.span():
            return AioReplies(self, self._road(request, timeout=timeout, metadata=self.metadata(metadata), **more))


class AioReplies:
    """Replies as they come; `cancel()` when no more are wanted. Who drops them wants no more either."""

    def __init__(self, call: Call, replies: Any) -> None:
        self._call, self._replies, self._iterator = call, replies, aiter(replies)
        self._loop = asyncio.get_running_loop()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._iterator)
        except aio.AioRpcError as problem:
            raise self._call.error(problem) from problem

    def cancel(self) -> None:
        self._replies.cancel()

    def __del__(self) -> None:
        # gRPC's own call holds itself alive until it ends. A closed loop has no calls left to cancel.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._replies.cancel)


class SyncMany(Call):
    """Many answers, waited for one after another."""

    __slots__ = ()

    def __call__(
        self, request: Any, timeout: float | None = None, metadata: Metadata | None = None, **more: Any
    ) -> SyncReplies:
        with self.span():
            return SyncReplies(self, self._road(request, timeout=timeout, metadata=self.metadata(metadata), **more))


class SyncReplies:
    """Replies as they come; `cancel()` when no more are wanted."""

    def __init__(self, call: Call, replies: Any) -> None:
        self._call, self._replies = call, replies

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._replies)
        except grpc.RpcError as problem:
            raise self._call.error(problem) from problem

    def cancel(self) -> None:
        self._replies.cancel()
