"""Servers of the worker processes of `up`, and how a server stops.

A worker gets accepted connections from its supervisor (chassis.http.supervisor) instead of listening itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from types import FrameType
from typing import Any

import uvicorn

from chassis.http.http_protocol import CHECK_SECONDS, BoundedConnections, BoundedProtocol, send_refusal
from chassis.http.supervisor import FORCE_SECONDS, GRACE_SECONDS, READY, end_within
from chassis.http.tls_connections import TlsConnections

log = logging.getLogger(__name__)

NO_FREE_HANDLE = "No file handle is free. Try again in a moment."
LOG_SECONDS = 60.0  # between two lines about file handles
# Connections that are received from the supervisor, and those of them that are served, before other work goes on. More
# are received than served, because a refusal costs little, and a client may open thousands before those of others.
MOST_RECEIVED, MOST_SERVED = 64, 4
RECEIVE_PAUSE_SECONDS = 0.1  # while no file handle is free


class SpareHandle:
    """A file handle that is kept to answer connections with 503 while no other is free."""

    def __init__(self) -> None:
        self._handle, self._next_line = -1, 0.0
        self._take()

    def _take(self) -> bool:
        if self._handle < 0:
            with suppress(OSError):
                self._handle = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return self._handle >= 0

    def refuse(self, accept: Callable[[], socket.socket], *, with_answer: bool) -> bool:
        """Accept a connection in place of the spare handle and close it. Returns False when even that is not free.

        with_answer  the connection is not encrypted
        raises       OSError  from `accept`
        """
        if time.monotonic() >= self._next_line:
            log.warning("no_free_handle")
            self._next_line = time.monotonic() + LOG_SECONDS
        if not self._take():
            return False
        os.close(self._handle)
        self._handle = -1
        try:
            with accept() as connection, suppress(OSError):
                connection.setblocking(False)
                if with_answer:
                    send_refusal(connection, HTTPStatus.SERVICE_UNAVAILABLE, NO_FREE_HANDLE)
        finally:
            self._take()
        return True


class StoppableServer(uvicorn.Server):
    """Returns from run() after SIGTERM or SIGINT, and closes the connections of late clients.

    tls  for the sockets that `serve_socket` gets; None for plain HTTP
    """

    _next_check = 0.0

    def __init__(self, config: uvicorn.Config, *, tls: TlsConnections | None = None) -> None:
        super().__init__(config)
        self._tls = tls
        self._tasks: set[asyncio.Task[Any]] = set()
        self.spare = SpareHandle()

    def refuse_socket(self, accept: Callable[[], socket.socket]) -> bool:
        """Refuse a connection because no file handle is free. Returns False if that is not possible now."""
        return self.spare.refuse(accept, with_answer=self._tls is None)

    def serve_socket(self, connection: socket.socket) -> bool:
        """Serve an accepted connection. Closes it and returns False if its caller has too many."""
        connection.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        if self._tls is None and isinstance(protocol, BoundedConnections) and protocol.refuse(connection):
            return False

        def build() -> Any:
            return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        loop = asyncio.get_running_loop()
        if self._tls is None:
            task: asyncio.Task[Any] = loop.create_task(loop.connect_accepted_socket(build, connection))
        else:
            task = loop.create_task(self._tls.serve(connection, build))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.check_deadline(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Replaces uvicorn's method, which raises the signal again at the end, so that the process would die before its
        # jobs have stopped and its leases are released.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        if not self.should_exit:
            end_within(GRACE_SECONDS + FORCE_SECONDS)
        self.should_exit = True


class WorkerServer(StoppableServer):
    """Serves connections from a channel instead of a listening socket."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket, *, tls: TlsConnections | None = None) -> None:
        super().__init__(config, tls=tls)
        self._channel = channel

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            self.should_exit = True
            return
        self.servers = []
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._receive)
        self.started = True
        self._channel.send(READY)

    def _receive_again(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._channel.fileno(), self._receive)

    def _has_free_handle(self) -> bool:
        try:
            os.close(os.dup(self._channel.fileno()))
        except OSError:
            return False
        return True

    def _receive_one(self) -> socket.socket:
        """Raises BlockingIOError; IndexError at the end of the channel, which the next turn sees."""
        _, handles, _, _ = socket.recv_fds(self._channel, 16, 1)
        return socket.socket(fileno=handles[0])

    def _receive(self) -> None:
        served = 0
        for _ in range(MOST_RECEIVED):
            is_full = not self._has_free_handle()
            try:
                if is_full and self.refuse_socket(self._receive_one):
                    continue
            except (OSError, IndexError):
                return
            if is_full:
                # The kernel would close the connection that comes. The supervisor keeps it, and later ones wait too.
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._channel.fileno())
                loop.call_later(RECEIVE_PAUSE_SECONDS, self._receive_again)
                return
            try:
                message, handles, _, _ = socket.recv_fds(self._channel, 16, 16)
            except BlockingIOError:
                return
            except ConnectionResetError:
                message, handles = b"", []
            if not message:
                # The supervisor has died.
                asyncio.get_running_loop().remove_reader(self._channel.fileno())
                self.should_exit = True
                return
            for handle in handles:
                served += self.serve_socket(socket.socket(fileno=handle))
            if served >= MOST_SERVED:
                return
