"""A gRPC server with threads for one service, with health checks, reflection and a graceful stop."""

from __future__ import annotations

import ipaddress
import logging
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.context import Context
from chassis.database.db import Database
from chassis.database.db_errors import check_answers, is_away
from chassis.errors import Error, Invalid, Unavailable
from chassis.gc_tuning import tune_gc
from chassis.http.supervisor import end_within
from chassis.jobs import jobs
from chassis.migrations import revisions
from chassis.rpc.client import MESSAGE_BYTES, METADATA_BYTES, tls_files, token_verifier
from chassis.rpc.interceptors import PUBLIC, Method, grpc_handler, methods_of
from chassis.service import Resources, Service
from chassis.settings import Settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
# The service name in health checks of this process alone; other checks include its database.
LIVENESS = "liveness"
FORCE_SECONDS = 2.0  # after the grace; then the process ends, even if something hangs
HEALTH_CHECK_SECONDS = 2.0
MOST_JOBS = 16  # connections for jobs, besides those for calls; each is closed after use
# Calls that may wait for each thread; further calls are refused as RESOURCE_EXHAUSTED.
QUEUE_PER_THREAD = 16
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Connections end after a minute, so that clients find replicas that started later.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
]
# Any client can connect to the port for probes, so it accepts only small requests and few calls, and no Watch.
_HEALTH_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1024),
    ("grpc.max_connection_idle_ms", 60_000),
]
_HEALTH_CALLS = 16


