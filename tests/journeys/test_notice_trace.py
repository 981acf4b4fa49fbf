"""One trace leads from a desk's check-out to the mail server: over the outbox, the bus, the notice and the sender."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chassis import clock
from chassis.bus.amqp import AmqpBus
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.bus.outbox import Bus, Relay
from chassis.database.db import Database
from chassis.metrics import telemetry
from chassis.service import Resources
from chassis.settings import Settings, load
from services.notifications.channels.opening import open_channels
from services.notifications.service import SERVICE
from tests import servers as development
from tests.conditions import eventually
from tests.example_services.installation import drain, start_worker, stop_workers, wait_until_ready
from tests.fakes.mail_server import MailServer
from tests.fakes.span_receiver import Receiver
from tests.migrated import MigratedDatabases
from tests.services.circulation.library import opened
from tests.services.notifications.conftest import Office, add_institutions

DESK, SENT, HANDED_OVER = "POST /api/v1/check-outs", "send smtp", "SMTP DATA"


def lend_and_send(
    migrated: MigratedDatabases, folder: Path, kind: str, settings: Settings, receiver: Receiver, office: Office,
    server: MailServer, carry: Callable[[Relay], None], bus: Bus,
) -> list[tuple[str, str]]:  # fmt: skip
    """Lend an item in a trace, carry the event to notifications, and mail. Returns the spans, the last first."""
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
            office.channels[0].close()
    assert [mail.recipients for mail in server.mails] == [["siti@example.org"]]
    # The handler's process sends its spans by itself.
    eventually(lambda: receiver.chains(HANDED_OVER)[0][-1][0] == DESK)
    (chain,) = receiver.chains(HANDED_OVER)
    return chain


@pytest.fixture
def receiver():
    with closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def server():
    with MailServer(requires_login=False) as server:
        yield server


def mailing_office(notices: Database, server: MailServer) -> Office:
    """Return notifications whose channel is this mail server."""
    sender = "Perpustakaan%20Kota%20<pustaka%40kota.example>"
    return Office(notices, channels=list(open_channels(f"smtp://127.0.0.1:{server.port}?tls=none&from={sender}")))


def test_embedded(migrated: MigratedDatabases, tmp_path: Path, receiver: Receiver, server: MailServer) -> None:
    settings = load({"DATA": str(tmp_path / "var"), **receiver.variables})
    with migrated.open(SERVICE, "sqlite", tmp_path) as notices:
        add_institutions(notices)
        listener = Resources(settings=settings, database=notices, service=SERVICE)

        def carry(relay: Relay) -> None:
            drain(relay)
            with closing(Deliveries(listener)) as deliveries:
                assert deliveries.run_due(threading.Event())

        folder, bus = tmp_path / "lending", LocalBus([listener])
        office = mailing_office(notices, server)
        chain = lend_and_send(migrated, folder, "sqlite", settings, receiver, office, server, carry, bus)
    (handed_over, sent, handled, desk) = chain
    assert (handed_over, sent, desk) == ((HANDED_OVER, "desk"), (SENT, "desk"), (DESK, "desk"))
    assert handled[0].startswith("process ")


def test_cluster(
    servers: dict[str, str], migrated: MigratedDatabases, tmp_path: Path, receiver: Receiver, server: MailServer
) -> None:
    vhost = f"test_{uuid.uuid4().hex[:12]}"
    with migrated.open(SERVICE, "postgresql", tmp_path) as notices:
        add_institutions(notices)
        url = notices.url.render_as_string(hide_password=False)
        settings = load({"DATABASE_URL": url, "BUS_URL": development.create_vhost(vhost), **receiver.variables})
        listener = Resources(settings=settings, database=notices, service=SERVICE)
        worker = start_worker(listener, manifest="services.notifications.service:SERVICE", **receiver.variables)
        office = mailing_office(notices, server)

        def carry(relay: Relay) -> None:
            drain(relay)
            eventually(lambda: bool(office.notices(kind="loan_receipt")), seconds=30)

        try:
            wait_until_ready(worker)
            folder = tmp_path / "lending"
            with closing(AmqpBus(settings.bus_url)) as bus:
                chain = lend_and_send(migrated, folder, "postgresql", settings, receiver, office, server, carry, bus)
        finally:
            stop_workers(worker)
            development.drop_vhost(vhost)
    (handed_over, sent, handled, desk) = chain
    assert (handed_over, sent, desk) == ((HANDED_OVER, "desk"), (SENT, "desk"), (DESK, "desk"))
    assert handled[0].startswith("process ")
    assert handled[1] == "notifications-work"
