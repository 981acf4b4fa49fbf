"""A process that is to end reports it first, still answers for a while, and loses no request."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from chassis.errors import Error, Unavailable
from chassis.rpc.client import sync_channel
from chassis.rpc.server import Server
from chassis.settings import Settings, environment_with
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.faults.imports import cluster, write_records
from tests.faults.rolling_restarts import LaggingNames, restart_all
from tests.programs import start_program
from tests.servers.processes import free_port

READY, LIVE = "/api/v1/health/ready", "/api/v1/health/live"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = environment_with(DATA=str(tmp_path), PORT="0", CATALOG_URL="ipv4:127.0.0.1:1", DRAIN_SECONDS="1.5")
    process = start_program(["gateway", "--json"], env=environment, cwd=CHECKOUT)
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


@contextmanager
def echo_server(host: str, port: int) -> Iterator[Echo]:
    servicer = Echo()
    server = Server(servicer, echo.add, Settings(grpc_host=host, grpc_port=port, grpc_threads=2))
    server.start()
    try:
        yield servicer
    finally:
        server.stop(0)


@contextmanager
def echo_stub(names: LaggingNames, port: int) -> Iterator[Any]:
    with sync_channel(f"dns://127.0.0.1:{names.port}/echo.test:{port}", Settings()) as channel:
        yield echo.generated()[1].EchoStub(channel)


def test_calls_go_to_all_replicas_and_find_new_ones_in_seconds() -> None:
    port = free_port()
    with closing(LaggingNames(lag=0)) as names, echo_stub(names, port) as stub:
        names.set(["127.0.2.1", "127.0.2.2"])
        with echo_server("127.0.2.1", port) as first, echo_server("127.0.2.2", port) as second:
            eventually(lambda: stub.Say(words("a")) and first.calls and second.calls)
        names.set(["127.0.2.3"])
        with echo_server("127.0.2.3", port):
            # gRPC asks for a name every 30 s unless it is told otherwise.
            eventually(lambda: answers(stub))


def answers(stub: Any) -> bool:
    try:
        stub.Say(words("a"), timeout=1)
    except Error:
        return False
    return True


class CancelsOnce(grpc.GenericRpcHandler):
    """Answers the first call as a server does that ends before it begins the call."""

    calls = 0

    def service(self, _details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        if self.calls == 1:
            context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
        return request


def test_a_call_that_a_server_cancels_at_its_end_is_tried_once_more_when_it_is_idempotent_or_keyed() -> None:
    handler = CancelsOnce()
    server = grpc.server(ThreadPoolExecutor(1), handlers=(handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with sync_channel(f"ipv4:127.0.0.1:{port}", Settings()) as channel:
        stub = echo.generated()[1].EchoStub(channel)
        for method in (stub.Say, stub.SayKeyed):
            handler.calls = 0
            assert method(words("a")).text == "a"
        handler.calls = 0
        with pytest.raises(Unavailable):
            stub.SayOnce(words("a"))
    server.stop(None)


@pytest.mark.timeout(300)
def test_no_request_fails_while_two_gateways_and_two_services_are_restarted_in_turn(
    servers: dict[str, str], tmp_path: Path
) -> None:
    with cluster(tmp_path) as store:
        store.import_(write_records(tmp_path, 300)[0])
        clients = restart_all(
            store, rounds=1, requests=2_000, lag=1, min_ready=2, pre_stop=0.5, drain=2.5, most_per_second=100
        )
    assert clients.requests >= 2_000
    assert not clients.failures, clients.failures[:3]


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    """Status and Connection header of a response."""
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get("connection")
