"""While a part is away: the gateway logs a change and numbers, and is ready as long as one catalogue is."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import APIRouter

from chassis.rpc.server import Server
from chassis.settings import Settings
from gateway.request_log import RequestLog
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server
from tests.conditions import eventually
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_gateway

READY = "/api/v1/health/ready"
PROBES = 20


@pytest.fixture
def replicas() -> Iterator[tuple[Server, Server]]:
    """Two catalogues."""
    with ExitStack() as stack:
        servers = [Server(FakeCatalog(), add_CatalogServicer_to_server, Settings(grpc_port=0)) for _ in range(2)]
        for server in servers:
            server.start()
            stack.callback(server.stop, 0)
        yield servers[0], servers[1]


def test_a_gateway_is_ready_until_no_replica_of_the_catalogue_answers(replicas: tuple[Server, Server]) -> None:
    first, second = replicas
    with (
        served_gateway(f"ipv4:{first.address},{second.address}") as address,
        httpx.Client(base_url=address, timeout=20, verify=False) as http,
    ):
        eventually(lambda: http.get(READY).status_code == 200)
        first.drain()
        assert [http.get(READY).status_code for _ in range(PROBES)] == [200] * PROBES
        first.stop(0)
        assert [http.get(READY).status_code for _ in range(PROBES)] == [200] * PROBES
        second.drain()
        assert http.get(READY).status_code == 503


def test_requests_that_fail_for_one_reason_have_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with (
        served_gateway("ipv4:127.0.0.1:1") as address,
        httpx.Client(base_url=address, timeout=20, verify=False) as http,
    ):
        for _ in range(PROBES):
            assert http.get("/api/v1/search?q=surau").status_code == 503
    lines = [vars(record) for record in caplog.records if record.name.startswith("gateway")]
    assert [(line["message"], line["reason"], line["service"]) for line in lines] == [
        ("response_failed", "SERVICE_UNAVAILABLE", "catalog")
    ]


def test_each_minute_the_log_has_the_number_of_failed_requests_until_none_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        request_log = RequestLog(Settings(), {}, count_seconds=0.05)
        state = {"request_id": "r", "reason": "SERVICE_UNAVAILABLE", "service": "circulation"}
        for _ in range(100):
            request_log.record({"type": "http", "method": "GET", "path": "/", "state": state}, 503, 0.1)
        while "responses_fail_no_longer" not in caplog.messages:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(fail(), 20))
    assert caplog.messages == ["response_failed", "responses_failed", "responses_fail_no_longer"]
    assert vars(caplog.records[1])["count"] == 99


def test_every_bug_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    request_log = RequestLog(Settings(), {})
    for number in range(3):
        state = {"request_id": f"r{number}", "reason": "INTERNAL"}
        request_log.record({"type": "http", "method": "GET", "path": "/", "state": state}, 500, 0.1)
    assert [vars(record)["request_id"] for record in caplog.records] == ["r0", "r1", "r2"]


def test_a_request_without_a_free_file_handle_gets_503_and_no_traceback(
    replicas: tuple[Server, Server], caplog: pytest.LogCaptureFixture
) -> None:
    router = APIRouter()

    @router.get("/full")
    async def full() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with caplog.at_level(logging.WARNING), served_gateway(f"ipv4:{replicas[0].address}", routers=[router]) as address:
        responses = [httpx.get(f"{address}/full", timeout=20, verify=False) for _ in range(3)]
    assert {(response.status_code, response.json()["reason"]) for response in responses} == {(503, "NO_FREE_HANDLE")}
    assert {response.headers["retry-after"] for response in responses} == {"2"}
    assert [record.getMessage() for record in caplog.records if record.name.startswith("gateway")] == [
        "response_failed"
    ]
