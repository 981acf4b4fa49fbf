"""Opens the index of SEARCH_URL for this installation; its id is in its database and in the markers of its indexes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from chassis.context import READER
from chassis.database.db import Database
from chassis.service import Resources
from chassis.urls import open_url
from services.catalog.index import port
from services.catalog.settings import CatalogSettings
from services.catalog.tables import IndexRebuild, Installation


def open_index(resources: Resources) -> port.Index:
    """Open the index of SEARCH_URL; the caller closes it. The database is not read before the index is used."""
    return open_index_at(resources.settings.of(CatalogSettings).search, resources.database)


def open_index_at(url: str, database: Database) -> port.Index:
    """Open the index of a URL for the installation of a catalogue's database. Raises the errors of open_url."""
    index: port.Index = open_url(url, port.ENGINES, installation=DatabaseInstallation(database))
    return index


def was_built_here(database: Database, name: str) -> bool:
    """Tell whether an index was built from this database: then its name is the id of one of the database's rebuilds."""
    try:
        rebuild_id = UUID(hex=name)
    except ValueError:
        return False
    with database.reading(READER) as session:
        return session.get(IndexRebuild, rebuild_id) is not None


class DatabaseInstallation:
    """See services.catalog.index.port.Installation. Raises Unavailable DATABASE_UNAVAILABLE until the id is known."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._id = ""

    def id(self) -> str:
        if not self._id:
            with self._database.reading(READER) as session:
                self._id = session.scalars(select(Installation.id)).one().hex
        return self._id

    def made(self, owner: str, name: str) -> bool:
        return owner == self.id() if owner else was_built_here(self._database, name)
