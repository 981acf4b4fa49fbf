"""Doctor finds faults of parts that still answer; each test plants one fault."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import insert

from chassis import clock
from chassis.bus.amqp import AmqpBus, Publisher, declare_handler
from chassis.bus.local import deliveries
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.ids import new_id
from chassis.jobs.job_runs import DONE, job_runs
from chassis.migrations.migrate import migrate
from chassis.operations import diagnosis
from chassis.operations.health import Finding, examine
from chassis.settings import Settings
from tests.example_services.orders.service import SERVICE as ORDERS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.programs import start_script

TESTS = system("tests")
# Takes a role and does nothing, as a process that hangs.
IDLE_HOLDER = """
import sys, time
from chassis.jobs.lease import Leases
from tests.example_services.orders.service import SERVICE
from chassis.settings import load
print(Leases(SERVICE.open_database(load())).try_hold(sys.argv[1]) is not None, flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.usefixtures("private_files")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a migrated SQLite installation."""
    settings = Settings(data=tmp_path, port=0)
    migrate(ORDERS, owner_url=settings.database("orders"))
    return settings


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str, postgres_owner_url: str) -> Settings:
    migrate(ORDERS, owner_url=postgres_owner_url, app_url=postgres_url)
    return Settings(data=tmp_path, port=0, database_url=postgres_url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.servers])])
def either(request: pytest.FixtureRequest) -> Settings:
    """A migrated installation on each database."""
    found: Settings = request.getfixturevalue("settings" if request.param == "sqlite" else "on_postgres")
    return found


def failed(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in examine(settings, [ORDERS]) if not finding.ok}


def plant(settings: Settings, table: object, **values: object) -> None:
    with closing(ORDERS.open_database(settings)) as database, database.transaction(TESTS) as session:
        session.execute(insert(table).values(**values))  # type: ignore[call-overload]


def event() -> dict[str, object]:
    return {"type": "t", "body": "{}", "aggregate_id": "a", "version": 1, "institution": "", "actor": "",
            "traceparent": "", "occurred_at": clock.now() - timedelta(minutes=2)}  # fmt: skip


@contextmanager
def idle_holder(settings: Settings, role: str) -> Iterator[int]:
    """Run a process that holds the role and does nothing; yield its id."""
    variables = {"DATA": str(settings.data), "DATABASE_URL": settings.database("orders")}
    process = start_script(IDLE_HOLDER, role, **variables)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def test_nothing_is_found_in_a_sound_installation(either: Settings) -> None:
    assert not failed(either)


def test_unpublished_events_that_no_relay_takes_are_found(either: Settings) -> None:
    plant(either, outbox, id=new_id(), **event())
    finding = failed(either)["orders outgoing events"]
    assert "1 events" in finding.message.en
    assert "No process holds the role relay" in finding.advice.en
    assert "rangkiang serve orders" in finding.advice.id


def test_a_relay_that_holds_its_lease_and_does_nothing_is_found(either: Settings) -> None:
    plant(either, outbox, id=new_id(), **event())
    with idle_holder(either, "relay") as pid:
        advice = failed(either)["orders outgoing events"].advice
    assert f"PID {pid}" in advice.en
    assert f"PID {pid}" in advice.id
    assert "stop it" in advice.en


def test_an_event_of_this_minute_is_not_late(settings: Settings) -> None:
    plant(settings, outbox, id=new_id(), **{**event(), "occurred_at": clock.now()})
    assert not failed(settings)


def test_events_that_no_handler_takes_are_found(settings: Settings) -> None:
    late = clock.now() - timedelta(minutes=2)
    plant(settings, deliveries, event_id=new_id(), handler="place_order", attempts=0, next_at=late, dead=False,
          error="", **event())  # fmt: skip
    finding = failed(settings)["orders incoming events"]
    assert "place_order" in finding.message.en
    assert "the role deliver" in finding.advice.en


def test_a_job_that_failed_is_found_with_its_reason(settings: Settings) -> None:
    now = clock.now()
    plant(settings, job_runs, name="tidy", started_at=now, ended_at=now, outcome="DISK_FULL")
    assert "DISK_FULL" in failed(settings)["orders job tidy"].message.en


def test_a_job_that_is_overdue_is_found_with_the_process_that_holds_its_role(settings: Settings) -> None:
    past = clock.now() - timedelta(days=2)
    plant(settings, job_runs, name="tidy", started_at=past, ended_at=past, outcome=DONE)
    assert "No process holds the role tidy" in failed(settings)["orders job tidy"].advice.en
    with idle_holder(settings, "tidy") as pid:
        assert f"PID {pid}" in failed(settings)["orders job tidy"].advice.en


def test_missing_queues_are_found_and_doctor_declares_none(settings: Settings, amqp_url: str) -> None:
    on_amqp = settings.model_copy(update={"bus_url": amqp_url})
    for _ in range(2):
        findings = failed(on_amqp)
        assert "orders.place_order.v1.dead" in findings["orders queues"].message.en
        assert "rangkiang work orders" in findings["orders queues"].advice.en
        assert "rangkiang.events" in findings["orders event bus"].message.en

    with closing(Publisher(amqp_url)) as publisher:
        declare_handler(publisher.channel(), "orders", ORDERS.consumers[0], (1,))
    assert not failed(on_amqp)


def test_a_queue_without_a_worker_is_found(settings: Settings, amqp_url: str) -> None:
    on_amqp = settings.model_copy(update={"bus_url": amqp_url})
    with closing(Publisher(amqp_url)) as publisher:
        declare_handler(publisher.channel(), "orders", ORDERS.consumers[0], (1,))
    plant(settings, outbox, id=new_id(), **event())
    from chassis.bus.outbox import Relay

    with closing(ORDERS.open_database(settings)) as database, closing(AmqpBus(amqp_url)) as bus:
        with database.transaction(TESTS) as session:
            session.execute(outbox.update().values(type=ORDERS.consumers[0].event.DESCRIPTOR.full_name))
        assert Relay(database, bus).step() == 1
    finding = failed(on_amqp)["orders incoming events"]
    assert "1 events wait for place_order" in finding.message.en
    assert "rangkiang work orders" in finding.advice.en


def test_a_full_disk_is_found_under_every_folder_and_url(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Settings(
        data=tmp_path,
        port=0,
        database_url=settings.database("{service}"),
        search_url=f"tantivy:///{tmp_path}/index",
        covers=str(tmp_path / "covers"),
    )
    # Less than this is free on every disk.
    monkeypatch.setattr(diagnosis, "MINIMUM_FREE_BYTES", 1 << 62)
    findings = failed(elsewhere)
    assert {"disk of DATA", "disk of DATABASE_URL", "disk of SEARCH_URL", "disk of COVERS"} <= set(findings)
    assert str(tmp_path) in findings["disk of DATA"].message.id


def test_a_gateway_that_cannot_be_reached_is_found(settings: Settings) -> None:
    finding = failed(settings.model_copy(update={"port": 1}))["gateway"]
    assert "http://127.0.0.1:1" in finding.message.en
    assert "rangkiang up" in finding.advice.en


def test_another_program_at_the_gateways_address_is_found(settings: Settings) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"It works!")

        def log_message(self, *_words: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        finding = failed(settings.model_copy(update={"port": other.server_port}))["gateway"]
        other.shutdown()
    assert "another program" in finding.message.en


def test_a_clock_that_differs_from_the_gateways_is_found(settings: Settings) -> None:
    with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
        with_gateway = settings.model_copy(update={"public_url": address})
        assert not failed(with_gateway)
        with clock.frozen(clock.now() + timedelta(minutes=3)):
            finding = failed(with_gateway)["gateway clock"]
    assert "NTP" in finding.advice.en
    assert 170 < float(finding.message.en.split("by ")[1].split(" s")[0]) < 190


def test_a_clock_that_differs_from_the_databases_is_found(on_postgres: Settings) -> None:
    assert not failed(on_postgres)
    with clock.frozen(clock.now() - timedelta(seconds=30)):
        assert "NTP" in failed(on_postgres)["orders database clock"].advice.id


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({"public_url": "https://katalog.example.org"}, "TRUSTED_PROXIES"),
        ({"trusted_proxies": "10.0.0.1"}, "PUBLIC_URL"),
    ],
)
def test_missing_settings_of_a_gateway_behind_a_proxy_are_found(
    settings: Settings, variables: dict[str, str], missing: str
) -> None:
    finding = failed(settings.model_copy(update=variables))["proxy"]
    assert f"Set {missing}" in finding.advice.en
    both = {"public_url": "https://katalog.example.org", "trusted_proxies": "10.0.0.1"}
    assert "proxy" not in failed(settings.model_copy(update=both))


def test_parts_have_names_that_an_operator_knows(settings: Settings) -> None:
    broken = settings.model_copy(update={"bus_url": "amqp://127.0.0.1:1"})
    for finding in [*examine(settings, [ORDERS]), *examine(broken, [ORDERS])]:
        assert set(finding.part) <= set("abcdefghijklmnopqrstuvwxyz_ "), finding.part
