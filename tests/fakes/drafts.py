"""Drafts and templates of records, as the catalogue answers on the wire."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from chassis import clock, rpc
from chassis.errors import Invalid, NotFound, Outdated
from rangkiang.catalog.v1 import drafts_pb2 as wire
from services.catalog.cataloguing.forms.definitions import FORMS
from tests.fakes.items import INSTITUTION_ID

TEMPLATE_ID = "0192f3a4-5b6c-7d8e-9f0c-23456789abcd"
_TEMPLATE = wire.RecordTemplate(
    id=TEMPLATE_ID, version=2, name="Novel Indonesia", material="book", changed_at=Timestamp(seconds=1_790_000_000),
    text="LDR 00000nam#a2200000#i#4500\n650 #4 $a Fiksi Indonesia",
)  # fmt: skip


class FakeDrafts:
    """The part of a Catalog servicer with one draft, of a new record of an account, and one template."""

    request: Any

    def SaveDraft(self, request: wire.SaveDraftRequest, _context: Any) -> wire.Draft:
        self.request = request
        return wire.Draft(
            place=request.place, title=request.title, values=request.values, saved_at=_TEMPLATE.changed_at
        )

    def GetDraft(self, request: wire.GetDraftRequest, _context: Any) -> wire.Draft:
        if request.place != "new":
            raise NotFound("DRAFT_NOT_FOUND", place=request.place)
        values = [wire.DraftValue(name="view", value="marc"), wire.DraftValue(name="text", value=_TEMPLATE.text)]
        return wire.Draft(place="new", title="Kemarau", values=values, saved_at=_TEMPLATE.changed_at)

    def ListDrafts(self, _request: wire.ListDraftsRequest, _context: Any) -> wire.ListDraftsReply:
        return wire.ListDraftsReply(drafts=[wire.Draft(place="new", title="Kemarau", saved_at=_TEMPLATE.changed_at)])

    def DeleteDraft(self, _request: wire.DeleteDraftRequest, _context: Any) -> wire.DeleteDraftReply:
        return wire.DeleteDraftReply()

    def ListRecordTemplates(self, _request: Any, context: Any) -> wire.ListRecordTemplatesReply:
        is_own = rpc.context(context).institution == INSTITUTION_ID
        return wire.ListRecordTemplatesReply(templates=[_TEMPLATE] if is_own else [])

    def GetRecordTemplate(self, request: wire.GetRecordTemplateRequest, context: Any) -> wire.RecordTemplate:
        return _own(request, context)

    def CreateRecordTemplate(self, request: wire.CreateRecordTemplateRequest, _context: Any) -> wire.RecordTemplate:
        self.request = request
        _check_material(request.material)
        return wire.RecordTemplate(
            id=TEMPLATE_ID, version=1, name=request.name, material=request.material, text=request.text,
            changed_at=_TEMPLATE.changed_at,
        )  # fmt: skip

    def ReplaceRecordTemplate(self, request: wire.ReplaceRecordTemplateRequest, context: Any) -> wire.RecordTemplate:
        _check_material(request.material)
        return _at_version(request, context)

    def DeleteRecordTemplate(
        self, request: wire.DeleteRecordTemplateRequest, context: Any
    ) -> wire.DeleteRecordTemplateReply:
        _at_version(request, context)
        return wire.DeleteRecordTemplateReply()


def _own(request: Any, context: Any) -> wire.RecordTemplate:
    if (request.id, rpc.context(context).institution) != (TEMPLATE_ID, INSTITUTION_ID):
        raise NotFound("TEMPLATE_NOT_FOUND", template=request.id)
    return _TEMPLATE


def _check_material(material: str) -> None:
    if material not in FORMS:
        raise Invalid("MATERIAL_UNKNOWN", material=material[:40], known=[*FORMS])


def _at_version(request: Any, context: Any) -> wire.RecordTemplate:
    template = _own(request, context)
    if request.version != template.version:
        raise Outdated.at_version(template.version, given=request.version, changed=["template"], changed_at=clock.now())
    return template
