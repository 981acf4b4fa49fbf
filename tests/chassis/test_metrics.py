"""Metrics of several processes in shared files, and the port that shows their sums."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.programs import start_program, start_script

REQUESTS = "http_server_request_duration_seconds_count"
PROCESSES = "rangkiang_processes"
# A process that counts one request for each line it reads.
COUNTING = """
import sys
from pathlib import Path
from chassis.metrics import telemetry
from chassis import metrics
from chassis.settings import Settings
telemetry.start(Settings(data=Path(sys.argv[1]), metrics_port=int(sys.argv[2])), "tests")
print("ready", metrics.own() is not None, flush=True)
for line in sys.stdin:
    metrics.observe_request("/a", "GET", 200, 0.002)
    print("counted", flush=True)
"""
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    return number


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Starts a process that counts."""
    processes: list[subprocess.Popen[bytes]] = []

    def start_one() -> subprocess.Popen[bytes]:
        process = start_script(COUNTING, str(tmp_path), str(port), stdin=subprocess.PIPE)
        processes.append(process)
        assert _line(process) == "ready True"
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.communicate()


def test_the_port_shows_the_sum_of_all_processes(start: Start, port: int) -> None:
    first, second = start(), start()
    _count(first, 3)
    _count(second, 4)
    assert _sum(port, REQUESTS) == 7
    assert _sum(port, PROCESSES) == 2


def test_a_killed_process_loses_no_count_and_its_successor_doubles_no_gauge(start: Start, port: int) -> None:
    start()
    for number in range(1, 4):
        worker = start()
        _count(worker, 10)
        worker.kill()
        worker.wait()
        assert _sum(port, REQUESTS) == 10 * number
        assert _sum(port, PROCESSES) == 1
    start()
    assert (_sum(port, REQUESTS), _sum(port, PROCESSES)) == (30, 2)


def test_restarts_do_not_add_files(start: Start, tmp_path: Path, port: int) -> None:
    def files() -> list[str]:
        return sorted(path.name for path in tmp_path.rglob("*.db"))

    _kill(start())
    before = files()
    for _ in range(3):
        _kill(start())
    assert files() == before


def test_another_process_takes_the_port_when_its_holder_is_killed(start: Start, port: int) -> None:
    holder = start()
    _count(holder, 1)
    eventually(lambda: _answers(port))
    heir = start()
    _count(heir, 1)
    _kill(holder)
    eventually(lambda: _answers(port))
    assert _sum(port, REQUESTS) == 2


def test_the_first_process_of_a_machine_begins_at_zero_whatever_the_files_are(
    start: Start, tmp_path: Path, port: int
) -> None:
    before = start()
    _count(before, 5)
    _kill(before)
    [file] = tmp_path.rglob("histogram_0.db")
    with file.open("r+b") as content:
        content.seek(8)
        content.write(os.urandom(4096))
    _count(start(), 1)
    assert _sum(port, REQUESTS) == 1


def test_a_process_whose_files_find_no_space_runs_without_metrics(tmp_path: Path, port: int) -> None:
    process = subprocess.run(
        [sys.executable, "-c", COUNTING, str(tmp_path), str(port)],
        input="\n",
        capture_output=True,
        text=True,
        timeout=60,
        # Stands for a full disk: no file may have more bytes than this.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
    )
    assert process.stdout.split("\n")[:2] == ["ready False", "counted"]
    assert "metrics_not_started" in process.stderr


def test_the_port_only_reads(start: Start, port: int) -> None:
    start()
    eventually(lambda: _answers(port))
    assert httpx.post(f"http://127.0.0.1:{port}/metrics", verify=False).status_code == 405


def test_without_a_port_nothing_is_counted_and_the_library_is_not_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from chassis import metrics; from chassis.metrics import telemetry;"
        "from chassis.settings import Settings; telemetry.start(Settings(data=Path(sys.argv[1])), 'tests');"
        "metrics.observe_request('/a', 'GET', 200, 0.1); metrics.observe_call('a/B', 'OK', 0.1);"
        "import chassis.rpc.server, chassis.jobs.jobs, gateway.app;"
        "sys.exit(any(name.startswith('prometheus') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60).returncode == 0
    assert not list(tmp_path.iterdir())


def _line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def _count(process: subprocess.Popen[bytes], requests: int) -> None:
    assert process.stdin is not None
    for _ in range(requests):
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert _line(process) == "counted"


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", verify=False).status_code == 200
    except httpx.TransportError:
        return False


def _sum(port: int, name: str) -> float:
    eventually(lambda: _answers(port))
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", verify=False).text
    families = text_string_to_metric_families(text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


@pytest.fixture
def up(tmp_path: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`rangkiang up --workers 2` with metrics; yields its process and its address."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(tmp_path), "PORT": "0", "METRICS_PORT": str(port), "RATE_LIMIT": "10"}
    process = start_program(["up", "--json", "--workers", "2"], env=environment, cwd=CHECKOUT)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["address"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_up_shows_every_documented_metric_on_its_own_port_and_never_to_readers(
    up: tuple[subprocess.Popen[bytes], str], port: int
) -> None:
    process, address = up
    # A connection each, so that both workers serve some; the index of the empty catalogue may not be built yet.
    statuses = [httpx.get(f"{address}/api/v1/search?q=surau", timeout=20, verify=False).status_code for _ in range(50)]
    assert 429 in statuses
    assert httpx.get(f"{address}/metrics", verify=False).status_code in (404, 429)
    documented = {line.split("`")[1] for line in (CHECKOUT / "docs" / "metrics.md").read_text().splitlines()
                  if line.startswith("| `")}  # fmt: skip
    # These have no sample until there is one: a handler, a queue on RabbitMQ, a channel that was used, a certificate,
    # an import that runs, a search without its engine.
    documented -= {"rangkiang_handler_waiting_events", "rangkiang_dead_events", "rangkiang_import_read_records",
                   "rangkiang_import_age_seconds", "rangkiang_degraded_answers_total", "rangkiang_handler_workers",
                   "rangkiang_channel_failures", "rangkiang_certificate_end_timestamp_seconds"}  # fmt: skip
    eventually(lambda: documented <= _names(port), seconds=30)
    shown = _sum(port, REQUESTS)
    assert shown == 51
    [worker, *_] = _children(process.pid)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: worker not in _children(process.pid) and len(_children(process.pid)) == 2)
    assert _sum(port, REQUESTS) >= shown


def _names(port: int) -> set[str]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", verify=False).text
    families = text_string_to_metric_families(text)
    return {family.name + ("_total" if family.type == "counter" else "") for family in families if family.samples}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
