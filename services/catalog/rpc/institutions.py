"""RPCs for institutions and branches."""

from __future__ import annotations

import grpc

from chassis import rpc
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog import queries
from services.catalog.rpc.base import ServicerBase


class InstitutionMethods(ServicerBase):
    def ListInstitutions(
        self, request: wire.ListInstitutionsRequest, context: grpc.ServicerContext
    ) -> wire.ListInstitutionsReply:
        with self._database.reading(rpc.context(context)) as session:
            institutions = queries.institutions(session)
        return wire.ListInstitutionsReply(
            institutions=[
                wire.Institution(
                    code=each.code,
                    name=WireText(id=each.name_id, en=each.name_en),
                    kind=each.kind,
                    npp=each.npp,
                    isil=each.isil,
                    zone=each.zone,
                )
                for each in institutions
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
