"""A gateway on a real socket with a real catalogue, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from sickle import Sickle
from sickle.oaiexceptions import NoRecordsMatch

from chassis.context import system
from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import Settings
from services.catalog import rpc, sample
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.marc.record import Record
from services.catalog.service import SERVICE
from tests.fakes.running import served_catalog, served_gateway
from tests.migrated import MigratedDatabases
from tests.services.catalog.conftest import Importer

OAI = "{http://www.openarchives.org/OAI/2.0/}"
DOMAIN = "katalog.solok.example"
CONTEXT = system("test")


@dataclass
class Repository:
    """A catalogue with the sample's institutions, and the address of its gateway."""

    address: str
    database: Database

    def put(self, records: Iterable[Record], *, source: str = "TEST") -> None:
        Importer(self.database)(records, source=source)

    def response(
        self, path: str = "/oai", *, headers: dict[str, str] | None = None, **arguments: str
    ) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", params=arguments, headers=headers, timeout=30, verify=False)

    def document(self, path: str = "/oai", **arguments: str) -> Any:
        response = self.response(path, **arguments)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "text/xml; charset=utf-8"
        return etree.fromstring(response.content)

    def error(self, path: str = "/oai", **arguments: str) -> str:
        """The code of the error."""
        return str(self.document(path, **arguments).find(f"{OAI}error").get("code"))

    def sickle(self, path: str = "/oai", **options: Any) -> Sickle:
        return Sickle(f"{self.address}{path}", **options)

    def identifiers(self, path: str = "/oai", **arguments: str) -> list[str]:
        """Identifiers of all records of a list, by sickle; none when no record matches."""
        try:
            headers = self.sickle(path).ListIdentifiers(metadataPrefix="oai_dc", **arguments)
        except NoRecordsMatch:
            return []
        return [header.identifier for header in headers]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def repository(
    request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    folder: Path = tmp_path_factory.mktemp("oai")
    with migrated.open(SERVICE, request.param, folder) as database, served(database, folder) as repository:
        yield repository


@contextmanager
def served(database: Database, folder: Path, **options: Any) -> Iterator[Repository]:
    """Serve a catalogue with the sample's institutions behind a gateway with these settings."""
    with database.transaction(CONTEXT) as session:
        load_institutions(session, read_institutions(sample.institutions_path()), context=CONTEXT)
    servicer = rpc.servicer(Resources(settings=Settings(data=folder), database=database, service=SERVICE))
    with served_catalog(servicer) as url, served_gateway(url, public_url=f"https://{DOMAIN}", **options) as address:
        yield Repository(address, database)
