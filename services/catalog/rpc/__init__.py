"""The gRPC servicer: translates requests and results. One module per part of the contract."""

from __future__ import annotations

from chassis.service import Resources
from chassis.urls import open_url
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer
from services.catalog.index.port import ENGINES
from services.catalog.rpc.browse import BrowseMethods
from services.catalog.rpc.formats import FormatMethods
from services.catalog.rpc.institutions import InstitutionMethods
from services.catalog.rpc.records import RecordMethods
from services.catalog.rpc.search import SearchMethods
from services.catalog.rpc.shelves import ShelfMethods
from services.catalog.settings import CatalogSettings


class Catalog(
    SearchMethods, RecordMethods, FormatMethods, ShelfMethods, BrowseMethods, InstitutionMethods, CatalogServicer
):
    """The servicer of the whole contract."""


def servicer(resources: Resources) -> Catalog:
    """Create the catalogue's servicer with its own search index."""
    return Catalog(resources, open_url(resources.settings.of(CatalogSettings).search, ENGINES))
