"""The findings and the advice of doctor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from chassis.bus.local import deliveries
from chassis.clock import now
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.migrations.migrate import migrate
from chassis.operations import health
from chassis.operations.health import Finding, examine
from chassis.rpc.server import Server
from chassis.sentences import LocalText
from chassis.service import Resources, Service
from chassis.settings import Settings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo
from tests.example_services.orders.service import SERVICE as ORDERS

pytestmark = pytest.mark.usefixtures("private_files")

LAMP = Finding("orders lamp", False, LocalText("Mati.", "Out."), LocalText("Ganti.", "Change it."))
RELEASED = threading.Event()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, port=0)


@pytest.fixture
def migrated(settings: Settings) -> Settings:
    migrate(ORDERS, owner_url=settings.database("orders"))
    return settings


def lamp(resources: Resources) -> list[Finding]:
    """A check of a service."""
    return [LAMP]


def unavailable_check(resources: Resources) -> list[Finding]:
    raise Unavailable("DATABASE_UNAVAILABLE")


def failing_check(resources: Resources) -> list[Finding]:
    raise KeyError("unexpected")


def hanging_check(resources: Resources) -> list[Finding]:
    RELEASED.wait(10)
    return []


def _with(*checks: str) -> Service:
    return replace(ORDERS, checks=tuple(f"{__name__}:{name}" for name in checks))


def _failed(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.part: finding for finding in findings if not finding.ok}


def test_every_healthy_part_has_a_finding(migrated: Settings) -> None:
    findings = examine(migrated, [ORDERS])
    parts = [finding.part for finding in findings]
    assert parts == [
        "settings",
        "data folder",
        "disks",
        "proxy",
        "orders database",
        "orders migrations",
        "orders event bus",
        "orders outgoing events",
        "orders dead events",
        "orders missing events",
        "orders jobs",
        "orders backup",
        "orders audit",
        "orders structure",
        "orders pages",
    ]
    assert not _failed(findings)


def test_of_an_unprepared_library_one_finding_says_the_command_to_type(settings: Settings) -> None:
    failed = _failed(examine(settings, [ORDERS]))
    assert list(failed) == ["library"]
    assert str(settings.data) in failed["library"].message.id
    assert failed["library"].advice.id.startswith("Ketik: rangkiang up.")
    assert failed["library"].advice.en.startswith("Type: rangkiang up.")


def test_an_unprepared_service_is_one_finding_with_the_command_to_run(migrated: Settings) -> None:
    failed = _failed(examine(migrated, [ORDERS, replace(ORDERS, name="parcels")]))
    assert list(failed) == ["parcels migrations"]
    assert "chassis/0001" in failed["parcels migrations"].message.en
    assert "rangkiang migrate parcels" in failed["parcels migrations"].advice.id
    assert "rangkiang migrate parcels" in failed["parcels migrations"].advice.en


def test_a_database_that_does_not_answer_is_found(tmp_path: Path) -> None:
    unreachable = Settings(
        data=tmp_path, database_url="postgresql+psycopg://nobody@127.0.0.1:1/{service}?connect_timeout=2"
    )
    finding = _failed(examine(unreachable, [ORDERS]))["orders database"]
    assert "DATABASE_URL" in finding.advice.en


def test_a_misspelt_setting_is_found_with_the_right_name(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMITS", "100")
    finding = _failed(examine(migrated, [ORDERS]))["settings"]
    assert "RATE_LIMITS" in finding.message.en
    assert "RATE_LIMIT?" in finding.message.en


def test_an_invalid_setting_of_the_gateway_is_found(migrated: Settings) -> None:
    invalid = migrated.model_copy(update={"rate_limit": "many"})
    assert "RATE_LIMIT" in _failed(examine(invalid, [ORDERS]))["settings"].message.en


def test_a_data_folder_that_is_not_writable_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "data folder" in _failed(examine(Settings(data=tmp_path / "data"), []))


def test_a_mistyped_bus_is_found_with_the_nearest(migrated: Settings) -> None:
    mistyped = migrated.model_copy(update={"bus_url": "ampq://localhost"})
    assert "amqp:" in _failed(examine(mistyped, [ORDERS]))["orders event bus"].message.en


def test_dead_events_are_found(migrated: Settings) -> None:
    with closing(Database(migrated.database("orders"))) as database, database.transaction(system("tests")) as session:
        session.execute(
            insert(deliveries).values(
                event_id=new_id(), handler="h", type="t", body="{}", aggregate_id="a", version=1, institution="",
                actor="", occurred_at=now(), traceparent="", attempts=7, next_at=now(), dead=True, error="no gas",
            )
        )  # fmt: skip
    finding = _failed(examine(migrated, [ORDERS]))["orders dead events"]
    assert "1 events" in finding.message.en
    assert "rangkiang dead list --service orders" in finding.advice.en


def test_the_checks_of_a_service_are_run(migrated: Settings) -> None:
    assert _failed(examine(migrated, [_with("lamp")]))["orders lamp"].message.en == "Out."


def test_a_check_that_raises_an_error_is_a_finding_and_the_others_run(migrated: Settings) -> None:
    findings = examine(migrated, [_with("unavailable_check", "failing_check", "lamp")])
    messages = [finding.message.en for finding in findings if not finding.ok]
    assert messages == ["The database does not answer. Try again shortly.", "KeyError: 'unexpected'", "Out."]


def test_a_check_that_hangs_is_a_finding_after_the_timeout(migrated: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.5)
    start = time.monotonic()
    findings = examine(migrated, [_with("hanging_check")])
    RELEASED.set()
    assert time.monotonic() - start < 3
    assert [finding.message.en for finding in findings if not finding.ok] == ["It does not answer."]


@pytest.fixture
def server() -> Iterator[Server]:
    grpc_server = Server(Echo(), echo.add, Settings(grpc_port=0, grpc_threads=2))
    grpc_server.start()
    yield grpc_server
    grpc_server.stop(0)


def test_the_health_of_a_remote_service_is_checked(migrated: Settings, server: Server) -> None:
    remote = migrated.model_copy(update={"service_urls": {"orders": f"dns:///{server.address}"}})
    [finding] = [result for result in examine(remote, [ORDERS]) if result.part == "orders server"]
    assert finding.ok
    unreachable = migrated.model_copy(update={"service_urls": {"orders": "dns:///127.0.0.1:1"}})
    assert "rangkiang serve" in _failed(examine(unreachable, [ORDERS]))["orders server"].advice.en


def test_a_finding_as_json_has_both_languages() -> None:
    assert LAMP.as_json() == {
        "part": "orders lamp",
        "ok": False,
        "mark": "fault",
        "say": {"id": "Mati.", "en": "Out."},
        "advice": {"id": "Ganti.", "en": "Change it."},
    }
