"""RPCs for institutions and branches: reads, edits by staff, pictures and files."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any

import grpc
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context, system
from chassis.database import blobs
from chassis.database.idempotency import once
from chassis.errors import NotFound
from chassis.ids import parse_id
from chassis.institutions import sandbox_end
from chassis.rpc.methods import reads, writes_once
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog import queries
from services.catalog.importing import sandboxes
from services.catalog.institutions import edits
from services.catalog.institutions.descriptions import edited_fields, value_of
from services.catalog.institutions.fields import BRANCH_FIELDS, CONTACT_FIELDS, INSTITUTION_FIELDS
from services.catalog.pictures import renditions_of
from services.catalog.rpc.protobuf import ServicerPart, wire_moment
from services.catalog.settings import CatalogSettings
from services.catalog.tables import Branch, Institution

SANDBOXES = system("sandboxes")


class InstitutionMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @reads
    def ListInstitutions(
        self, request: wire.ListInstitutionsRequest, session: Session, _caller: Context
    ) -> wire.ListInstitutionsReply:
        rows = queries.institutions(session, code=request.code)
        return wire.ListInstitutionsReply(institutions=[_wire_institution(row) for row in rows])

    @reads
    def ListBranches(
        self, request: wire.ListBranchesRequest, session: Session, _caller: Context
    ) -> wire.ListBranchesReply:
        rows = queries.branches(session, institution=request.institution, code=request.code)
        return wire.ListBranchesReply(branches=[_wire_branch(row, institution) for row, institution in rows])

    @writes_once
    def EditInstitution(
        self, request: wire.EditInstitutionRequest, session: Session, caller: Context
    ) -> wire.EditInstitutionReply:
        values = _edited_values(request, INSTITUTION_FIELDS)
        row = edits.edit_institution(session, request.code, request.version, values, context=caller)
        return wire.EditInstitutionReply(institution=_wire_institution(row))

    @writes_once
    def EditBranch(self, request: wire.EditBranchRequest, session: Session, caller: Context) -> wire.EditBranchReply:
        values = _edited_values(request, BRANCH_FIELDS)
        row = edits.edit_branch(session, request.institution, request.code, request.version, values, context=caller)
        return wire.EditBranchReply(branch=_wire_branch(row, request.institution))

    def PutPicture(self, request: wire.PutPictureRequest, context: grpc.ServicerContext) -> wire.PutPictureReply:
        caller = rpc.context(context)
        # Before the transaction, so that other writers do not wait for the decoding.
        renditions = renditions_of(request.kind, request.content)
        with self._database.transaction(caller) as session:

            def act() -> wire.PutPictureReply:
                file, version = edits.put_picture(
                    session,
                    request.institution,
                    request.branch,
                    request.version,
                    request.kind,
                    renditions,
                    context=caller,
                )
                return wire.PutPictureReply(file=file, version=version)

            return once(session, caller, request, wire.PutPictureReply, act)

    @writes_once
    def RemovePicture(
        self, request: wire.RemovePictureRequest, session: Session, caller: Context
    ) -> wire.RemovePictureReply:
        version = edits.remove_picture(
            session, request.institution, request.branch, request.version, request.file, context=caller
        )
        return wire.RemovePictureReply(version=version)

    def AddSandbox(self, request: wire.AddSandboxRequest, context: grpc.ServicerContext) -> wire.AddSandboxReply:
        if self._settings.of(CatalogSettings).sandbox == "off":
            raise NotFound("SANDBOX_OFF")
        caller = rpc.context(context)

        def act() -> wire.AddSandboxReply:
            institution, barcodes = sandboxes.add_sandbox(session, context=caller)
            ends_at = wire_moment(sandbox_end(parse_id(institution.id)))
            return wire.AddSandboxReply(institution=institution, barcodes=barcodes, ends_at=ends_at)

        # The caller's institution is another one.
        with self._database.transaction(replace(caller, institution=SANDBOXES.institution)) as session:
            return once(session, caller, request, wire.AddSandboxReply, act)

    @reads
    def GetSandbox(self, request: wire.GetSandboxRequest, session: Session, _caller: Context) -> wire.GetSandboxReply:
        return wire.GetSandboxReply(institution=sandboxes.sandbox(session, request.id))

    @reads
    def GetFile(self, request: wire.GetFileRequest, session: Session, _caller: Context) -> wire.GetFileReply:
        rendition = blobs.get(session, request.id, width=request.width)
        return wire.GetFileReply(media_type=rendition.media_type, content=rendition.content)


def _edited_values(
    request: wire.EditInstitutionRequest | wire.EditBranchRequest, allowed: Container[str]
) -> dict[str, Any]:
    """Return the values to set; those of unknown fields are None, and the edit refuses them."""
    return {field: _plain_value(request.values, field) if field in allowed else None for field in request.fields}


def _plain_value(message: wire.Institution | wire.Branch, field: str) -> Any:
    """Return the value of a field in the form that institutions.fields checks."""
    value = getattr(message.contact if field in CONTACT_FIELDS else message, field)
    match field:
        case "links":
            return [{"kind": link.kind, "url": link.url} for link in value]
        case "services" | "accessibility":
            return [{"id": text.id, "en": text.en} for text in value]
        case "position":
            is_known = isinstance(message, wire.Branch) and message.HasField("position")
            return {"latitude": value.latitude, "longitude": value.longitude} if is_known else None
        case "name" | "short_name" | "motto" | "photo_alt":
            return {"id": value.id, "en": value.en}
        case _:
            return value


def _wire_institution(row: Institution) -> wire.Institution:
    return wire.Institution(
        code=row.code,
        name=WireText(id=row.name_id, en=row.name_en),
        kind=row.kind,
        npp=row.npp,
        isil=row.isil,
        zone=row.zone,
        short_name=WireText(**value_of(row, "short_name")),
        motto=WireText(**value_of(row, "motto")),
        contact=_wire_contact(row),
        logo=value_of(row, "logo"),
        photos=value_of(row, "photos"),
        version=row.own_version,
        edited_fields=edited_fields(row),
        id=str(row.id),
        card_colour=value_of(row, "card_colour"),
    )


def _wire_branch(row: Branch, institution: str) -> wire.Branch:
    position = value_of(row, "position")
    return wire.Branch(
        code=row.code,
        institution=institution,
        name=WireText(id=row.name_id, en=row.name_en),
        kind=row.kind,
        npp=row.npp,
        isil=row.isil,
        zone=row.zone,
        confirmed=row.confirmed,
        contact=_wire_contact(row),
        position=None if position is None else wire.Position(**position),
        photo=value_of(row, "photo"),
        photo_alt=WireText(**value_of(row, "photo_alt")),
        services=[WireText(**text) for text in value_of(row, "services")],
        accessibility=[WireText(**text) for text in value_of(row, "accessibility")],
        version=row.version,
        edited_fields=edited_fields(row),
        id=str(row.id),
    )


def _wire_contact(row: Institution | Branch) -> wire.Contact:
    links = [wire.SocialLink(**link) for link in value_of(row, "links")]
    texts = {field: value_of(row, field) for field in CONTACT_FIELDS if field != "links"}
    return wire.Contact(**texts, links=links)
