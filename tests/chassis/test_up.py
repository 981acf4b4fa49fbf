"""`rangkiang up` in one process, and the errors of addresses that it cannot use."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import CHECKOUT
from tests.programs import start_program


def variables(folder: Path, **changes: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return environment | {"DATA": str(folder), "PORT": "0", "WORKERS": "1"} | changes


def start(folder: Path, *words: str, **changes: str) -> subprocess.Popen[bytes]:
    return start_program(["up", "--json", *words], env=variables(folder, **changes), cwd=CHECKOUT)


def refusal(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
    """Exit code and error of a run that fails."""
    output, _ = process.communicate(timeout=60)
    error: dict[str, Any] = json.loads(output.splitlines()[-1])["error"]
    return process.returncode, error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_one_process_serves_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["workers"] == 1
        assert httpx.get(f"{line['address']}/api/v1/health/ready", timeout=20).status_code == 200
        assert httpx.get(f"{line['address']}/api/v1/search", timeout=20).status_code in (200, 503)
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_supervisor_has_no_thread_and_no_database_that_a_new_worker_would_share(tmp_path: Path) -> None:
    # Traces, whose exporter is a thread, belong to the workers.
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_SAMPLER": "always_off"}
    # The program itself, because a fork has no thread that an import starts.
    command = [sys.executable, "-P", "-m", "chassis.cli.commands", "up", "--json"]
    process = subprocess.Popen(command, env=variables(tmp_path, **traced), cwd=CHECKOUT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        files = [os.readlink(file) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
        assert not [file for file in files if file.startswith(str(tmp_path))]
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 1
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_named(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, error = refusal(start(tmp_path, "--port", str(port), WORKERS=workers))
    assert (code, error["reason"], error["facts"]["port"]) == (3, "PORT_TAKEN", port)
    assert "PORT=" in error["sentence"]["id"]


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    code, error = refusal(start(tmp_path, HOST="203.0.113.7"))
    assert (code, error["reason"], error["facts"]["host"]) == (2, "ADDRESS_UNUSABLE", "203.0.113.7")


def test_an_unknown_host_name_is_refused(tmp_path: Path) -> None:
    code, error = refusal(start(tmp_path, HOST="nowhere.invalid"))
    assert (code, error["reason"]) == (2, "ADDRESS_UNUSABLE")


@pytest.mark.parametrize(("option", "value"), [("--port", "70000"), ("--workers", "0")])
def test_an_option_out_of_bounds_is_named_like_its_variable(tmp_path: Path, option: str, value: str) -> None:
    code, error = refusal(start(tmp_path, option, value))
    assert (code, error["reason"]) == (2, "SETTING_INVALID")
    assert error["facts"]["variable"] == option[2:].upper()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_cannot_start_ends_up_with_one_sentence_and_its_exit_code(tmp_path: Path, workers: str) -> None:
    process = start(tmp_path / "var", SEARCH_URL="solr://127.0.0.1/records", WORKERS=workers)
    output, _ = process.communicate(timeout=60)
    [line] = output.splitlines()
    assert (process.returncode, json.loads(line)["error"]["reason"]) == (2, "URL_SCHEME_UNKNOWN")
