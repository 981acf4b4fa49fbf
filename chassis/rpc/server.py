"""One service behind a gRPC server of threads, with health, reflection and a graceful end."""

from __future__ import annotations

import ipaddress
import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from sqlalchemy import text

from chassis import jobs
from chassis.context import READER
from chassis.db import Database
from chassis.errors import Error, Invalid, LocalText, Unavailable
from chassis.rpc.client import MESSAGE_BYTES, METADATA_BYTES, tls_files
from chassis.rpc.interceptors import PUBLIC, Method, methods_of, on_the_wire
from chassis.service import Resources, Service
from chassis.settings import Settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
PULSE_SECONDS = 2.0
# Calls that may wait for a thread, for each thread; more are told to come back.
QUEUE_PER_THREAD = 16
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Connections are renewed now and then, so that clients find replicas that came later.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
]


class Server:
    """A gRPC server with one service in it.

    well    asked every two seconds; False makes health say NOT_SERVING
    raises  Invalid      SCOPE_MISSING, GRPC_NOT_PROTECTED, GRPC_TLS_INCOMPLETE, FILE_UNREADABLE
            Unavailable  PORT_TAKEN
    """

    def __init__(
        self,
        servicer: Any,
        adder: Callable[[Any, Any], None],
        settings: Settings,
        *,
        well: Callable[[], bool] = lambda: True,
    ) -> None:
        methods = methods_of(servicer, adder)
        secret = credentials(settings, methods)
        threads = settings.grpc_threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="grpc")
        self._server = grpc.server(
            self._threads, options=_OPTIONS, maximum_concurrent_rpcs=threads * (1 + QUEUE_PER_THREAD)
        )
        self.name = methods[0].service
        handlers = {method.name: on_the_wire(method) for method in methods}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.name, handlers),))
        self._server.add_registered_method_handlers(self.name, handlers)
        self._health = health.HealthServicer(experimental_non_blocking=True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((self.name, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self._well = well
        self._stopping = threading.Event()
        self._pulse = threading.Thread(target=self._feel, name="grpc-pulse", daemon=True)
        self.port = self._listen(f"{settings.grpc_host}:{settings.grpc_port}", secret)
        self.address = f"{settings.grpc_host}:{self.port}"

    def start(self) -> None:
        """Answer from now on; health tells the truth from the first moment."""
        self._say(self._well())
        self._server.start()
        self._pulse.start()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no new calls, let those under way end, and return when they have or `grace` seconds are over."""
        self._stopping.set()
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _listen(self, address: str, secret: grpc.ServerCredentials | None) -> int:
        try:
            if secret is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, secret)
        except RuntimeError:
            raise Unavailable(
                "PORT_TAKEN",
                LocalText(
                    "Tidak bisa membuka {address}: mungkin dipakai program lain. Pilih yang lain dengan GRPC_PORT=.",
                    "Cannot listen on {address}: another program may have it. Choose another with GRPC_PORT=.",
                ),
                address=address,
            ) from None

    def _feel(self) -> None:
        """Ask again and again; who does not answer in time is not well, however long that takes."""
        while not self._stopping.wait(PULSE_SECONDS):
            answers: list[bool] = []
            asking = threading.Thread(target=lambda said=answers: said.append(self._well()), daemon=True)
            asking.start()
            asking.join(PULSE_SECONDS)
            while asking.is_alive() and not self._stopping.is_set():
                self._say(False)
                asking.join(PULSE_SECONDS)
            self._say(answers == [True])

    def _say(self, well: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", self.name):
            self._health.set(name, status)


def credentials(settings: Settings, methods: list[Method]) -> grpc.ServerCredentials | None:
    """Mutual TLS when it is set; none is fine on a loopback, and elsewhere for methods that are public anyway.

    raises  Invalid  GRPC_NOT_PROTECTED, GRPC_TLS_INCOMPLETE, FILE_UNREADABLE
    """
    files = tls_files(settings)
    if files is not None:
        certificate, key, authority = files
        return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
    guarded = [method.path for method in methods if method.scope != PUBLIC]
    if guarded and not _is_loopback(settings.grpc_host):
        raise Invalid(
            "GRPC_NOT_PROTECTED",
            LocalText(
                "{method} tidak untuk umum: di alamat {host} perlu GRPC_CERT, GRPC_KEY dan GRPC_CA.",
                "{method} is not public: on the address {host} it needs GRPC_CERT, GRPC_KEY and GRPC_CA.",
            ),
            method=guarded[0],
            host=settings.grpc_host,
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def serve(service: Service, settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Run one service until SIGTERM or SIGINT: its methods, its relay and its jobs.

    announce  is given host:port once it answers
    raises    as `Server` does
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # A connection for each thread that may want one, and one to feel the pulse with.
    database = Database(settings.database(service.name), pool_size=settings.grpc_threads + 1)
    resources = Resources(settings=settings, database=database, service=service)
    server = Server(resolve(service.rpc)(resources), resolve(service.adder), settings, well=lambda: answers(database))
    threads = jobs.start((*service.jobs, *jobs.CHASSIS), resources, stop)
    server.start()
    announce(server.address)
    stop.wait()
    log.info("stopping", extra={"service": service.name})
    server.stop()
    for thread in threads:
        thread.join(timeout=GRACE_SECONDS)
    database.close()


def answers(database: Database) -> bool:
    """Whether the database answers a question."""
    try:
        with database.reading(READER) as session:
            return bool(session.scalar(text("SELECT 1")) == 1)
    except Error as problem:
        log.warning("database_unreachable", extra={"reason": problem.reason})
        return False
