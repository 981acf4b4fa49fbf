"""`inproc:` calls services inside one process, with the same interceptors as a gRPC server.

`up` fills the registry; this module uses neither manifests nor databases. Messages are passed by reference, not copied,
so a caller must not change its request during the call, and a servicer must not store it. Message sizes have no limit.

An aio call runs in a thread of a fixed pool. Each service has one pool for its `keyed` methods and one for the others,
so that writers that wait for their turn do not block readers or other services. A sync call runs in its caller's
thread, so services that call one another cannot use up the threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from chassis.errors import Error
from chassis.rpc import status
from chassis.rpc.client_calls import Metadata, read_trailers
from chassis.rpc.interceptors import PUBLIC, Method, methods_of
from chassis.security.auth import TokenVerifier
from chassis.settings import Settings

_services: dict[str, dict[str, Method]] = {}
_pools: dict[tuple[str, bool], ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


def register(
    name: str,
    servicer: Any,
    adder: Callable[[Any, Any], None],
    *,
    is_healthy: Callable[[], bool] = lambda: True,
    verifier: TokenVerifier | None = None,
) -> None:
    """Make a service available as `inproc:name` in this process; a second call replaces the first.

    adder       generated add_…Servicer_to_server
    is_healthy  called for each health check of the service
    verifier    of access tokens
    raises      Invalid  SCOPE_MISSING
    """
    methods = [*methods_of(servicer, adder, verifier), _health_method(is_healthy)]
    _services[name] = {method.path: method for method in methods}


def unregister(name: str) -> None:
    """Make a service unavailable again."""
    _services.pop(name, None)


def _health_method(is_healthy: Callable[[], bool]) -> Method:
    """Build the method Check of grpc.health.v1, which a gRPC server has too."""
    response = health_pb2.HealthCheckResponse

    def check(_request: Any, _context: Any) -> health_pb2.HealthCheckResponse:
        return response(status=response.SERVING if is_healthy() else response.NOT_SERVING)

    service = "grpc.health.v1.Health"
    return Method(f"/{service}/Check", service, "Check", PUBLIC, False, check, None)


def aio_transport(url: str, settings: Settings, caller: str) -> AioTransport:
    return AioTransport(url.partition(":")[2], caller, settings.grpc_threads)


def sync_transport(url: str, settings: Settings, caller: str) -> SyncTransport:
    return SyncTransport(url.partition(":")[2], caller)


def _threads(name: str, count: int, *, keyed: bool) -> ThreadPoolExecutor:
    """Return a service's pool in this process; the first call sets its size."""
    key = (name, keyed)
    with _pools_lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(count, thread_name_prefix=f"{name}-writes" if keyed else name)
        return _pools[key]


class _Transport:
    """Looks up the method at each call, so that a channel may be opened before its service is registered."""

    def __init__(self, name: str, caller: str) -> None:
        self._name, self._caller = name, caller

    def _method(self, path: str) -> Method:
        methods = _services.get(self._name)
        if methods is None:
            raise status.unavailable(self._name, "UNREGISTERED")
        if path not in methods:
            raise status.unavailable(self._name, grpc.StatusCode.UNIMPLEMENTED.name)
        return methods[path]


class AioTransport(_Transport):
    """The transport of an aio channel inside one process."""

    def __init__(self, name: str, caller: str, threads: int) -> None:
        super().__init__(name, caller)
        self._threads = threads

    def unary_unary(self, path: str, *_serializers: Any, **_options: Any) -> Any:
        async def invoke(request: Any, *, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Any:
            """Run the method in a thread of the pool; at the deadline, stop waiting."""
            method, call = self._method(path), Call(metadata, _deadline(timeout), self._caller)
            pool = _threads(self._name, self._threads, keyed=method.keyed)
            try:
                async with asyncio.timeout(call.time_remaining()):
                    reply = await asyncio.get_running_loop().run_in_executor(pool, _reply, method, request, call)
            except TimeoutError:
                raise status.too_late() from None
            read_trailers(call.trailing_metadata)
            return reply

        return invoke

    async def close(self) -> None:
        """Do nothing: the pools belong to the process."""


class SyncTransport(_Transport):
    """The transport of a sync channel inside one process."""

    def unary_unary(self, path: str, *_serializers: Any, **_options: Any) -> Any:
        def invoke(request: Any, timeout: float | None = None, metadata: Metadata = (), **_more: Any) -> Any:
            return _reply(self._method(path), request, Call(metadata, _deadline(timeout), self._caller))

        return invoke

    def close(self) -> None:
        """Do nothing: nothing is open."""


class Call:
    """What interceptors and servicers read of gRPC's context, for one call inside the process.

    deadline  `time.monotonic()` at which the caller stops waiting; None for never
    caller    name of the calling service, or "gateway"
    """

    def __init__(self, metadata: Metadata | None, deadline: float | None, caller: str = "") -> None:
        self._metadata, self._deadline, self._caller = metadata or (), deadline, caller
        self.trailing_metadata: Metadata = ()

    def invocation_metadata(self) -> Metadata:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def auth_context(self) -> Mapping[str, Any]:
        """Return the caller in the form of a certificate's name, as for a call over the network."""
        return {"x509_common_name": [self._caller.encode()]} if self._caller else {}

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self.trailing_metadata = trailing_metadata


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _reply(method: Method, request: Any, call: Call) -> Any:
    """Call the method, with the same results as over the network: TooLate after the deadline, facts as text."""
    try:
        reply = method.behaviour(request, call)
    except Error as error:
        raise status.received(error) from error
    if call.time_remaining() == 0:
        raise status.too_late()
    return reply