class Server:
    """A gRPC server with one service, and with GRPC_HEALTH_PORT a plaintext server for health checks only.

    is_healthy  called every two seconds; after False, health checks answer NOT_SERVING, except that of LIVENESS
    raises      Invalid      SCOPE_MISSING, GRPC_NOT_PROTECTED, GRPC_TLS_INCOMPLETE, FILE_UNREADABLE
                Unavailable  PORT_TAKEN
    """

    def __init__(
        self,
        servicer: Any,
        adder: Callable[[Any, Any], None],
        settings: Settings,
        *,
        is_healthy: Callable[[], bool] = lambda: True,
    ) -> None:
        methods = methods_of(servicer, adder, token_verifier(settings, servicer))
        tls = server_credentials(settings, methods)
        threads = settings.grpc_threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="grpc")
        self._server = grpc.server(
            self._threads, options=_OPTIONS, maximum_concurrent_rpcs=threads * (1 + QUEUE_PER_THREAD)
        )
        self.name = methods[0].service
        handlers = {method.name: grpc_handler(method) for method in methods}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.name, handlers),))
        self._server.add_registered_method_handlers(self.name, handlers)
        self._health = health.HealthServicer(experimental_non_blocking=True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((self.name, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self._is_healthy = is_healthy
        self._stopping = threading.Event()
        self._health_lock = threading.Lock()
        self._health_thread = threading.Thread(target=self._watch_health, name="grpc-health", daemon=True)
        self.port = _listen(self._server, settings.grpc_host, settings.grpc_port, tls, variable="GRPC_PORT")
        self.address = f"{settings.grpc_host}:{self.port}"
        self._health_server = self._listen_for_probes(settings) if settings.grpc_health_port else None

    def start(self) -> None:
        """Begin to answer calls; the health status is correct from the first call on."""
        self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        self._set_health(self._is_healthy())
        self._server.start()
        if self._health_server is not None:
            self._health_server.start()
        self._health_thread.start()

    def drain(self) -> None:
        """Report NOT_SERVING from now on, but still answer calls, so that clients change to other replicas."""
        with self._health_lock:
            self._stopping.set()
            self._report(ready=False)

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Refuse new calls, and return when the current calls have ended or after `grace` seconds.

        Readiness probes get NOT_SERVING meanwhile.
        """
        self.drain()
        self._server.stop(grace).wait()
        if self._health_server is not None:
            self._health_server.stop(None).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _listen_for_probes(self, settings: Settings) -> grpc.Server:
        """Build a plaintext server for health checks, because probes of Kubernetes have no certificate."""
        server = grpc.server(
            ThreadPoolExecutor(1, thread_name_prefix="grpc-health"),
            options=_HEALTH_OPTIONS,
            maximum_concurrent_rpcs=_HEALTH_CALLS,
        )
        check = grpc.unary_unary_rpc_method_handler(
            self._health.Check,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(health.SERVICE_NAME, {"Check": check}),))
        _listen(server, settings.grpc_host, settings.grpc_health_port, None, variable="GRPC_HEALTH_PORT")
        return server

    def _watch_health(self) -> None:
        """Repeat the check until the end; while a check takes too long, the service counts as unhealthy."""
        while not self._stopping.wait(HEALTH_CHECK_SECONDS):
            results: list[bool] = []
            check = threading.Thread(target=lambda results=results: results.append(self._is_healthy()), daemon=True)
            check.start()
            check.join(HEALTH_CHECK_SECONDS)
            while check.is_alive() and not self._stopping.is_set():
                self._set_health(False)
                check.join(HEALTH_CHECK_SECONDS)
            self._set_health(results == [True])

    def _set_health(self, healthy: bool) -> None:
        with self._health_lock:
            if not self._stopping.is_set():
                self._report(ready=healthy)

    def _report(self, *, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", self.name):
            self._health.set(name, status)


def _listen(
    server: grpc.Server, host: str, port: int, credentials: grpc.ServerCredentials | None, *, variable: str
) -> int:
    address = f"{host}:{port}"
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise Unavailable("PORT_TAKEN", address=address, port=port, variable=variable) from None


def server_credentials(settings: Settings, methods: list[Method]) -> grpc.ServerCredentials | None:
    """Return credentials of mutual TLS if its files are set; else None, on loopback or if all methods are public.

    raises  Invalid  GRPC_NOT_PROTECTED, GRPC_TLS_INCOMPLETE, FILE_UNREADABLE
    """
    files = tls_files(settings)
    if files is not None:
        certificate, key, authority = files
        return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
    restricted = [method.path for method in methods if method.scope != PUBLIC]
    if restricted and not _is_loopback(settings.grpc_host):
        raise Invalid("GRPC_NOT_PROTECTED", method=restricted[0], host=settings.grpc_host)
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def serve(service: Service, settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Run one service until SIGTERM or SIGINT: its methods, its relay and its jobs.

    announce  called with host:port when the server answers
    raises    the errors of `Server`
              Unavailable  DATABASE_NEWER, at the start and later
    """
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        end_within(settings.drain_seconds + GRACE_SECONDS + FORCE_SECONDS)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    # One connection for each thread and one for the health check. Jobs use the overflow, so a job that hangs takes
    # none.
    database = service.open_database(settings, pool_size=settings.grpc_threads + 1, overflow=MOST_JOBS)
    revisions.watch(database, stop.set)
    resources = Resources(settings=settings, database=database, service=service)
    servicer, adder = resolve(service.rpc)(resources), resolve(service.adder)
    server = Server(servicer, adder, settings, is_healthy=DatabaseCheck(database))
    threads = jobs.start(jobs.jobs_of(resources), resources, stop)
    tune_gc()
    server.start()
    announce(server.address)
    # With short waits, because a signal may reach a gRPC thread, and its handler runs only when this thread wakes.
    while not stop.wait(1.0):
        pass
    on_signal()  # also when the database is newer
    log.info("stopping", extra={"service": service.name})
    server.drain()
    time.sleep(settings.drain_seconds)
    deadline = time.monotonic() + GRACE_SECONDS
    server.stop()
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
    database.close()
    if database.guard is not None:
        database.guard.raise_refusal()


class DatabaseCheck:
    """Returns whether a database answers and can be written, and logs each new reason that is not logged elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database, self._reason = database, ""

    def __call__(self) -> bool:
        reason = ""
        try:
            context = Context(deadline=time.monotonic() + HEALTH_CHECK_SECONDS)
            with self._database.reading(context) as session:
                check_answers(session)
        except Error as problem:
            reason = problem.reason
            if not is_away(problem) and reason != self._reason:
                log.warning("database_not_ready", extra={"reason": reason})
        self._reason = reason
        return not reason
