"""RPCs for institutions and branches: reads, edits by staff, pictures and files."""

from __future__ import annotations

import grpc

from chassis.errors import NotFound
from rangkiang.catalog.v1 import catalog_pb2 as wire
from services.catalog.rpc.protobuf import ServicerPart


class InstitutionMethods(ServicerPart):
    def EditInstitution(
        self, request: wire.EditInstitutionRequest, context: grpc.ServicerContext
    ) -> wire.EditInstitutionReply:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=request.code)

    def EditBranch(self, request: wire.EditBranchRequest, context: grpc.ServicerContext) -> wire.EditBranchReply:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=request.institution)

    def PutPicture(self, request: wire.PutPictureRequest, context: grpc.ServicerContext) -> wire.PutPictureReply:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=request.institution)

    def RemovePicture(
        self, request: wire.RemovePictureRequest, context: grpc.ServicerContext
    ) -> wire.RemovePictureReply:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=request.institution)

    def GetFile(self, request: wire.GetFileRequest, context: grpc.ServicerContext) -> wire.GetFileReply:
        raise NotFound("INSTITUTION_NOT_FOUND", institution=request.id)
