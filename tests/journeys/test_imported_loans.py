"""Loans of an earlier system reach the other services without a message to their borrowers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from chassis.bus.amqp import AmqpBus
from chassis.bus.local import LocalBus
from chassis.bus.local_delivery import Deliveries
from chassis.bus.outbox import Bus, Relay
from chassis.context import system
from chassis.service import Resources
from chassis.settings import load
from services.circulation.importing import LoanImport, read_rows
from services.notifications.service import SERVICE
from services.notifications.tables import LoanMark
from tests import servers as development
from tests.conditions import eventually
from tests.example_services.installation import drain, start_worker, stop_workers, wait_until_ready
from tests.migrated import MigratedDatabases
from tests.services.circulation.library import PKS, TEST, opened
from tests.services.notifications.conftest import Office, add_institutions


def check_silence(
    migrated: MigratedDatabases, folder: Path, kind: str, office: Office, carry: Callable[[Relay], None], bus: Bus
) -> None:
    """Import a loan, then lend an item: both arrive at notifications, and only the second has a receipt."""
    folder.mkdir()
    with opened(migrated, kind, folder) as library:
        card, other = (
            library.member(id=str(office.owners.add(email=f"{name}@example.org"))) for name in ("siti", "ani")
        )
        path = folder / "loans.csv"
        path.write_text(f"barcode;card;lent;due\n{library.item()};{card};2026-02-20;2026-02-27\n")
        run = LoanImport(
            library.database, system("import"), institution_id=PKS, dry_run=False,
            report=lambda row, refusal: None,
        )  # fmt: skip
        assert run.run(read_rows(path)).created == 1
        lent = library.check_out(other, library.item()).loan
        carry(Relay(library.database, bus))

    with office.database.reading(TEST) as session:
        assert len(list(session.scalars(select(LoanMark.id)))) == 2
    (receipt,) = office.notices()
    assert (receipt.kind, str(receipt.loan_id)) == ("loan_receipt", lent.id)


def test_embedded(migrated: MigratedDatabases, tmp_path: Path) -> None:
    settings = load({"DATA": str(tmp_path / "var")})
    with migrated.open(SERVICE, "sqlite", tmp_path) as notices:
        add_institutions(notices)
        listener = Resources(settings=settings, database=notices, service=SERVICE)

        def carry(relay: Relay) -> None:
            drain(relay)
            with closing(Deliveries(listener)) as deliveries:
                while deliveries.run_due(threading.Event()):
                    pass

        folder = tmp_path / "lending"
        check_silence(migrated, folder, "sqlite", Office(notices), carry, LocalBus([listener]))


def test_cluster(servers: dict[str, str], migrated: MigratedDatabases, tmp_path: Path) -> None:
    vhost = f"test_{uuid.uuid4().hex[:12]}"
    with migrated.open(SERVICE, "postgresql", tmp_path) as notices:
        add_institutions(notices)
        url = notices.url.render_as_string(hide_password=False)
        settings = load({"DATABASE_URL": url, "BUS_URL": development.create_vhost(vhost)})
        listener = Resources(settings=settings, database=notices, service=SERVICE)
        worker = start_worker(listener, manifest="services.notifications.service:SERVICE")
        office = Office(notices)

        def carry(relay: Relay) -> None:
            drain(relay)

            def arrived() -> bool:
                with notices.reading(TEST) as session:
                    return len(list(session.scalars(select(LoanMark.id)))) == 2

            eventually(arrived, seconds=30)

        try:
            wait_until_ready(worker)
            with closing(AmqpBus(settings.bus_url)) as bus:
                check_silence(migrated, tmp_path / "lending", "postgresql", office, carry, bus)
        finally:
            stop_workers(worker)
            development.drop_vhost(vhost)
