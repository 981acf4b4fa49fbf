"""The gRPC servicer translates requests and results: institutions here, the other parts in a module each."""

from __future__ import annotations

import logging

import grpc

from chassis import rpc
from chassis.errors import Invalid
from chassis.service import Resources
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog import queries
from services.catalog.index.installation import open_index
from services.catalog.rpc.browse import BrowseMethods
from services.catalog.rpc.institutions import InstitutionMethods
from services.catalog.rpc.items import ItemMethods
from services.catalog.rpc.records import RecordMethods
from services.catalog.rpc.search import SearchMethods
from services.catalog.search.own_vocabulary import use_own_vocabulary
from services.catalog.settings import CatalogSettings

log = logging.getLogger(__name__)


class Catalog(SearchMethods, RecordMethods, BrowseMethods, ItemMethods, InstitutionMethods, CatalogServicer):
    """The servicer of the whole contract."""

    def ListInstitutions(
        self, request: wire.ListInstitutionsRequest, context: grpc.ServicerContext
    ) -> wire.ListInstitutionsReply:
        with self._database.reading(rpc.context(context)) as session:
            institutions = queries.institutions(session)
        return wire.ListInstitutionsReply(
            institutions=[
                wire.Institution(
                    code=institution.code,
                    name=WireText(id=institution.name_id, en=institution.name_en),
                    kind=institution.kind,
                    npp=institution.npp,
                    isil=institution.isil,
                    zone=institution.zone,
                )
                for institution in institutions
            ]
        )

    def ListBranches(self, request: wire.ListBranchesRequest, context: grpc.ServicerContext) -> wire.ListBranchesReply:
        with self._database.reading(rpc.context(context)) as session:
            branches = queries.branches(session, institution=request.institution)
        return wire.ListBranchesReply(
            branches=[
                wire.Branch(
                    code=branch.code,
                    institution=institution,
                    name=WireText(id=branch.name_id, en=branch.name_en),
                    kind=branch.kind,
                    npp=branch.npp,
                    isil=branch.isil,
                    zone=branch.zone,
                    confirmed=branch.confirmed,
                )
                for branch, institution in branches
            ]
        )


def servicer(resources: Resources) -> Catalog:
    """Create the catalogue's servicer with its own search index, and the library's vocabulary if it is sound."""
    try:
        use_own_vocabulary(resources.settings.of(CatalogSettings).vocabulary)
    except Invalid as problem:
        # Doctor says which line is wrong; a library searches without its words rather than not at all.
        log.warning("vocabulary_not_used", extra={"reason": problem.reason, **problem.facts})
    return Catalog(resources, open_index(resources))
