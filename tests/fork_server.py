"""Processes of `rangkiang` and of the tests as forks of one process that has imported the product, for quick starts.

Tests of how a program starts, and of its memory, run the program itself. Here its `main` runs with the same words,
environment, folder and pipes. Without forks `.ci/run` would take 31 to 34 minutes instead of 19 to 21 on two cores: the
tests start 1,000 to 1,200 processes, and imports take 0.7 s of a processor for a command and 3.4 s for `up`.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import pkgutil
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

MOST_BYTES, MOST_DESCRIPTORS = 1 << 16, 32
UNUSED_DESCRIPTOR = 200  # a number above those of an open file
CHECKOUT = Path(__file__).resolve().parents[1]
COMMAND = "chassis.cli.entrypoint:main"
FORKS = "forks"  # name of a process that forks in the session of a command
COMMANDS = {COMMAND, "chassis.entrypoint:main", "chassis.door:main"}  # then those of releases 0.4.0 and 0.1.0
WORKER = "tests.forked_programs:run_worker"
SCRIPT = "tests.forked_programs:run_script"
# Environment variable: folder of the processes that fork for all processes of xdist, and their names there.
SHARED = "SHARED_FORK_SERVERS"
NAMES = {COMMAND: "commands", WORKER: "workers"}
# They start no process, or fork their own: commands, and the services of the tests.
LONG_RUNNING = {"up", "serve", "gateway", "stock", "orders"}


class ForkServer:
    """The near end of a process that forks.

    near    socket to it; without one, each request makes a connection
    folder  with a program `rangkiang` for shells, which runs in a fork too, and the socket that it connects to
    """

    def __init__(self, near: socket.socket | None, folder: Path = CHECKOUT) -> None:
        self._socket, self.folder = near, folder

    @classmethod
    def start(cls, program: str, sources: Path = CHECKOUT, folder: Path | None = None) -> ForkServer:
        """Start one that ends with this process.

        program  that of shells
        sources  folder of what it imports
        folder   new folder for its socket
        """
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder = folder or Path(tempfile.mkdtemp(prefix="forks-"))
        (folder / "rangkiang").symlink_to(Path(__file__).with_name("rangkiang"))
        with far, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as shells:
            shells.bind(str(folder / "socket"))
            shells.listen()
            descriptors = [far.fileno(), shells.fileno()]
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, *map(str, descriptors), program, str(sources)],
                pass_fds=descriptors,
                cwd=sources,
                env={**os.environ, "PYTHONPATH": str(sources)},
            )
        atexit.register(process.kill)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return cls(near, folder)

    def send(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Request a fork.

        descriptors  its files, and a socket that takes its id at the start and its exit code at the end
        """
        message = [json.dumps(request).encode()]
        if self._socket:
            socket.send_fds(self._socket, message, descriptors)
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(self.folder / "socket"))
            socket.send_fds(connection, message, descriptors)


servers: dict[tuple[str, Path], ForkServer] = {}
_starting = threading.Lock()


def fork_server(program: str, sources: Path = CHECKOUT) -> ForkServer:
    """The one for WORKER or for any other program, and for these sources: that of all processes, or of this process."""
    kind = WORKER if program == WORKER else COMMAND
    with _starting:
        if (kind, sources) not in servers:
            if sources == CHECKOUT and SHARED in os.environ:
                servers[kind, sources] = ForkServer(None, Path(os.environ[SHARED], NAMES[kind]))
            else:
                # Shells run the command, whichever function of the tests needs the process first.
                servers[kind, sources] = ForkServer.start(program if program in COMMANDS else kind, sources)
        return servers[kind, sources]


