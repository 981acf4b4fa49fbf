"""RPCs for what cataloguers have not saved yet, and for templates of new records."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1 import drafts_pb2 as wire
from services.catalog.cataloguing import drafts, templates
from services.catalog.rpc.protobuf import ServicerPart, wire_moment


class DraftMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @writes
    def SaveDraft(self, request: wire.SaveDraftRequest, session: Session, caller: Context) -> wire.Draft:
        values = {value.name: value.value for value in request.values}
        return _wire_draft(
            drafts.save_draft(session, request.place, title=request.title, values=values, context=caller)
        )

    @reads
    def GetDraft(self, request: wire.GetDraftRequest, session: Session, caller: Context) -> wire.Draft:
        return _wire_draft(drafts.get_draft(session, request.place, context=caller))

    @reads
    def ListDrafts(self, _request: wire.ListDraftsRequest, session: Session, caller: Context) -> wire.ListDraftsReply:
        return wire.ListDraftsReply(drafts=map(_wire_draft, drafts.list_drafts(session, context=caller)))

    @writes
    def DeleteDraft(self, request: wire.DeleteDraftRequest, session: Session, caller: Context) -> wire.DeleteDraftReply:
        drafts.delete_draft(session, request.place, context=caller)
        return wire.DeleteDraftReply()

    @reads
    def ListRecordTemplates(
        self, _request: wire.ListRecordTemplatesRequest, session: Session, caller: Context
    ) -> wire.ListRecordTemplatesReply:
        listed = templates.list_templates(session, context=caller)
        return wire.ListRecordTemplatesReply(templates=map(_wire_template, listed))

    @reads
    def GetRecordTemplate(
        self, request: wire.GetRecordTemplateRequest, session: Session, caller: Context
    ) -> wire.RecordTemplate:
        return _wire_template(templates.get_template(session, request.id, context=caller))

    @writes_once
    def CreateRecordTemplate(
        self, request: wire.CreateRecordTemplateRequest, session: Session, caller: Context
    ) -> wire.RecordTemplate:
        created = templates.create_template(
            session, name=request.name, material=request.material, text=request.text, context=caller
        )
        return _wire_template(created)

    @writes
    def ReplaceRecordTemplate(
        self, request: wire.ReplaceRecordTemplateRequest, session: Session, caller: Context
    ) -> wire.RecordTemplate:
        replaced = templates.replace_template(
            session, request.id, request.version, name=request.name, material=request.material, text=request.text,
            context=caller,
        )  # fmt: skip
        return _wire_template(replaced)

    @writes
    def DeleteRecordTemplate(
        self, request: wire.DeleteRecordTemplateRequest, session: Session, caller: Context
    ) -> wire.DeleteRecordTemplateReply:
        templates.delete_template(session, request.id, request.version, context=caller)
        return wire.DeleteRecordTemplateReply()


def _wire_draft(draft: drafts.SavedDraft) -> wire.Draft:
    values = [wire.DraftValue(name=name, value=value) for name, value in draft.values.items()]
    return wire.Draft(place=draft.place, title=draft.title, saved_at=wire_moment(draft.saved_at), values=values)


def _wire_template(template: templates.SavedTemplate) -> wire.RecordTemplate:
    return wire.RecordTemplate(
        id=str(template.id),
        version=template.version,
        name=template.name,
        material=template.material,
        text=template.text,
        changed_at=wire_moment(template.changed_at),
    )
