"""`make run`, as a stranger types it: a library of real books answers, and trouble is a sentence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import CHECKOUT
from tests.servers import processes

FIRST_RUN_SECONDS = 60
NEXT_RUN_SECONDS = 3


class Run:
    """`make run` in a session of its own, as a terminal would start it."""

    def __init__(self, data: Path, port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        self.address = f"http://127.0.0.1:{port}"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            ["make", "run", f"PORT={port}", f"DATA={data}"],
            env=environment,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until_address(self) -> float:
        """Wait until the address is printed and answers; return the seconds that took."""
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if self.address in line:
                taken = time.monotonic() - self.began
                assert self.get("/api/v1/health/live")["status"] == "live"
                return taken
        raise AssertionError("".join(seen))

    def get(self, path: str) -> dict:
        """Ask the API; a refusal fails with what it says."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{path}: {refusal.code} {refusal.read().decode()}") from None

    def interrupt(self) -> None:
        """Press Ctrl-C: the whole foreground group hears it."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=20)


def once_more(data: Path, port: int) -> float:
    """Seconds that a later run takes until it answers; whatever else the machine does counts too, so take the best."""
    run = Run(data, port)
    try:
        return run.until_address()
    finally:
        run.interrupt()


def words_at_the_end(data: Path, port: int) -> str:
    """What a run that cannot work says before it ends."""
    run = Run(data, port)
    said, _ = run.process.communicate(timeout=60)
    assert run.process.returncode != 0
    return said


def test_the_first_run_is_a_library_within_a_minute_and_the_next_is_up_at_once(tmp_path):
    data, port = tmp_path / "var", processes.free_port()
    run = Run(data, port)
    try:
        assert run.until_address() < FIRST_RUN_SECONDS
        found = run.get("/api/v1/search?q=minangkabau")
        assert found["total"] > 0
        assert found["hits"]
    finally:
        run.interrupt()
    assert min(once_more(data, port) for _ in range(3)) < NEXT_RUN_SECONDS


def test_a_taken_port_is_a_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = words_at_the_end(tmp_path / "var", listener.getsockname()[1])
    assert "PORT_TAKEN" in said
    assert "PORT=" in said
    assert "Traceback" not in said


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "a-file").touch()
    said = words_at_the_end(tmp_path / "a-file" / "var", processes.free_port())
    assert "FOLDER_UNUSABLE" in said
    assert "DATA=" in said
    assert "Traceback" not in said
