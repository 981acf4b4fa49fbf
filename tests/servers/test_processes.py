"""Starting and stopping of server processes: `stop` ends exactly the started ones."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
import time

import pytest

from tests.servers import elasticsearch, processes, state


def spawn(script: str, folder) -> dict[str, int]:
    """Start a shell script as the current user in a new session."""
    return processes.spawn(["sh", "-c", script], user=getpass.getuser(), environment={}, log=folder / "log")


def children(entry: dict[str, int], count: int) -> list[int]:
    """Wait until the session has this number of processes."""
    deadline = time.monotonic() + 5
    while len(processes.members(entry)) != count and time.monotonic() < deadline:
        time.sleep(0.02)
    return processes.members(entry)


def test_stopping_ends_the_whole_session(tmp_path):
    entry = spawn("sleep 60 & sleep 60; true", tmp_path)
    assert len(children(entry, 3)) == 3
    processes.stop(entry)
    assert not processes.members(entry)
    assert not processes.alive(entry)


def test_processes_of_a_killed_leader_are_stopped_too(tmp_path):
    entry = spawn("sleep 60 & sleep 60; true", tmp_path)
    children(entry, 3)
    os.kill(entry["pid"], signal.SIGKILL)
    assert len(children(entry, 2)) == 2
    processes.stop(entry)
    assert not processes.members(entry)


def test_another_process_with_the_same_pid_is_not_stopped():
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other_process:
        entry = {"pid": other_process.pid, "birth": processes.birth(other_process.pid) - 1}
        processes.stop(entry)
        assert not processes.alive(entry)
        assert other_process.poll() is None
        other_process.kill()


def test_an_error_at_the_start_shows_the_end_of_the_log(tmp_path):
    entry = spawn("echo the disk is on fire; exit 1", tmp_path)
    with pytest.raises(state.ServerError, match="the disk is on fire"):
        processes.wait("The server", lambda: False, entry, tmp_path / "log", seconds=5)


def test_a_used_port_is_replaced():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert processes.keep_port(port) != port
    assert processes.keep_port(port) == port


def test_a_free_port_is_below_the_range_the_kernel_hands_out():
    assert 20000 <= processes.free_port() < 32768


def test_a_missing_server_is_an_error_that_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "FILE", tmp_path / "state.json")
    with pytest.raises(state.NotRunning, match="make services"):
        state.read_all()


def test_an_archive_of_another_size_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    cached = tmp_path / "rangkiang" / f"elasticsearch-{elasticsearch.VERSION}.zip"
    cached.parent.mkdir()
    cached.write_bytes(b"cut short")
    with pytest.raises(state.ServerError, match="Maven is not installed"):
        elasticsearch.archive()
