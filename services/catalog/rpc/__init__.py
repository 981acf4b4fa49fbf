"""The gRPC servicer: translates requests and results, with one module for each part of the contract."""

from __future__ import annotations

import logging

from chassis.errors import Invalid
from chassis.rpc.published import PublishedMethods
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer
from services.catalog.index.installation import open_index
from services.catalog.rpc.accessions import AccessionMethods
from services.catalog.rpc.browse import BrowseMethods
from services.catalog.rpc.cataloguing import CataloguingMethods
from services.catalog.rpc.drafts import DraftMethods
from services.catalog.rpc.edit_forms import EditFormMethods
from services.catalog.rpc.harvest import HarvestMethods
from services.catalog.rpc.institutions import InstitutionMethods
from services.catalog.rpc.items import ItemMethods
from services.catalog.rpc.labels import LabelMethods
from services.catalog.rpc.records import RecordMethods
from services.catalog.rpc.search import SearchMethods
from services.catalog.rpc.tasks import TaskMethods
from services.catalog.search.own_vocabulary import load_words, use_own_vocabulary
from services.catalog.settings import CatalogSettings

log = logging.getLogger(__name__)


class Catalog(
    SearchMethods,
    RecordMethods,
    HarvestMethods,
    BrowseMethods,
    ItemMethods,
    CataloguingMethods,
    EditFormMethods,
    AccessionMethods,
    TaskMethods,
    LabelMethods,
    DraftMethods,
    InstitutionMethods,
    PublishedMethods,
    CatalogServicer,
):
    """The servicer of the whole contract."""


def servicer(resources: Resources) -> Catalog:
    """Create the catalogue's servicer with its own search index, and the library's vocabulary if that is valid."""
    try:
        use_own_vocabulary(resources.settings.of(CatalogSettings).vocabulary)
    except Invalid as problem:
        # Search must work without the library's own words. Doctor reports which line is wrong.
        log.warning("vocabulary_not_used", extra={"reason": problem.reason, **problem.facts})
    load_words()
    return Catalog(resources, open_index(resources))
