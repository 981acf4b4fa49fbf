"""Every response with a status from 500 is logged, and each request when the access log is on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.request_log import access_log
from gateway.web.account import notice_links
from tests.conditions import eventually
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

ID = {"X-Request-Id": "r-77"}


class AccessLines:
    """The lines of the access log on standard error.

    They are read once, after the gateway has stopped: capfd loses what is written while it reads.
    """

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.records: list[logging.LogRecord] = []

    def keep(self, record: logging.LogRecord) -> bool:
        self.records.append(record)
        return True

    def wait(self, number: int) -> None:
        """Wait until this number of requests was logged."""
        eventually(lambda: len(self.records) >= number)

    def read(self) -> list[dict[str, Any]]:
        errors = self._capfd.readouterr().err
        return [json.loads(line) for line in errors.splitlines() if '"gateway.access"' in line]


@pytest.fixture
def access_lines(capfd: pytest.CaptureFixture[str]) -> Iterator[AccessLines]:
    """Lines of the access log, which is as before at the end."""
    before, lines = (access_log.handlers, access_log.propagate, access_log.level), AccessLines(capfd)
    access_log.addFilter(lines.keep)
    yield lines
    access_log.removeFilter(lines.keep)
    access_log.handlers, access_log.propagate, access_log.level = before


@pytest.mark.parametrize(("fault", "status", "reason"), [("down", 503, "SEARCH_DOWN"), ("broken", 500, "INTERNAL")])
def test_a_response_from_500_on_is_logged_with_its_request_id(
    caplog: pytest.LogCaptureFixture, fault: str, status: int, reason: str
) -> None:
    catalog = FakeCatalog()
    setattr(catalog, fault, True)
    # A new gateway: one that other tests use may have logged the same failure in the last minute, and counts this one.
    with served_catalog(catalog) as url, served_gateway(url) as address:
        response = httpx.get(f"{address}/api/v1/search?q=secret", headers=ID, verify=False)
        assert (response.status_code, response.json()["reason"]) == (status, reason)
        eventually(lambda: "response_failed" in caplog.messages)
    [record] = [vars(record) for record in caplog.records if record.message == "response_failed"]
    fields = {name: record[name] for name in ("request_id", "status", "reason", "method", "route")}
    assert fields == {
        "request_id": "r-77", "status": status, "reason": reason, "method": "GET", "route": "/api/v1/search"
    }  # fmt: skip
    assert "secret" not in str(record)


def test_a_response_below_500_is_not_logged(http: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert http.get("/api/v1/records/no-id").status_code == 404
        assert http.get("/api/v1/search?q=surau").status_code == 200
    assert not [record for record in caplog.records if record.name.startswith("gateway")]


def test_the_access_log_has_neither_query_nor_address(access_lines: AccessLines) -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, access_log="on") as address:
        httpx.get(f"{address}/api/v1/search?q=secret", headers=ID, verify=False)
        httpx.head(f"{address}/records/no-id", verify=False)
        httpx.get(f"{address}/nowhere", verify=False)
        access_lines.wait(3)
    first, second, third = access_lines.read()
    assert first | {"time": "", "ms": 0} == {
        "time": "", "level": "INFO", "process": "gateway", "logger": "gateway.access", "event": "request",
        "request_id": "r-77", "method": "GET", "path": "/api/v1/search", "route": "/api/v1/search", "status": 200,
        "ms": 0,
    }  # fmt: skip
    assert (second["route"], second["status"], third["route"]) == ("/records/{record_id}", 404, "")


def test_queries_and_addresses_are_logged_when_they_are_named(access_lines: AccessLines) -> None:
    options = {"access_log": "on", "access_log_details": "queries,addresses"}
    with served_catalog(FakeCatalog()) as url, served_gateway(url, **options) as address:
        httpx.get(f"{address}/api/v1/search?q=navis", verify=False)
        access_lines.wait(1)
    [line] = access_lines.read()
    assert (line["query"], line["address"]) == ("q=navis", "127.0.0.1")


def test_without_the_setting_there_is_no_access_log(access_lines: AccessLines) -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        httpx.get(f"{address}/api/v1/search?q=navis", verify=False)
    assert not access_lines.read()


def test_the_secret_of_a_one_time_link_is_in_no_log(access_lines: AccessLines) -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url, access_log="on") as address:
        assert httpx.get(f"{address}/sign-in/link/very-secret", headers=ID, verify=False).status_code == 404
        access_lines.wait(1)
    lines = access_lines.read()
    assert [line["path"] for line in lines] == ["/sign-in/link/{link}"]
    assert "very-secret" not in str(lines)


def test_the_secret_of_a_link_is_in_no_log_of_an_error_either(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_caller: str) -> int:
        raise RuntimeError("a defect")

    monkeypatch.setattr(notice_links.failures, "take", fail)
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        assert httpx.get(f"{address}/l/very-secret", headers=ID, verify=False).status_code == 500
        eventually(lambda: "request_failed" in caplog.messages)
    [record] = [record for record in caplog.records if record.getMessage() == "request_failed"]
    assert record.path == "/l/{link}"  # type: ignore[attr-defined]
    assert not any("very-secret" in str(vars(record)) for record in caplog.records)