class ForkedProcess(subprocess.Popen[bytes]):
    """A command in a fork, with the interface of any other process that a test starts.

    program            function that runs: that of the command, or MODULE:FUNCTION of the tests, which gets the words;
                       WORKER is `work`, with the service as its word; SCRIPT runs its first word, a source
    sources            folder of what it runs: this checkout, a copy, or an earlier release
    start_new_session  it and its children can be killed together
    pass_fds           descriptors that it has under the same numbers
    """

    _child_created = False  # not by Popen, whose end would warn that it still runs

    def __init__(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        program: str = COMMAND,
        stdin: int = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = subprocess.PIPE,
        stderr: int | IO[bytes] | None = None,
        start_new_session: bool = False,
        pass_fds: Sequence[int] = (),
        sources: Path = CHECKOUT,
    ) -> None:
        self.args, self.returncode = list(words), None
        self.stdin = self.stdout = self.stderr = None
        self._read: dict[str, bytes] = {}
        self._threads: list[threading.Thread] | None = None
        if stdin == subprocess.PIPE:
            far_in, near = os.pipe()
            self.stdin = os.fdopen(near, "wb")
        else:
            far_in = os.open(os.devnull, os.O_RDONLY)
        self.stdout, far_out = _output(stdout, 1)
        self.stderr, far_errors = (None, os.dup(far_out)) if stderr == subprocess.STDOUT else _output(stderr, 2)
        self._status, far_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {
            "program": program,
            "words": list(words),
            "environment": dict(env),
            "folder": str(cwd),
            "starts_session": start_new_session,
            "numbers": [0, 1, 2, *pass_fds],
        }
        with far_status:
            descriptors = [far_in, far_out, far_errors, *pass_fds, far_status.fileno()]
            fork_server(program, sources).send(request, descriptors)
        for descriptor in (far_in, far_out, far_errors):
            os.close(descriptor)
        self.pid = int(self._status.recv(MOST_BYTES))

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Returns the exit code."""
        if self.returncode is None:
            with selectors.PollSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._status.recv(MOST_BYTES))
            self._status.close()
        return self.returncode

    def communicate(  # type: ignore[override]
        self, content: bytes | None = None, timeout: float | None = None
    ) -> tuple[bytes | None, bytes | None]:
        """Write the content and read the outputs to their ends; then wait. May be called again after a timeout."""
        end = None if timeout is None else time.monotonic() + timeout
        if self._threads is None:
            self._threads = [
                threading.Thread(target=self._read_all, args=(name,), daemon=True)
                for name in ("stdout", "stderr")
                if (pipe := getattr(self, name)) is not None and not pipe.closed
            ]
            if self.stdin is not None:
                self._threads.append(threading.Thread(target=_write, args=(self.stdin, content or b""), daemon=True))
            for thread in self._threads:
                thread.start()
        for thread in self._threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if end is None else max(end - time.monotonic(), 0))
        return self._read.get("stdout"), self._read.get("stderr")

    def _read_all(self, name: str) -> None:
        with getattr(self, name) as pipe:
            self._read[name] = pipe.read()


def _output(target: int | IO[bytes] | None, inherited: int) -> tuple[IO[bytes] | None, int]:
    """This process's end of an output, if it is a pipe, and the descriptor for the fork."""
    if target == subprocess.PIPE:
        near, far = os.pipe()
        return os.fdopen(near, "rb"), far
    if target == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_WRONLY)
    if isinstance(target, int):
        return None, os.dup(target)
    return None, os.dup(inherited if target is None else target.fileno())


def _write(pipe: IO[bytes], content: bytes) -> None:
    try:
        with pipe:
            pipe.write(content)
    except BrokenPipeError:
        pass  # the command has not read it to its end


