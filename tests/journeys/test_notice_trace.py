"""One trace leads from a desk's check-out to the hand-over of its receipt: over the outbox, the bus and the notice."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from chassis import clock, telemetry
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.outbox import Relay
from chassis.service import Resources
from chassis.settings import load
from services.notifications.service import SERVICE
from tests.example_services.installation import drain
from tests.fakes.span_receiver import Receiver
from tests.migrated import MigratedDatabases
from tests.services.circulation.library import opened
from tests.services.notifications.conftest import Office, add_institutions

DESK, SENT = "POST /api/v1/check-outs", "send smtp"


def test_embedded(migrated: MigratedDatabases, tmp_path: Path) -> None:
    receiver = Receiver()
    settings = load({"DATA": str(tmp_path / "var"), **receiver.variables})
    (tmp_path / "lending").mkdir()
    with (
        closing(receiver),
        migrated.open(SERVICE, "sqlite", tmp_path) as notices,
        opened(migrated, "sqlite", tmp_path / "lending") as library,
    ):
        add_institutions(notices)
        office = Office(notices)
        member = office.owners.add(email="siti@example.org")
        card, item = library.member(id=str(member)), library.item()
        listener = Resources(settings=settings, database=notices, service=SERVICE)
        telemetry.start(settings, "up")
        try:
            with telemetry.span(DESK, kind="server"):
                library.check_out(card, item)
            drain(Relay(library.database, LocalBus([listener])))
            with closing(Deliveries(listener)) as deliveries:
                assert deliveries.run_due(threading.Event())
            # In quiet hours, too: a receipt goes at once.
            with clock.frozen(clock.now() + timedelta(seconds=5)):
                office.send()
        finally:
            telemetry.stop()
        assert [message.kind for _, message in office.channels[0].sent] == ["loan_receipt"]
        (chain,) = receiver.chains(SENT)
    names = [name for name, _ in chain]
    assert (names[0], names[-1]) == (SENT, DESK)
    assert len(names) == 3
    assert names[1].startswith("process ")
