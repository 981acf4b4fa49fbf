"""One trace leads from a desk's check-out to the hand-over of its receipt: over the outbox, the bus and the notice."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chassis import clock, telemetry
from chassis.bus.amqp import AmqpBus
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.outbox import Bus, Relay
from chassis.service import Resources
from chassis.settings import Settings, load
from services.notifications.service import SERVICE
from tests import servers as development
from tests.conditions import eventually
from tests.example_services.installation import drain, start_worker, stop_workers, wait_until_ready
from tests.fakes.span_receiver import Receiver
from tests.migrated import MigratedDatabases
from tests.services.circulation.library import opened
from tests.services.notifications.conftest import Office, add_institutions

DESK, SENT = "POST /api/v1/check-outs", "send smtp"


def lend_and_send(
    migrated: MigratedDatabases, folder: Path, kind: str, settings: Settings, receiver: Receiver, office: Office,
    carry: Callable[[Relay], None], bus: Bus,
) -> list[tuple[str, str]]:  # fmt: skip
    """Lend an item in a trace, carry the fact to notifications, and send. Returns the spans, the last first."""
    folder.mkdir()
    with opened(migrated, kind, folder) as library:
        member = office.owners.add(email="siti@example.org")
        card, item = library.member(id=str(member)), library.item()
        telemetry.start(settings, "desk")
        try:
            with telemetry.span(DESK, kind="server"):
                library.check_out(card, item)
            carry(Relay(library.database, bus))
            with clock.frozen(clock.now() + timedelta(seconds=5)):
                office.send()
        finally:
            telemetry.stop()
    assert [message.kind for _, message in office.channels[0].sent] == ["loan_receipt"]
    # The handler's process sends its spans by itself.
    eventually(lambda: receiver.chains(SENT)[0][-1][0] == DESK, seconds=20)
    (chain,) = receiver.chains(SENT)
    return chain


@pytest.fixture
def receiver():
    with closing(Receiver()) as receiver:
        yield receiver


def test_embedded(migrated: MigratedDatabases, tmp_path: Path, receiver: Receiver) -> None:
    settings = load({"DATA": str(tmp_path / "var"), **receiver.variables})
    with migrated.open(SERVICE, "sqlite", tmp_path) as notices:
        add_institutions(notices)
        listener = Resources(settings=settings, database=notices, service=SERVICE)

        def carry(relay: Relay) -> None:
            drain(relay)
            with closing(Deliveries(listener)) as deliveries:
                assert deliveries.run_due(threading.Event())

        folder, bus = tmp_path / "lending", LocalBus([listener])
        chain = lend_and_send(migrated, folder, "sqlite", settings, receiver, Office(notices), carry, bus)
    (sent, handled, desk) = chain
    assert (sent, desk) == ((SENT, "desk"), (DESK, "desk"))
    assert handled[0].startswith("process ")


def test_cluster(servers: dict[str, str], migrated: MigratedDatabases, tmp_path: Path, receiver: Receiver) -> None:
    vhost = f"test_{uuid.uuid4().hex[:12]}"
    with migrated.open(SERVICE, "postgresql", tmp_path) as notices:
        add_institutions(notices)
        url = notices.url.render_as_string(hide_password=False)
        settings = load({"DATABASE_URL": url, "BUS_URL": development.create_vhost(vhost), **receiver.variables})
        listener = Resources(settings=settings, database=notices, service=SERVICE)
        worker = start_worker(listener, manifest="services.notifications.service:SERVICE", **receiver.variables)
        office = Office(notices)

        def carry(relay: Relay) -> None:
            drain(relay)
            eventually(lambda: bool(office.notices(kind="loan_receipt")), seconds=30)

        try:
            wait_until_ready(worker)
            folder = tmp_path / "lending"
            with closing(AmqpBus(settings.bus_url)) as bus:
                chain = lend_and_send(migrated, folder, "postgresql", settings, receiver, office, carry, bus)
        finally:
            stop_workers(worker)
            development.drop_vhost(vhost)
    (sent, handled, desk) = chain
    assert (sent, desk) == ((SENT, "desk"), (DESK, "desk"))
    assert handled[0].startswith("process ")
    assert handled[1] == "notifications-work"
