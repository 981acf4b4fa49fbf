"""A parent process that accepts connections and passes them in turn to N equal worker processes.

With one shared listening socket, workers would get unequal shares (of 8 keep-alive connections one often gets 6). A
dead worker is replaced, even if it is the only one: for example, a truncated index file kills the process that has
mapped it. When the parent dies, its end of each channel closes, and the workers stop.

Workers are forks of the parent, so each starts with the modules that the parent has imported, and shares their memory.
The parent has no threads, and holds no locks and no databases: a fork would keep its locks after a kill -9.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

UNWELL = 1  # exit code of a process that did not stop by itself
GRACE_SECONDS = 10
FORCE_SECONDS = 2  # after the grace; then a process ends, even if something hangs
READY = b"ready"
LONGEST_MESSAGE = 65_536
RESTART_SECONDS = 0.5
# After a fork that failed; multiprocessing leaves four of its descriptors open then.
FAILED_FORK_SECONDS = 10.0
PAUSE_SECONDS = 0.02  # before the next attempt to accept or to pass on
MOST_ACCEPTED = 256  # connections in a row, before messages of workers are read
FORK = multiprocessing.get_context("fork")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Supervisor:
    """Accepts connections, passes them to workers, and replaces dead workers."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        work: Callable[[socket.socket, int], None],
        workers: int,
        ready: Callable[[], None],
        refused: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """
        listener  a bound, listening socket; closed at the end
        work      called in each worker with its channel and its number, from 0, which no other running worker has; when
                  it returns, the worker ends
        ready     called once, when all workers are ready
        refused   called once, before all workers end, with a worker's error in the form of --json
        """
        self._listener, self._work, self._count, self._ready = listener, work, workers, ready
        self._refused = refused
        self._workers: dict[socket.socket, ForkProcess] = {}
        self._numbers: dict[socket.socket, int] = {}
        self._queue: list[socket.socket] = []
        self._waiting: socket.socket | None = None  # an accepted connection that no worker has taken yet
        self._accepts = True
        self._announced = False
        self._exit_code = 0
        self._stopping = False
        self._next_start = 0.0

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM.

        returns  0; or the exit code of a worker that cannot run, if other workers could not run either
        """
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        self._listener.setblocking(False)
        try:
            self._serve()
        finally:
            self._stop_workers()
        return self._exit_code

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopping:
                self._start_missing_worker()
                if self._waiting is not None:
                    self._accept()
                for key, _ in selector.select(timeout=PAUSE_SECONDS if self._waiting else 0.25):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read_message(key.fileobj)  # type: ignore[arg-type]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start_missing_worker(self) -> None:
        if len(self._workers) == self._count or time.monotonic() < self._next_start:
            return
        try:
            channel, worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with worker_end:
                channel.setblocking(False)
                number = min(set(range(self._count)) - set(self._numbers.values()))
                worker = FORK.Process(target=self._run_worker, args=(channel, worker_end, number))
                # Without signals in between, so that the worker never runs this process's handlers.
                signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
                try:
                    worker.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        except OSError as problem:
            log.warning("worker_not_started", extra={"why": problem.strerror})
            self._next_start = time.monotonic() + FAILED_FORK_SECONDS
            return
        self._workers[channel], self._numbers[channel] = worker, number
        self._selector.register(channel, selectors.EVENT_READ)

    def _run_worker(self, channel: socket.socket, worker_end: socket.socket, number: int) -> None:
        """Run in a worker: close what belongs to the parent, then work.

        channel  the parent's end, which must close when the parent dies
        """
        self._selector.close()
        for inherited in (self._listener, self._waiting, channel, *self._workers):
            if inherited is not None:
                inherited.close()
        # Until the server handles them; Python's own handler of SIGINT would print a traceback for each Ctrl-C.
        for stop_signal in STOP_SIGNALS:
            signal.signal(stop_signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self._work(worker_end, number)

    def _read_message(self, channel: socket.socket) -> None:
        """Handle a worker's message (ready, or its error), or the end of its channel, which means that it has died."""
        try:
            message = channel.recv(LONGEST_MESSAGE)
        except (BlockingIOError, ConnectionResetError) as problem:
            if isinstance(problem, BlockingIOError):
                return
            message = b""
        if message == READY:
            self._queue.append(channel)
            if not self._announced and len(self._queue) == self._count:
                self._announced = True
                self._ready()
        elif message:
            self._read_error(json.loads(message))
        else:
            worker = self._remove_worker(channel)
            worker.join()
            code = worker.exitcode or 0
            log.warning("worker_died", extra={"pid": worker.pid, "exit": code})
            if not self._announced and code >= 0 and not self._stopping:
                # It ended by itself at its start, so the next worker would do the same.
                self._end(code or UNWELL)
            # Wait before the next start, because a worker that dies at its start would cause a busy loop.
            self._next_start = time.monotonic() + RESTART_SECONDS

    def _read_error(self, message: dict[str, Any]) -> None:
        error = message["error"]
        log.warning("worker_ends", extra={"reason": error["reason"]})
        if not self._stopping and (not self._announced or error["reason"] == "DATABASE_NEWER"):
            self._refused({"error": error})
            self._end(message["exit_code"])

    def _end(self, exit_code: int) -> None:
        self._exit_code, self._stopping = exit_code, True

    def _remove_worker(self, channel: socket.socket) -> ForkProcess:
        self._selector.unregister(channel)
        if channel in self._queue:
            self._queue.remove(channel)
        channel.close()
        del self._numbers[channel]
        return self._workers.pop(channel)

    def _accept(self) -> None:
        """Accept connections and pass them on; while no worker takes one, further ones wait in the kernel's backlog."""
        for _ in range(MOST_ACCEPTED):
            if not self._queue or self._stopping:
                break
            if self._waiting is None:
                try:
                    self._waiting, _ = self._listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    return
                except OSError as problem:
                    # No file handle or memory is free at the moment; logged once until it works again.
                    if self._accepts:
                        log.warning("connections_not_accepted", extra={"why": problem.strerror})
                    self._accepts = False
                    break
                self._accepts = True
            if not self._pass_on(self._waiting):
                break
            self._waiting.close()
            self._waiting = None
        else:
            return
        time.sleep(PAUSE_SECONDS)

    def _pass_on(self, connection: socket.socket) -> bool:
        """Give a connection to the next worker that takes it. Returns False if none does."""
        for _ in range(len(self._queue)):
            channel = self._queue.pop(0)
            self._queue.append(channel)
            try:
                socket.send_fds(channel, [b"c"], [connection.fileno()])
            except OSError:
                # The worker is dead or does not read; ETOOMANYREFS means that too many handles have not been read.
                continue
            return True
        return False

    def _stop_workers(self) -> None:
        self._listener.close()
        for worker in self._workers.values():
            worker.terminate()
        end = time.monotonic() + GRACE_SECONDS + FORCE_SECONDS + 1
        for worker in self._workers.values():
            worker.join(timeout=max(0.1, end - time.monotonic()))
            if worker.exitcode is None:
                worker.kill()
                worker.join()


def end_within(seconds: float) -> None:
    """End this process after `seconds`, unless it ends before; call it in the main thread, in a signal handler.

    It uses a timer of the kernel, which needs no thread and no lock: the signal may have interrupted a lock's holder.
    """
    signal.signal(signal.SIGALRM, lambda *_: _end())
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _end() -> None:
    try:
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        log.warning("stop_forced", extra={"threads": names})
    finally:
        os._exit(UNWELL)
