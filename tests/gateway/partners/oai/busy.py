"""Harvests by a foreign client while the catalogue changes, and while its server is killed.

python -m tests.gateway.partners.oai RECORDS runs both with many records; `make soak` does.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from requests import RequestException
from sickle import Sickle
from sickle.oaiexceptions import NoRecordsMatch
from sqlalchemy import select

from chassis.context import READER
from chassis.database.db import Database
from services.catalog.items.edits import change_item
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Item, Record
from tests.builders import book
from tests.faults.imports import Store, kill_session
from tests.faults.test_import_beside_up import Up
from tests.gateway.partners.oai.conftest import Repository
from tests.services.catalog.harvest.test_numbering import staff
from tests.services.catalog.importing.test_deletions import deletion

SOURCE = "BUSY"
Seen = list[tuple[str, str, bool]]


def a_book(number: int, title: str = "Buku") -> Marc:
    return book(f"{number}", f"{title} {number}", items=[("PST", f"Q{number}")])


@dataclass
class Writer:
    """Imports, edits, deletes and restores records until it is stopped. acts: counts of what it did."""

    repository: Repository
    records: int
    seed: int
    stop: threading.Event = field(default_factory=threading.Event)
    acts: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        rng, last = random.Random(self.seed), self.records
        while not self.stop.is_set():
            chosen = rng.sample(range(self.records), 12)
            self.repository.put(
                [
                    *(a_book(number, f"Buku {rng.random()}") for number in chosen[:5]),  # changed, or restored
                    *(deletion(str(number)) for number in chosen[5:9]),
                    *(a_book(number) for number in range(last, last + 3)),
                ],
                source=SOURCE,
            )
            last += 3
            self.acts["import"] += 1
            for number in chosen[9:]:
                self._edit(f"Q{number}", rng.choice(("missing", "in_service", "in_repair")))

    def _edit(self, barcode: str, status: str) -> None:
        database, context = self.repository.database, staff(self.repository.database)
        with database.reading(READER) as session:
            item = session.execute(select(Item.id, Item.version).where(Item.barcode == barcode)).first()
        if item is None:
            return  # its record is deleted
        with database.transaction(context) as session:
            change_item(session, str(item.id), item.version, barcode=None, status=status, context=context)
        self.acts["edit"] += 1


@contextmanager
def writing(writer: Writer) -> Iterator[None]:
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield
    finally:
        writer.stop.set()
        thread.join(timeout=60)
        assert not thread.is_alive()


def harvest(address: str, **arguments: str) -> tuple[Seen, str]:
    """Read all headers of a list with sickle. Returns them, and the time of the first response."""
    began = ""
    try:
        headers = Sickle(address).ListIdentifiers(metadataPrefix="marc21", **arguments)
    except NoRecordsMatch:
        return [], began
    began = headers.oai_response.xml.findtext("{*}responseDate")
    return [(header.identifier, header.datestamp, header.deleted) for header in headers], began


def state_of(database: Database) -> dict[str, bool]:
    """Return the id of each record, and whether it is deleted."""
    with database.reading(READER) as session:
        rows = session.execute(select(Record.id, Record.deleted_at))
        return {str(row.id): row.deleted_at is not None for row in rows}


def harvest_while_writing(repository: Repository, records: int, *, seed: int) -> tuple[int, int, Counter[str]]:
    """Harvest while a writer changes records, then what has changed since: this must be the catalogue.

    returns  records of the first harvest, those of them that came again, and the acts of the writer
    """
    repository.put([a_book(number) for number in range(records)], source=SOURCE)
    before = state_of(repository.database)
    writer = Writer(repository, records, seed)
    with writing(writer):
        seen, began = harvest(f"{repository.address}/oai")
    later, _ = harvest(f"{repository.address}/oai", **{"from": began})
    whole = {identifier.rpartition(":")[2]: is_deleted for identifier, _, is_deleted in seen}
    assert set(before) <= set(whole)
    latest = {identifier.rpartition(":")[2]: is_deleted for identifier, _, is_deleted in [*seen, *later]}
    assert latest == state_of(repository.database)
    times = Counter(identifier for identifier, _, _ in seen)
    again = {identifier for identifier, count in times.items() if count > 1}
    # What came again has changed since: it is also in the next harvest.
    assert again <= {identifier for identifier, _, _ in later}
    return len(seen), len(again), writer.acts


def harvest_while_killed(store: Store, kills: int) -> tuple[list[str], int]:
    """Harvest all records with sickle, killing the server after a page; a new server goes on with the client's token.

    returns  identifiers in order, and how often the server was killed
    """
    library, killed, seen = Up(store), 0, list[str]()
    arguments = {"metadataPrefix": "mods"}
    while True:
        headers = Sickle(f"{library.address}/oai", max_retries=20, default_retry_after=1).ListIdentifiers(**arguments)
        if killed < kills:
            # The client has the first page of this list in memory, and asks the killed server for the next one.
            kill_session(library.process)
            killed += 1
        try:
            for header in headers:
                seen.append(header.identifier)
            break
        except RequestException:
            arguments = {"resumptionToken": headers.resumption_token.token}
            library = Up(store)
    kill_session(library.process)
    return seen, killed
