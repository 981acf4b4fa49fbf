"""`inproc:` — services called inside one process, through the interceptors they have behind a gRPC server.

`up` fills the registry; this module knows neither manifests nor databases. Messages are handed over, not copied: a
caller leaves its request alone while the call lasts, and a servicer keeps none. What the wire bounds (message sizes) is
not bounded here. An aio call runs in a thread of a fixed pool, or on the loop itself when its method is `inline`; a
sync call runs in its caller's own thread, so services that call one another cannot wait for each other's threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from chassis.errors import Error
from chassis.rpc import status
from chassis.rpc.client_calls import Metadata
from chassis.rpc.inproc_call import Call, Replies, requests_of
from chassis.rpc.interceptors import PUBLIC, Method, methods_of
from chassis.settings import Settings

_services: dict[str, dict[str, Method]] = {}
_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()


def register(
    name: str, servicer: Any, adder: Callable[[Any, Any], None], *, well: Callable[[], bool] = lambda: True
) -> None:
    """Make a service reachable as `inproc:name` in this process; a second time replaces the first.

    adder   generated add_…Servicer_to_server
    well    asked when somebody asks after the service's health
    raises  Invalid  SCOPE_MISSING
    """
    methods = [*methods_of(servicer, adder), _health(well)]
    _services[name] = {method.path: method for method in methods}


def forget(name: str) -> None:
    """Make it unreachable again."""
    _services.pop(name, None)


def _health(well: Callable[[], bool]) -> Method:
    """What grpc.health.v1 answers behind a server, here by asking."""
    answer = health_pb2.HealthCheckResponse

    def check(_request: Any, _context: Any) -> health_pb2.HealthCheckResponse:
        return answer(status=answer.SERVING if well() else answer.NOT_SERVING)

    service = "grpc.health.v1.Health"
    return Method(f"/{service}/Check", service, "Check", PUBLIC, False, check, None)


def aio_transport(url: str, settings: Settings) -> AioTransport:
    return AioTransport(url.partition(":")[2], _threads(settings.grpc_threads))


def sync_transport(url: str, settings: Settings) -> SyncTransport:
    return SyncTransport(url.partition(":")[2])


def _threads(count: int) -> ThreadPoolExecutor:
    """The one pool of this process; its size is what the first channel asks for."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(count, thread_name_prefix="inproc")
        return _pool


class _Transport:
    """Finds a method when it is called, so that a channel may be opened before its service is registered."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _method(self, path: str) -> Method:
        methods = _services.get(self._name)
        if methods is None:
            raise status.unavailable(self._name, "UNREGISTERED")
        if path not in methods:
            raise status.unavailable(self._name, grpc.StatusCode.UNIMPLEMENTED.name)
        return methods[path]

    def _end(self, timeout: float | None) -> float | None:
        return None if timeout is None else time.monotonic() + timeout


class AioTransport(_Transport):
    """What a client's aio channel runs on, in one process."""

    def __init__(self, name: str, pool: ThreadPoolExecutor) -> None:
        super().__init__(name)
        self._pool = pool

    def unary_unary(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        async def call(request: Any, *, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Any:
            method, call = self._method(path), Call(metadata, self._end(timeout))
            if method.inline:
                return _answer(method, request, call)
            return await self._in_thread(_answer, method, request, call)

        return call

    def stream_unary(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        async def call(requests: Any, *, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Any:
            method, call = self._method(path), Call(metadata, self._end(timeout))
            return await self._in_thread(_answer, method, requests_of(requests, call), call)

        return call

    def unary_stream(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        def call(request: Any, *, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Replies:
            call = Call(metadata, self._end(timeout))
            return Replies(self._pool, lambda: self._method(path).behaviour(request, call), call)

        return call

    def stream_stream(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        def call(requests: Any, *, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Replies:
            call = Call(metadata, self._end(timeout))
            theirs = requests_of(requests, call)
            return Replies(self._pool, lambda: self._method(path).behaviour(theirs, call), call)

        return call

    async def _in_thread(self, answer: Callable[..., Any], method: Method, request: Any, call: Call) -> Any:
        """Run in a thread of the pool; stop waiting at the deadline, and tell the servicer that nobody waits."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, answer, method, request, call)
        try:
            async with asyncio.timeout(call.time_remaining()):
                return await running
        except TimeoutError:
            raise status.too_late() from None
        finally:
            call.end()

    async def close(self, grace: float | None = None) -> None:
        """The pool belongs to the process."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        ready = self._name in _services
        return grpc.ChannelConnectivity.READY if ready else grpc.ChannelConnectivity.IDLE

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        while self.get_state() is last_observed_state:
            await asyncio.sleep(0.05)

    async def channel_ready(self) -> None:
        await self.wait_for_state_change(grpc.ChannelConnectivity.IDLE)


class SyncTransport(_Transport):
    """What a client's sync channel runs on, in one process."""

    def unary_unary(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        def call(request: Any, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Any:
            return _answer(self._method(path), request, Call(metadata, self._end(timeout)))

        return call

    stream_unary = unary_unary

    def unary_stream(self, path: str, *_serialisers: Any, **_more: Any) -> Any:
        def call(request: Any, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> _SyncReplies:
            call = Call(metadata, self._end(timeout))
            return _SyncReplies(lambda: self._method(path).behaviour(request, call), call)

        return call

    stream_stream = unary_stream

    def close(self) -> None:
        """There is nothing to close."""

    def subscribe(self, callback: Callable[[Any], None], try_to_connect: bool = False) -> None:
        callback(grpc.ChannelConnectivity.READY if self._name in _services else grpc.ChannelConnectivity.IDLE)

    def unsubscribe(self, callback: Callable[[Any], None]) -> None:
        """Nothing was kept."""


class _SyncReplies:
    def __init__(self, begin: Callable[[], Iterator[Any]], call: Call) -> None:
        self._begin, self._call = begin, call
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            if self._iterator is None:
                self._iterator = self._begin()
            self._call.in_time()
            return next(self._iterator)
        except (Error, StopIteration) as ending:
            self._call.end()
            if isinstance(ending, Error):
                raise status.received(ending) from ending
            raise

    def cancel(self) -> None:
        self._call.cancel()
        if self._iterator is not None:
            self._iterator.close()  # type: ignore[attr-defined]  # a generator, as every guarded stream is


def _answer(method: Method, request: Any, call: Call) -> Any:
    """Call the method and end as a call over the wire would: late is late, and an error arrives as text."""
    try:
        reply = method.behaviour(request, call)
        call.in_time()
    except Error as error:
        raise status.received(error) from error
    finally:
        call.end()
    return reply
