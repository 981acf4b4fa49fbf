"""Institutions, branches and a logo, as the catalogue answers on the wire."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from chassis import clock, rpc
from chassis.errors import Forbidden, Invalid, NotFound, Outdated
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from tests.fakes.books import BRANCHES, INSTITUTIONS
from tests.fakes.items import INSTITUTION_ID

FILE_ID = "b" * 64
# An open book below a roof.
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#1f6b3a"/>'
    b'<path d="M5 8c4 4 7 5 11 5s7-1 11-5l-2 6H7Z" fill="#e0b252"/>'
    b'<path d="M16 18c-3-2-6-2-9-1v8c3-1 6-1 9 1 3-2 6-2 9-1v-8c-3-1-6-1-9 1Z" fill="#fff"/></svg>'
)
VERSION = 2
CONTACT = wire.Contact(
    address="Jl. Contoh No. 1",
    kelurahan="Kampung Jawa, Kota Solok",
    phone="+627550000001",
    whatsapp="+6281200000001",
    email="pustaka@example.org",
    links=[wire.SocialLink(kind="instagram", url="https://www.instagram.com/contoh")],
)
# The institution of INSTITUTION_ID.
OWN = "KOTASOLOK"
_CONTACT = ("address", "kelurahan", "phone", "whatsapp", "email", "links")


class FakeInstitutions:
    """The part of a Catalog servicer that has institutions and branches, each in version 2."""

    _receive: Any

    def __init__(self) -> None:
        super().__init__()
        self.institutions = {
            code: wire.Institution(
                code=code,
                name=_text(name),
                kind="public",
                zone="Asia/Jakarta",
                version=VERSION,
                id=str(uuid5(UUID(INSTITUTION_ID), code)),
                logo=FILE_ID if code == OWN else "",
            )
            for code, name in INSTITUTIONS.items()
        }
        self.branches = {
            (institution, code): wire.Branch(
                code=code,
                institution=institution,
                name=_text(name),
                zone="Asia/Jakarta",
                confirmed=True,
                version=VERSION,
                id=str(uuid5(UUID(INSTITUTION_ID), f"{institution}/{code}")),
                kind="central" if code == "PUSAT" else "",
            )
            for (institution, code), name in BRANCHES.items()
        }
        self.institutions[OWN].contact.CopyFrom(CONTACT)
        self.institutions[OWN].short_name.CopyFrom(_text(("Pustaka Solok", "Solok Library")))
        main = self.branches[OWN, "PUSAT"]
        main.contact.CopyFrom(CONTACT)
        main.position.CopyFrom(wire.Position(latitude=-0.7893, longitude=100.6543))
        main.services.append(_text(("Ruang baca anak", "Children's room")))
        main.accessibility.append(_text(("Jalur landai", "Ramp")))

    def AddSandbox(self, _request: wire.AddSandboxRequest, _context: Any) -> wire.AddSandboxReply:
        raise NotFound("SANDBOX_OFF")

    def ListInstitutions(self, request: wire.ListInstitutionsRequest, context: Any) -> wire.ListInstitutionsReply:
        self._receive(request, context)
        if request.code and request.code not in self.institutions:
            raise NotFound("INSTITUTION_NOT_FOUND", institution=request.code)
        institutions = [row for code, row in self.institutions.items() if request.code in ("", code)]
        return wire.ListInstitutionsReply(institutions=institutions)

    def ListBranches(self, request: wire.ListBranchesRequest, context: Any) -> wire.ListBranchesReply:
        self._receive(request, context)
        if request.institution and request.institution not in self.institutions:
            raise NotFound("INSTITUTION_NOT_FOUND", institution=request.institution)
        if request.code and (request.institution, request.code) not in self.branches:
            raise NotFound("BRANCH_UNKNOWN", given=request.code)
        branches = [
            row
            for (institution, code), row in self.branches.items()
            if request.institution in ("", institution) and request.code in ("", code)
        ]
        return wire.ListBranchesReply(branches=branches)

    def EditInstitution(self, request: wire.EditInstitutionRequest, context: Any) -> wire.EditInstitutionReply:
        row = self._place(request, context, request.code, "", request.version)
        _edit(row, request.values, request.fields)
        return wire.EditInstitutionReply(institution=row)

    def EditBranch(self, request: wire.EditBranchRequest, context: Any) -> wire.EditBranchReply:
        row = self._place(request, context, request.institution, request.code, request.version)
        _edit(row, request.values, request.fields)
        return wire.EditBranchReply(branch=row)

    def PutPicture(self, request: wire.PutPictureRequest, context: Any) -> wire.PutPictureReply:
        row = self._place(request, context, request.institution, request.branch, request.version)
        if b"<script" in request.content:
            raise Invalid("SVG_NOT_ALLOWED", given="<script>")
        row.version += 1
        return wire.PutPictureReply(file=FILE_ID, version=row.version)

    def RemovePicture(self, request: wire.RemovePictureRequest, context: Any) -> wire.RemovePictureReply:
        row = self._place(request, context, request.institution, request.branch, request.version)
        if request.file != FILE_ID:
            raise NotFound("FILE_NOT_FOUND")
        row.version += 1
        return wire.RemovePictureReply(version=row.version)

    def GetFile(self, request: wire.GetFileRequest, context: Any) -> wire.GetFileReply:
        self._receive(request, context)
        if request.id != FILE_ID:
            raise NotFound("FILE_NOT_FOUND")
        return wire.GetFileReply(media_type="image/svg+xml", content=LOGO)

    def _place(self, request: Any, context: Any, institution: str, branch: str, version: int) -> Any:
        self._receive(request, context)
        if institution not in self.institutions:
            raise NotFound("INSTITUTION_NOT_FOUND", institution=institution)
        if institution != OWN or rpc.context(context).institution != INSTITUTION_ID:
            raise Forbidden("INSTITUTION_NOT_YOURS", institution=institution)
        row = self.branches.get((institution, branch)) if branch else self.institutions[institution]
        if row is None:
            raise NotFound("BRANCH_UNKNOWN", given=branch)
        if row.version != version:
            raise Outdated.at_version(row.version, given=version, changed=["phone"], changed_at=clock.now())
        return row


def _edit(row: Any, values: Any, fields: Any) -> None:
    if "phone" in fields and values.contact.phone.isalpha():
        raise Invalid("DETAIL_PHONE", field="phone", given=values.contact.phone)
    for field in fields:
        source, target = (values.contact, row.contact) if field in _CONTACT else (values, row)
        target.ClearField(field)
        target.MergeFrom(type(target)(**{field: getattr(source, field)}))
    row.version += 1


def _text(name: Any) -> WireText:
    return WireText(id=name[0], en=name[1])
