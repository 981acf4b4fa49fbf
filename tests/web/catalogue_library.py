"""A gateway with the real catalogue of one institution, for pages that cataloguers use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from chassis.context import READER, Context
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog import queries, rpc
from services.catalog.cataloguing import records
from services.catalog.index.installation import open_index
from services.catalog.items import edits
from services.catalog.marc.record import Record as Marc
from services.catalog.service import SERVICE
from services.catalog.tables import Institution, Item, Record
from tests.builders import book
from tests.fakes.accounts import Staff, add_institution, add_staff, new_user
from tests.fakes.running import served_catalog, served_gateway
from tests.services.catalog.cataloguing.conftest import titled
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer


@dataclass
class CatalogueLibrary:
    """A running gateway whose catalogue is real, with items in the branches PKS/PST and PKS/TJH."""

    address: str
    database: Database
    institution: UUID
    resources: Resources

    def import_marc(self, marc: Marc) -> str:
        """Import a record. Returns its id."""
        Importer(self.database)([marc])
        with self.database.reading(READER) as session:
            return str(session.scalars(select(Record.id).order_by(Record.number.desc())).first())

    def index(self) -> None:
        """Let searches find what was written."""
        index = open_index(self.resources)
        run_indexer(self.database, index)
        index.close()

    def import_(self, number: str, title: str = "Robohnya surau kami", barcodes: tuple[str, ...] = ()) -> str:
        """Import a record with items. Returns its id."""
        Importer(self.database)([book(number, title, items=[("PST", barcode) for barcode in barcodes])])
        with self.database.reading(READER) as session:
            return str(session.scalars(select(Record.id).where(Record.control_key.endswith(number))).one())

    def marc(self, record_id: str) -> Marc:
        with self.database.reading(READER) as session:
            return Marc.unpack(queries.record(session, UUID(record_id)).marc)

    def save(self, record_id: str, change: Callable[[Marc], Marc]) -> None:
        """Edit a record at its newest version."""
        context = self.context
        with self.database.transaction(context) as session:
            row = records.find_record(session, record_id, context=context)
            marc = change(Marc.unpack(row.marc))
            records.replace_record(session, record_id, marc, version=row.version, context=context)

    def retitle(self, record_id: str, title: str) -> None:
        self.save(record_id, lambda marc: titled(marc, title))

    def add_note(self, record_id: str, note: str) -> None:
        self.save(record_id, lambda marc: Marc(marc.leader, [*marc.fields, ["500", "  ", "a", note]]))

    def delete(self, record_id: str) -> None:
        context = self.context
        with self.database.transaction(context) as session:
            row = records.find_record(session, record_id, context=context)
            records.delete_record(session, record_id, version=row.version, context=context)

    def empty_and_delete(self, record_id: str) -> None:
        """Remove the items of a record, and delete it."""
        of_record = select(Item.id, Item.version).join(Record, Record.number == Item.record_number)
        with self.database.transaction(self.context) as session:
            for item_id, version in session.execute(of_record.where(Record.id == UUID(record_id))).all():
                edits.remove_item(session, str(item_id), version, reason="Rusak", context=self.context)
        self.delete(record_id)

    @property
    def context(self) -> Context:
        return Context(institution=str(self.institution), actor="account-1")

    def add_staff(self, *roles: str, name: str = "") -> Staff:
        return add_staff(new_user(roles[0]), *roles, name=name, institution=self.institution)


@contextmanager
def catalogue_library(folder: Path) -> Iterator[CatalogueLibrary]:
    with migrated_database(SERVICE, f"sqlite:///{folder}/catalog.db") as database:
        Importer(database)([book("0", "Kemarau", items=[("PST", "PST0"), ("TJH", "TJH0")])])
        with database.reading(READER) as session:
            institution = session.scalars(select(Institution.id)).one()
        resources = Resources(settings=Settings(data=folder, grpc_port=0), database=database, service=SERVICE)
        with served_catalog(rpc.servicer(resources)) as url, served_gateway(url) as address:
            add_institution(institution, "PKS")
            yield CatalogueLibrary(address, database, institution, resources)
