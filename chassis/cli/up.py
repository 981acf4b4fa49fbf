"""`rangkiang up`: every service, the local bus and the gateway in each of N equal processes, under a supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from ssl import SSLContext
from types import FrameType
from typing import Any

import uvicorn
from sqlalchemy.orm import configure_mappers

from chassis.addresses import networks
from chassis.command_errors import error_line, exit_code
from chassis.database.db import Database
from chassis.errors import Error, Invalid, Unavailable
from chassis.gc_tuning import take_short_turns, tune_gc
from chassis.http.http_protocol import KEEP_ALIVE_SECONDS, BoundedConnections, ConnectionLimit
from chassis.http.prefork import StoppableServer, WorkerServer
from chassis.http.supervisor import FORCE_SECONDS, GRACE_SECONDS, Supervisor, end_within
from chassis.http.tls_connections import TlsConnections, server_context
from chassis.jobs import jobs
from chassis.metrics import telemetry
from chassis.migrations import revisions
from chassis.output import json_text, print_json, print_text
from chassis.rpc import inproc
from chassis.rpc.client import token_verifier
from chassis.rpc.server import MOST_JOBS, DatabaseCheck
from chassis.service import Resources, Service, discover
from chassis.settings import Settings
from chassis.urls import resolve

BACKLOG = 512
ACCEPT_PAUSE_SECONDS = 0.5
MOST_FILES = 65_536
APP = "gateway.app:create_app"


def up(settings: Settings, *, json_lines: bool) -> int:
    """Supervise the workers of `up` until SIGINT or SIGTERM. Returns the exit code.

    raises  Unavailable  PORT_TAKEN
            Invalid      ADDRESS_UNUSABLE, and the errors of server_context
    """
    context = server_context(settings)
    _raise_file_limit()
    listener = _listen(settings.host, settings.port)
    address = _address(settings, listener, context)

    def announce() -> None:
        if json_lines:
            print_json({"address": address, "workers": settings.workers})
        else:
            print_text(f"Rangkiang: {address}   (Ctrl-C menghentikan · Ctrl-C stops it)")

    def refuse(line: dict[str, Any]) -> None:
        if json_lines:
            print_json(line)
            return
        for refusal in line["error"]["refusals"]:
            print_text(f"{refusal['reason']}: {refusal['detail']}", to_errors=True)

    supervisor = Supervisor(
        listener, work=prepare_workers(settings), workers=settings.workers, ready=announce, refused=refuse
    )
    return supervisor.run()


def prepare_workers(settings: Settings) -> Callable[[socket.socket, int], None]:
    """Import in this process what all workers need, and make what they share. Returns `worker` for the supervisor."""
    # Each worker gets its share of the limit, because connections are passed in turn.
    share = math.ceil(settings.connections_per_address / settings.workers)
    settings = settings.model_copy(update={"connections_per_address": share})
    services = discover()
    for service in services:
        runs = [job.run for job in (*service.jobs, *jobs.PLATFORM)]
        for place in (service.rpc, service.adder, *runs, *(consumer.handler for consumer in service.consumers)):
            if place:
                resolve(place)
        if service.preload:
            resolve(service.preload)()
    configure_mappers()  # each worker would do it at its first query
    app = resolve(APP)(settings)
    tune_gc()
    return partial(worker, settings, services, app)


def _raise_file_limit() -> None:
    """Raise the limit of open files for this process and its workers as far as the system allows, up to MOST_FILES.

    Each connection is an open file. The usual limit of 1,024 is for programs that call select().
    """
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    new_limit = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if limit != resource.RLIM_INFINITY and limit < new_limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (new_limit, most))


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise Unavailable("PORT_TAKEN", port=port, variable="PORT") from None
        raise Invalid("ADDRESS_UNUSABLE", host=host, port=port, why=problem.strerror) from None


def _address(settings: Settings, listener: socket.socket, context: SSLContext | None) -> str:
    scheme = "http" if context is None else "https"
    return f"{scheme}://{_url_host(settings.host)}:{listener.getsockname()[1]}"


def _connection_limit(settings: Settings) -> ConnectionLimit:
    return ConnectionLimit(settings.connections_per_address, networks(settings.trusted_proxies))


def _tls_connections(settings: Settings, context: SSLContext | None) -> TlsConnections | None:
    return None if context is None else TlsConnections(context, _connection_limit(settings))


def _url_host(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0") else f"[{host}]" if ":" in host else host  # noqa: S104


def serve_gateway(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve only HTTP until SIGINT or SIGTERM, with services in other processes. Raises the errors of `up`."""
    context = server_context(settings)
    _raise_file_limit()
    listener = _listen(settings.host, settings.port)
    address = _address(settings, listener, context)
    server = _DrainingServer(
        _http_config(settings, resolve(APP)(settings)),
        lambda: announce(address),
        drain_seconds=settings.drain_seconds,
        tls=_tls_connections(settings, context),
    )
    tune_gc()
    server.run(sockets=[listener])


