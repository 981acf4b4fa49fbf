"""The parts of a call that both kinds of client share: deadline, span, one retry, and the error of the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import grpc
from grpc import aio

from chassis.context import REPLAYED
from chassis.errors import Error, Unavailable
from chassis.metrics import telemetry
from chassis.rpc import cpu_time, status
from chassis.rpc.interceptors import options_of
from chassis.transaction_guard import refuse_call_in_transaction

# The timeout of a call whose caller sets none.
DEFAULT_TIMEOUT_SECONDS = 2.0
# The pause before the retry; a restarted service answers again after it.
RETRY_PAUSE_SECONDS = 0.05

# gRPC codes of a call without an answer. A server that ends cancels the calls that it has not begun.
NO_ANSWER = ("UNAVAILABLE", "CANCELLED")

Metadata = Sequence[tuple[str, str]]

_has_replay: ContextVar[bool] = ContextVar("has_replay", default=False)


def read_trailers(trailers: Iterable[Any] | None) -> None:
    """Count the CPU time of a reply, and store whether it is the reply of an earlier call; for aio callers."""
    cpu_time.add_metadata(trailers)
    for key, _ in trailers or ():
        if key == REPLAYED:
            _has_replay.set(True)


def has_replay() -> bool:
    """Return whether a call of this task got the stored reply of an earlier call with the same Idempotency-Key."""
    return _has_replay.get()


class ClientMethod:
    """A method of a service, for clients."""

    __slots__ = ("_idempotent", "_path", "_service", "_transport_call")

    def __init__(self, transport_call: Any, path: str) -> None:
        """
        transport_call  the same method on a gRPC channel or an in-process transport
        path            /package.Service/Method
        """
        self._transport_call = transport_call
        self._path = path
        self._service = path.split("/")[1].rsplit(".", 1)[-1].lower()
        options = options_of(path)
        # A keyed call may be repeated too, because the second call gets the reply of the first.
        self._idempotent = options.idempotent or options.keyed

    def span(self) -> AbstractContextManager[None]:
        return telemetry.span(self._path[1:], kind="client")

    def metadata(self, metadata: Metadata | None) -> Metadata:
        """Return the caller's metadata, with the traceparent of this call when it is traced."""
        traceparent = telemetry.traceparent()
        if not traceparent:
            return metadata or ()
        return [*((key, value) for key, value in metadata or () if key != "traceparent"), ("traceparent", traceparent)]

    def error(self, problem: grpc.RpcError) -> Error:
        return status.from_call(problem, service=self._service)

    def may_retry(self, error: Error, attempts: int, deadline: float) -> bool:
        """Return True if no service answered (a refusal is final), the method is idempotent, and time remains."""
        return (
            self._idempotent
            and attempts == 1
            and isinstance(error, Unavailable)
            and error.facts.get("code") in NO_ANSWER
            and time.monotonic() + RETRY_PAUSE_SECONDS < deadline
        )


class AioMethod(ClientMethod):
    """A method to be awaited."""

    __slots__ = ()

    async def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **options: Any
    ) -> Any:
        deadline = time.monotonic() + (DEFAULT_TIMEOUT_SECONDS if timeout is None else timeout)
        attempts = 0
        with self.span():
            metadata = self.metadata(metadata)
            while True:
                attempts += 1
                seconds = max(0.0, deadline - time.monotonic())
                try:
                    call = self._transport_call(request, timeout=seconds, metadata=metadata, **options)
                    reply = await call
                    if isinstance(call, aio.Call):
                        read_trailers(await call.trailing_metadata())
                    return reply
                except aio.AioRpcError as problem:
                    error = self.error(problem)
                    if not self.may_retry(error, attempts, deadline):
                        raise error from problem
                await asyncio.sleep(RETRY_PAUSE_SECONDS)


class SyncMethod(ClientMethod):
    """A method that blocks the calling thread."""

    __slots__ = ()

    def __call__(
        self, request: Any, timeout: float | None = None, metadata: Metadata | None = None, **options: Any
    ) -> Any:
        refuse_call_in_transaction(self._service)
        deadline = time.monotonic() + (DEFAULT_TIMEOUT_SECONDS if timeout is None else timeout)
        attempts = 0
        with self.span():
            metadata = self.metadata(metadata)
            while True:
                attempts += 1
                seconds = max(0.0, deadline - time.monotonic())
                try:
                    return self._transport_call(request, timeout=seconds, metadata=metadata, **options)
                except grpc.RpcError as problem:
                    error = self.error(problem)
                    if not self.may_retry(error, attempts, deadline):
                        raise error from problem
                time.sleep(RETRY_PAUSE_SECONDS)
