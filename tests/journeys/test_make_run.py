"""`make run` on a new checkout: it starts a library with real books, and errors are sentences."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import CHECKOUT
from tests.servers import processes

FIRST_RUN_CPU_SECONDS = 60  # measured 20; the environment is there
NEXT_RUN_CPU_SECONDS = 10  # measured 2.8; a set-up or a new import would take longer


class Run:
    """`make run` in its own session, as a terminal starts it."""

    def __init__(self, data: Path, port: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["make", "run", f"PORT={port}", f"DATA={data}"],
            env=environment,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until_address(self) -> str:
        """Wait until the address is printed and responds. Returns the lines until then."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if self.address in line:
                assert self.get("/api/v1/health/live")["status"] == "live"
                return "".join(lines)
        raise AssertionError("".join(lines))

    def get(self, path: str) -> dict:
        """Return the JSON of an API request; a refusal fails the test."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(f"{path}: {refusal.code} {refusal.read().decode()}") from None

    def interrupt(self) -> None:
        """Send Ctrl-C to the whole foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=20)


def failure_output(data: Path, port: int) -> str:
    """Output of a run that fails."""
    run = Run(data, port)
    output, _ = run.process.communicate(timeout=60)
    assert run.process.returncode != 0
    return output


def cpu_seconds() -> float:
    """CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_first_run_loads_real_books_and_the_next_run_does_not_load_them_again(tmp_path):
    data, port = tmp_path / "var", processes.free_port()
    before = cpu_seconds()
    run = Run(data, port)
    try:
        (line,) = [line for line in run.until_address().splitlines() if "admin create" in line]
        assert f"DATA={data} PORT={port} " in line
        made = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
        assert f"link: {run.address}/sign-in/link/" in made.stdout, made.stderr
        page = run.get("/api/v1/search?q=minangkabau")
        assert page["total"] > 0
        assert page["hits"]
    finally:
        run.interrupt()
    first = cpu_seconds()
    assert first - before < FIRST_RUN_CPU_SECONDS
    run = Run(data, port)
    try:
        assert "admin create" not in run.until_address()
    finally:
        run.interrupt()
    assert cpu_seconds() - first < NEXT_RUN_CPU_SECONDS


def test_a_taken_port_is_a_clear_error(tmp_path):
    # As on every start but the first.
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "sample-loaded").touch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        output = failure_output(tmp_path / "var", listener.getsockname()[1])
    assert "PORT_TAKEN" in output
    assert "PORT=" in output
    assert "Traceback" not in output


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "a-file").touch()
    output = failure_output(tmp_path / "a-file" / "var", processes.free_port())
    assert "FOLDER_UNUSABLE" in output
    assert "DATA=" in output
    assert "Traceback" not in output