class _Services:
    """The services and jobs of one process of `up`."""

    def __init__(self, settings: Settings, services: list[Service]) -> None:
        take_short_turns()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._databases: list[Database] = []
        verifier, all_resources = token_verifier(settings), []
        for service in services:
            database = service.open_database(settings, overflow=MOST_JOBS)
            revisions.watch(database, lambda: signal.raise_signal(signal.SIGTERM))
            resources = Resources(settings=settings, database=database, service=service)
            self._databases.append(database)
            if service.rpc:
                servicer, adder = resolve(service.rpc)(resources), resolve(service.adder)
                inproc.register(service.name, servicer, adder, is_healthy=DatabaseCheck(database), verifier=verifier)
            all_resources.append(resources)
        # Jobs call other services, so all services are registered before the first job starts.
        for resources in all_resources:
            self._threads += jobs.start(jobs.jobs_of(resources), resources, self._stop)
        tune_gc()

    def close(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        for database in self._databases:
            database.close()

    def raise_refusal(self) -> None:
        """Raise the error for which this process ended, if any. Raises Unavailable DATABASE_NEWER."""
        for database in self._databases:
            if database.guard is not None:
                database.guard.raise_refusal()


def _http_config(settings: Settings, app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedConnections(_connection_limit(settings)),  # type: ignore[arg-type]
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _AnnouncingServer(StoppableServer):
    """Calls `ready` when it listens. It accepts connections itself, one in each iteration of the loop.

    asyncio would accept the whole backlog at once, and serve nobody while it makes the transports. uvicorn's TLS
    handshakes have no bounds.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], *, tls: TlsConnections | None = None) -> None:
        super().__init__(config, tls=tls)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        if self.started:
            for listener in sockets or ():
                listener.setblocking(False)
                asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            asyncio.get_running_loop().remove_reader(listener.fileno())
        await super().shutdown(sockets=sockets)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            with contextlib.suppress(OSError):
                if self.refuse_socket(lambda: listener.accept()[0]):
                    return
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener.fileno())
            loop.call_later(ACCEPT_PAUSE_SECONDS, loop.add_reader, listener.fileno(), self._accept, listener)
            return
        self.serve_socket(connection)


class _DrainingServer(_AnnouncingServer):
    """After SIGTERM, answers for `drain_seconds` more, as not ready, and closes each connection with its next response.

    So clients and load balancers change to other replicas, and no connection is in use at the end.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        *,
        drain_seconds: float,
        tls: TlsConnections | None = None,
    ) -> None:
        super().__init__(config, ready, tls=tls)
        self._drain_seconds = drain_seconds
        self._drain_end = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or not self._drain_seconds or self._drain_end < math.inf:
            super().handle_exit(sig, frame)
            return
        end_within(self._drain_seconds + GRACE_SECONDS + FORCE_SECONDS)
        self._drain_end = time.monotonic() + self._drain_seconds
        app: Any = self.config.app
        app.state.is_draining = True
        # uvicorn sends these headers with each response, and acts on them.
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or time.monotonic() >= self._drain_end
        return await super().on_tick(counter)


def worker(settings: Settings, services: list[Service], app: Any, channel: socket.socket, number: int) -> None:
    """Run one of N processes until its channel closes or a signal stops it.

    app      of the gateway
    channel  to the supervisor
    number   see Supervisor
    """
    telemetry.start(settings, "up")
    telemetry.watch_app(app)
    channel.setblocking(False)
    try:
        running = _Services(settings, services)
        try:
            tls = _tls_connections(settings, server_context(settings))
            WorkerServer(_http_config(settings, app), channel, tls=tls).run()
        finally:
            running.close()
            telemetry.stop()
        running.raise_refusal()
    except Error as error:
        # Sent to the supervisor, which prints it.
        with contextlib.suppress(OSError):
            channel.send(json_text({**error_line(error), "exit_code": exit_code(error)}).encode())
        sys.exit(exit_code(error))
