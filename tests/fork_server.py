"""Commands of `rangkiang` in forks of one process that has imported the product: a start then takes no second of CPU.

Tests of its start and of commands that are killed start the program itself. Here its `main` runs with the same
words, environment, folder and pipes.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 16


class ForkServer:
    """The process that forks; it ends with this one."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-m", "tests.fork_server", str(far.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[far.fileno()], cwd=Path(__file__).parents[1])
        far.close()
        atexit.register(self._process.kill)

    def run(
        self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, stdin: bytes, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; another thread's command waits for it.

        raises  subprocess.TimeoutExpired  after this time, and the command is killed
        """
        with self._turn:
            return self._run(words, environment, folder, stdin, seconds)

    def _run(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: bytes, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        pipes = [os.pipe() for _ in range(3)]
        (read_in, write_in), (read_out, write_out), (read_errors, write_errors) = pipes
        request = json.dumps({"words": list(words), "environment": dict(environment), "folder": str(folder)})
        socket.send_fds(self._socket, [request.encode()], [read_in, write_out, write_errors])
        for descriptor in (read_in, write_out, write_errors):
            os.close(descriptor)
        pid = int(self._socket.recv(MOST_BYTES))
        texts: dict[int, bytes] = {}
        threads = [threading.Thread(target=_write, args=(write_in, stdin), daemon=True)]
        threads += [
            threading.Thread(target=lambda one=one: texts.update({one: _read(one)}), daemon=True)
            for one in (read_out, read_errors)
        ]
        for thread in threads:
            thread.start()
        self._socket.settimeout(seconds)
        try:
            code = int(self._socket.recv(MOST_BYTES))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._socket.settimeout(None)
            self._socket.recv(MOST_BYTES)
            raise subprocess.TimeoutExpired(list(words), seconds) from None
        for thread in threads[1:]:
            thread.join(seconds)
        return subprocess.CompletedProcess(list(words), code, texts[read_out], texts[read_errors])


@cache
def fork_server() -> ForkServer:
    """The one of this process."""
    return ForkServer()


def run_command(
    words: Sequence[str], *, environment: Mapping[str, str], folder: Path, stdin: bytes = b"", seconds: float = 60
) -> subprocess.CompletedProcess[bytes]:
    """Run `rangkiang` with these words to its end, as `ForkServer.run` does."""
    return fork_server().run(words, environment=environment, folder=folder, stdin=stdin, seconds=seconds)


def _write(descriptor: int, content: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as pipe:
            pipe.write(content)
    except BrokenPipeError:
        pass  # the command has not read it to its end


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


def _serve(requests: socket.socket) -> None:
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not message:
            return
        pid = os.fork()
        if not pid:
            requests.close()
            os._exit(_command(json.loads(message), descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(pid).encode())
        requests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _command(request: dict[str, Any], descriptors: Sequence[int]) -> int:
    """Run the command in this process. Returns its exit code."""
    from chassis import entrypoint

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["rangkiang", *request["words"]]
    code: Any = 0
    try:
        entrypoint.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    import chassis.cli  # noqa: F401
    from chassis.service import discover
    from chassis.urls import resolve

    for service in discover():
        resolve(service.rpc)
        if service.commands:
            resolve(service.commands)
    # What the commands import when they run.
    for module in ("chassis.migrate", "chassis.health", "chassis.postgres", "services.catalog.index.elastic"):
        import_module(module)
    from services.catalog.importing import pipeline  # noqa: F401

    assert threading.active_count() == 1, "a fork has no other thread"
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
