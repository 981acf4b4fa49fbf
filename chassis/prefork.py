"""A parent process that accepts connections and passes them in turn to N equal worker processes.

Workers with one shared listening socket get unequal shares (of 8 keep-alive connections one worker often gets 6). A
dead worker is replaced; when the parent dies, its end of each channel closes and the workers stop.
"""

from __future__ import annotations

import asyncio
import logging
import math
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

from chassis.http_protocol import CHECK_SECONDS, BoundedProtocol
from chassis.settings import environment_with
from chassis.stopping import end_within

log = logging.getLogger(__name__)

GRACE_SECONDS = 10
FORCE_SECONDS = 2  # after the grace a process ends, whatever hangs
REFUSED = 3  # exit code of a worker whose successor would end for the same reason
RESPAWN_SECONDS = 0.5
PAUSE_SECONDS = 0.02  # before the next try to accept or to pass on


class Supervisor:
    """Accepts connections, passes them to workers, and replaces dead workers."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        module: str,
        workers: int,
        connections_per_address: int,
        ready: Callable[[], None],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """
        listener  a bound, listening socket; closed at the end
        module    each worker runs as `python -m module HANDLE`; HANDLE is its channel
        connections_per_address
                  at most so many in all workers together; 0: no limit
        ready     called once, when all workers are ready
        refused   called when a worker ended with REFUSED; an error that it raises ends all workers
        """
        self._listener, self._module, self._count, self._ready = listener, module, workers, ready
        self._refused = refused
        # The limit of connections is one for all workers, which get them in turn.
        share = str(math.ceil(connections_per_address / workers))
        self._environment = environment_with(PORT="0", WORKERS="1", CONNECTIONS_PER_ADDRESS=share)
        self._workers: dict[socket.socket, subprocess.Popen[bytes]] = {}
        self._queue: list[socket.socket] = []
        self._waiting: socket.socket | None = None  # accepted, and no worker could take it yet
        self._accepts = True
        self._announced = False
        self._stopping = False
        self._next_spawn = 0.0

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._listener.setblocking(False)
        try:
            self._serve()
        finally:
            self._stop_workers()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopping:
                self._spawn_missing_worker()
                if self._waiting is not None:
                    self._accept()
                for key, _ in selector.select(timeout=PAUSE_SECONDS if self._waiting else 0.25):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read_message(key.fileobj)  # type: ignore[arg-type]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _spawn_missing_worker(self) -> None:
        if len(self._workers) == self._count or time.monotonic() < self._next_spawn:
            return
        try:
            channel, worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with worker_end:
                channel.setblocking(False)
                # A subprocess, not a fork: a forked child would hold its parent's locks after kill -9.
                worker = subprocess.Popen(
                    [sys.executable, "-P", "-m", self._module, str(worker_end.fileno())],
                    pass_fds=[worker_end.fileno()],
                    env=self._environment,
                )
        except OSError as problem:
            log.warning("worker_not_started", extra={"why": problem.strerror})
            self._next_spawn = time.monotonic() + RESPAWN_SECONDS
            return
        self._workers[channel] = worker
        self._selector.register(channel, selectors.EVENT_READ)

    def _read_message(self, channel: socket.socket) -> None:
        """Handle a worker's message that it is ready, or the end of its channel when it has died."""
        try:
            message = channel.recv(16)
        except (BlockingIOError, ConnectionResetError) as problem:
            if isinstance(problem, BlockingIOError):
                return
            message = b""
        if message:
            self._queue.append(channel)
            if not self._announced and len(self._queue) == self._count:
                self._announced = True
                self._ready()
            return
        worker = self._remove_worker(channel)
        log.warning("worker_died", extra={"pid": worker.pid, "exit": worker.wait()})
        if worker.returncode == REFUSED:
            self._refused()
        # Wait before the next start, because a worker that dies at its start would cause a busy loop.
        self._next_spawn = time.monotonic() + RESPAWN_SECONDS

    def _remove_worker(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        self._selector.unregister(channel)
        if channel in self._queue:
            self._queue.remove(channel)
        channel.close()
        return self._workers.pop(channel)

    def _accept(self) -> None:
        """Accept connections and pass them on; those that no worker can take now wait in the kernel's backlog."""
        while self._queue and not self._stopping:
            if self._waiting is None:
                try:
                    self._waiting, _ = self._listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    return
                except OSError as problem:
                    # No file handle or no memory is left, perhaps for a moment; logged once until it works again.
                    if self._accepts:
                        log.warning("connections_not_accepted", extra={"why": problem.strerror})
                    self._accepts = False
                    break
                self._accepts = True
            if not self._pass_on(self._waiting):
                break
            self._waiting.close()
            self._waiting = None
        time.sleep(PAUSE_SECONDS)

    def _pass_on(self, connection: socket.socket) -> bool:
        """Give a connection to the next worker that takes it; False when none does."""
        for _ in range(len(self._queue)):
            channel = self._queue.pop(0)
            self._queue.append(channel)
            try:
                socket.send_fds(channel, [b"c"], [connection.fileno()])
            except OSError:
                # The worker is gone, or does not read: ETOOMANYREFS when too many handles are under way.
                continue
            return True
        return False

    def _stop_workers(self) -> None:
        self._listener.close()
        for worker in self._workers.values():
            worker.terminate()
        end = time.monotonic() + GRACE_SECONDS + FORCE_SECONDS + 1
        for worker in self._workers.values():
            try:
                worker.wait(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()


class StoppableServer(uvicorn.Server):
    """Returns from run() after SIGTERM or SIGINT, and closes the connections of late clients."""

    _next_check = 0.0

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.check_deadline(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's method raises the signal again at the end: the process would die before its jobs have stopped and
        # its leases are released.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        if not self.should_exit:
            end_within(GRACE_SECONDS + FORCE_SECONDS)
        self.should_exit = True


class WorkerServer(StoppableServer):
    """Serves connections from a channel instead of a listening socket."""

    def __init__(self, config: uvicorn.Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        self._tasks: set[asyncio.Task[Any]] = set()

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
            message, handles, _, _ = socket.recv_fds(self._channel, 16, 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message, handles = b"", []
        if not message:
            # The supervisor has died.
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True
        for handle in handles:
            task = asyncio.get_running_loop().create_task(self._serve_connection(socket.socket(fileno=handle)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve_connection(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state),
            connection,
        )
