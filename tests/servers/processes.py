"""Start, watch and stop server processes as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.state import FOLDER, KEY, ServerError

STOP_SECONDS = 40


def account(user: str) -> str:
    """The user of a server process: `user` when the current user is root, otherwise the current user."""
    return user if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def as_user(user: str) -> list[str]:
    """Command prefix that changes to `user`; empty when that is the current user."""
    entry = pwd.getpwnam(user)
    if os.geteuid() == entry.pw_uid:
        return []
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]


def home(name: str, user: str) -> Path:
    """Make the data folder of one server, reachable by its user.

    An unprivileged user has no access to folders below /root: then the data is under /var/lib.
    """
    for folder in (FOLDER / name, Path("/var/lib/rangkiang-services") / KEY / name):
        folder.mkdir(parents=True, exist_ok=True)
        own(folder, user)
        if subprocess.run([*as_user(user), "test", "-w", str(folder)], cwd="/", check=False).returncode == 0:
            if folder.parent != FOLDER:
                print(f"{user} cannot reach {FOLDER}; {name} keeps its data in {folder}")
            return folder
        folder.rmdir()
    raise ServerError(f"{user} can reach neither {FOLDER} nor /var/lib: give the folders of this checkout mode 755")


def own(path: Path, user: str) -> None:
    """Give one file or folder to the server's user."""
    entry = pwd.getpwnam(user)
    if os.geteuid() == 0:
        os.chown(path, entry.pw_uid, entry.pw_gid)


def write(path: Path, text: str, user: str) -> None:
    """Write a configuration file for the server's user."""
    path.write_text(text)
    own(path, user)


def free_port() -> int:
    """Find a loopback port without a listener, below the range from which the kernel takes ports."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        if port_is_free(port):
            return port
    raise ServerError("no free loopback port between 20000 and 32000")


def port_is_free(port: int) -> bool:
    """Return True when no server uses this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def keep_port(port: int | None) -> int:
    """Use the previous port again if it is free, so that URLs stay the same."""
    return port if port and port_is_free(port) else free_port()


def spawn(command: Sequence[str], *, user: str, environment: Mapping[str, str], log: Path) -> dict[str, int]:
    """Start a server in a new session; return its pid and start time, which identify it for `stop`."""
    with log.open("ab") as log_file:
        own(log, user)
        process = subprocess.Popen(
            [*as_user(user), *command],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return {"pid": process.pid, "birth": birth(process.pid)}


def birth(pid: int) -> int:
    """Start time of a process in clock ticks since boot; 0 when it has ended or is a zombie."""
    fields = _status(pid)
    return 0 if fields is None or fields[0] == "Z" else int(fields[19])


def alive(entry: Mapping[str, int]) -> bool:
    """Return True when the started process still runs."""
    return birth(entry["pid"]) == entry["birth"] != 0


def members(entry: Mapping[str, int]) -> list[int]:
    """Running processes of the started session, including those whose leader has ended."""
    if birth(entry["pid"]) not in (0, entry["birth"]):
        return []  # another process has this pid: the session has ended
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (fields := _status(pid)) and fields[0] != "Z" and int(fields[3]) == entry["pid"]]


def _status(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def stop(entry: Mapping[str, int], sign: signal.Signals = signal.SIGTERM) -> None:
    """Stop the started session; kill the processes that do not stop."""
    for number in (sign, signal.SIGKILL):
        for pid in members(entry):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while members(entry) and time.monotonic() < deadline:
            time.sleep(0.1)


def wait(name: str, ready: Callable[[], bool], entry: Mapping[str, int], log: Path, seconds: float = 90) -> None:
    """Wait until a server answers; when it ends or does not respond, raise an error with the end of its log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return
        if not alive(entry):
            break
        time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    stop(entry)
    raise ServerError(f"{name} did not start; the end of {log}:\n{tail}")
