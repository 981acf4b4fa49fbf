"""A process that is to end reports it first, goes on to answer for a while, and loses no request."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chassis.settings import environment_with
from tests.conftest import CHECKOUT

COMMAND = (sys.executable, "-P", "-m", "chassis.cli")
READY, LIVE = "/api/v1/health/ready", "/api/v1/health/live"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = environment_with(DATA=str(tmp_path), PORT="0", CATALOG_URL="ipv4:127.0.0.1:1", DRAIN_SECONDS="1.5")
    process = subprocess.Popen([*COMMAND, "gateway", "--json"], env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_gateway_that_ends_answers_new_and_open_connections_and_closes_them(
    gateway: subprocess.Popen[bytes],
) -> None:
    assert gateway.stdout is not None
    address = urlsplit(json.loads(gateway.stdout.readline())["address"]).netloc
    open_connection = http.client.HTTPConnection(address, timeout=10)
    assert ask(open_connection, LIVE) == (200, None)
    os.kill(gateway.pid, signal.SIGTERM)
    new_connection = http.client.HTTPConnection(address, timeout=10)
    assert [ask(connection, LIVE) for connection in (open_connection, new_connection)] == [(200, "close")] * 2
    status, connection_header = ask(http.client.HTTPConnection(address, timeout=10), READY)
    assert (status, connection_header) == (503, "close")
    assert gateway.wait(timeout=15) == 0


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    """Status and Connection header of a response."""
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get("connection")
