"""One listening parent, N alike workers: connections are accepted by the parent and dealt in turn.

Workers that share a listening socket do not share its load (of 8 keep-alive connections one often gets 6). A worker
that dies is replaced; when the parent dies, its end of each channel closes and the workers stop.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.settings import environment_with

log = logging.getLogger(__name__)

GRACE_SECONDS = 10
RESPAWN_SECONDS = 0.5


class Supervisor:
    """Accepts, deals, and keeps the number of workers."""

    def __init__(self, listener: socket.socket, *, module: str, workers: int, ready: Callable[[], None]) -> None:
        """
        listener  bound and listening; closed at the end
        module    run as `python -m module HANDLE` for each worker, HANDLE being its channel
        ready     called once, when all workers are there
        """
        self._listener, self._module, self._wanted, self._ready = listener, module, workers, ready
        self._workers: dict[socket.socket, subprocess.Popen[bytes]] = {}
        self._turn: list[socket.socket] = []
        self._announced = False
        self._stopping = False
        self._next_spawn = 0.0

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._listener.setblocking(False)
        with selectors.DefaultSelector() as waiting:
            self._waiting = waiting
            waiting.register(self._listener, selectors.EVENT_READ)
            while not self._stopping:
                self._fill()
                for key, _ in waiting.select(timeout=0.25):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._hear(key.fileobj)  # type: ignore[arg-type]
        self._end()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _fill(self) -> None:
        if len(self._workers) < self._wanted and time.monotonic() >= self._next_spawn:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            # By subprocess and never fork: a forked child would keep its parent's locks after kill -9.
            worker = subprocess.Popen(
                [sys.executable, "-m", self._module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment_with(PORT="0", WORKERS="1"),
            )
            theirs.close()
            self._workers[ours] = worker
            self._waiting.register(ours, selectors.EVENT_READ)

    def _hear(self, channel: socket.socket) -> None:
        """A worker says it is ready, or its end closed because it is gone."""
        try:
            said = channel.recv(16)
        except (BlockingIOError, ConnectionResetError) as problem:
            if isinstance(problem, BlockingIOError):
                return
            said = b""
        if said:
            self._turn.append(channel)
            if not self._announced and len(self._turn) == self._wanted:
                self._announced = True
                self._ready()
            return
        worker = self._forget(channel)
        log.warning("worker_gone", extra={"pid": worker.pid, "exit": worker.wait()})
        # At once the first time; a worker that dies at birth must not spin.
        self._next_spawn = time.monotonic() + RESPAWN_SECONDS

    def _forget(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        self._waiting.unregister(channel)
        if channel in self._turn:
            self._turn.remove(channel)
        channel.close()
        return self._workers.pop(channel)

    def _accept(self) -> None:
        while self._turn:
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            with connection:
                self._deal(connection)
        # Nobody to deal to yet: the kernel's backlog keeps callers waiting.
        time.sleep(0.02)

    def _deal(self, connection: socket.socket) -> None:
        for _ in range(len(self._turn)):
            channel = self._turn.pop(0)
            self._turn.append(channel)
            try:
                socket.send_fds(channel, [b"c"], [connection.fileno()])
                return
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                continue

    def _end(self) -> None:
        self._listener.close()
        for worker in self._workers.values():
            worker.terminate()
        end = time.monotonic() + GRACE_SECONDS + 2
        for worker in self._workers.values():
            try:
                worker.wait(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()


class _OneWrite:
    """A transport whose writes of one turn of the loop leave as one; else it is the transport itself."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """Headers and body of an answer in one system call: two of them are a tenth of a search's time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_OneWrite(transport))  # type: ignore[arg-type]


class ToldServer(uvicorn.Server):
    """Returns from run() once it has been told to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own, which remembers the signal and sends it again: the process would die of it before its
        # jobs have stopped and its leases are given back.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


class DealtServer(ToldServer):
    """Serves the connections it is dealt over a channel instead of listening itself."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        self._adopting: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            self.should_exit = True
            return
        self.servers = []
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._receive)
        self.started = True
        self._channel.send(b"ready")

    def _receive(self) -> None:
        try:
            said, handles, _, _ = socket.recv_fds(self._channel, 16, 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            said, handles = b"", []
        if not said:
            # The supervisor is gone.
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True
        for handle in handles:
            task = asyncio.get_running_loop().create_task(self._adopt(socket.socket(fileno=handle)))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state),
            connection,
        )