def _serve(
    program: str, requests: socket.socket, shells: socket.socket | None, selector: selectors.BaseSelector
) -> None:
    """Fork for each request, also of the forks and of shells, and send the exit code of each fork that ends.

    program  that of shells
    """
    from_forks, to_server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    selector.register(from_forks, selectors.EVENT_READ)
    statuses: dict[int, tuple[int, int]] = {}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests and their processes
    while True:
        for key, _ in selector.select():
            if key.fd in statuses:
                selector.unregister(key.fd)
                pid, status = statuses.pop(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(key.fd)
                with suppress(OSError):  # nobody may wait for it
                    os.write(status, str(code).encode())
                os.close(status)
                continue
            shell = _accept(shells) if shells and key.fileobj is shells else None
            near: Any = shell or key.fileobj
            message, descriptors, *_ = socket.recv_fds(near, MOST_BYTES, MOST_DESCRIPTORS)
            if shell:
                shell.close()
            if not message:
                if shell:
                    continue  # its program was killed
                return
            *streams, status = descriptors
            pid = os.fork()
            if not pid:
                # It keeps nothing open of the others, which see the end of their pipes.
                others = [other for _, other in statuses.values()]
                for file in (selector, requests, shells, from_forks):
                    if file is not None:
                        os.close(file.fileno())  # type: ignore[attr-defined]
                for descriptor in (status, *statuses, *others):
                    os.close(descriptor)
                os._exit(_command({"program": program, **json.loads(message)}, streams, ForkServer(to_server)))
            for descriptor in streams:
                os.close(descriptor)
            os.write(status, str(pid).encode())
            end = os.pidfd_open(pid)
            statuses[end] = pid, status
            selector.register(end, selectors.EVENT_READ)


def _accept(shells: socket.socket) -> socket.socket:
    shell, _ = shells.accept()
    os.set_blocking(shell.fileno(), True)  # where eventlet has changed the modules, it would not wait for a message
    return shell


def _command(request: dict[str, Any], descriptors: Sequence[int], server: ForkServer) -> int:
    """Run the command in this process. Returns its exit code."""
    _name_process("rangkiang")
    has_children = request["program"] in COMMANDS
    if request["starts_session"]:
        os.setsid()
        has_children = request["program"] != WORKER and LONG_RUNNING.isdisjoint(request["words"])
        if has_children:
            server = _start_in_session(request["program"], descriptors)
    # First out of the way, because the number of one may be that which another is to get.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, UNUSED_DESCRIPTOR) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for number, descriptor in zip(request.get("numbers", range(3)), moved, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if has_children:
        # The processes that a command starts are forks too.
        servers[COMMAND, CHECKOUT] = server
        _jobs_module().subprocess = SimpleNamespace(
            Popen=_start_jobs, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired
        )
        if decoders := sys.modules.get("tests.forked_decoders"):
            decoders.use_forks(ForkedProcess)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["rangkiang", *request["words"]]
    code: Any = 0
    try:
        module, _, function = request["program"].partition(":")
        run = getattr(import_module(module), function)
        code = run() if request["program"] in COMMANDS else run(*request["words"])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _start_in_session(program: str, descriptors: Sequence[int]) -> ForkServer:
    """Start a process that forks for this one, in its session: what kills the session kills the forks too.

    descriptors  of this process, which the other one does not keep open
    """
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        far.close()
        return ForkServer(near)
    try:
        _name_process(FORKS)
        near.close()
        for descriptor in descriptors:
            os.close(descriptor)
        selector = selectors.DefaultSelector()
        selector.register(far, selectors.EVENT_READ)
        _serve(program, far, None, selector)
    finally:
        os._exit(0)


def _name_process(name: str) -> None:
    Path("/proc/self/comm").write_text(name)  # `ps` shows it


def _jobs_module() -> Any:
    return import_module("chassis.jobs.jobs" if hasattr(import_module("chassis.jobs"), "__path__") else "chassis.jobs")


def _start_jobs(command: Sequence[str], *, stdin: int) -> ForkedProcess:
    """The process of `chassis.jobs.jobs.running_for_command`."""
    jobs = _jobs_module()
    name = "run_for_command" if hasattr(jobs, "run_for_command") else "run_beside"  # the second in release 0.1.0
    service, program = command[-1], f"{jobs.__name__}:{name}"
    return ForkedProcess([service], program=program, env=os.environ, cwd=Path.cwd(), stdin=stdin, stdout=None)


def _import_sources() -> None:
    """Import every module of an earlier release, but `work`, which changes sockets, and revisions."""
    for package in ("chassis", "gateway", "services"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not re.search(r"\.(nameko|__main__|migrations\..*)$", module.name):
                import_module(module.name)


if __name__ == "__main__":
    # Made before eventlet changes the modules, so that this process waits as usual.
    near, listening = (socket.socket(fileno=int(word)) for word in sys.argv[1:3])
    forked, folder = sys.argv[3:5]
    waiting = selectors.DefaultSelector()
    waiting.register(near, selectors.EVENT_READ)
    waiting.register(listening, selectors.EVENT_READ)
    assert import_module("chassis").__path__[0].startswith(folder)
    if Path(folder, "tests", "fork_server.py").exists():
        programs = import_module("tests.forked_programs")
        (programs.import_workers if forked == WORKER else programs.import_product)()
    else:
        _import_sources()
    assert threading.active_count() == 1, "a fork has no other thread"
    gc.freeze()
    _serve(forked, near, listening, waiting)
