"""The RPC behind the page that edits a record: its form, its text and its faults."""

from __future__ import annotations

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.rpc.methods import reads
from rangkiang.catalog.v1 import edit_forms_pb2 as wire
from services.catalog.cataloguing.faults import Fault
from services.catalog.cataloguing.forms.definitions import FORMS, FormField
from services.catalog.cataloguing.forms.editing import EditedRecord, TypedRecord, open_record
from services.catalog.cataloguing.forms.marc_text import write_text
from services.catalog.cataloguing.forms.record_form import rows_of
from services.catalog.marc import marcjson
from services.catalog.rpc.protobuf import ServicerPart, fill

LONGEST_LINE = 120


class EditFormMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    @reads
    def GetEditForm(self, request: wire.GetEditFormRequest, session: Session, caller: Context) -> wire.EditForm:
        typed = request.input
        edited = open_record(
            session,
            record_id=request.id,
            copy_of=request.copy_of,
            material=request.material,
            typed=TypedRecord(typed.base, typed.values, typed.text) if request.HasField("input") else None,
            version=request.version,
            context=caller,
        )
        return wire_form(edited, typed_text=typed.text, added=request.added)


def wire_form(edited: EditedRecord, *, typed_text: str = "", added: str = "") -> wire.EditForm:
    """Return a record to edit on the wire. added: the field with one more empty row."""
    reply = wire.EditForm(
        version=edited.version,
        is_imported=edited.is_imported,
        source=edited.source,
        material=edited.form.material,
        text=typed_text if edited.bad_lines and typed_text else write_text(edited.record),
        marc=b"" if edited.bad_lines else marcjson.encode(edited.record),
        faults=[_wire_fault(fault, is_new=fault_is_new) for fault, fault_is_new in _faults(edited)],
        bad_lines=[
            wire.BadLine(number=line.number, text=line.text[:LONGEST_LINE], reason=line.reason)
            for line in edited.bad_lines
        ],
    )
    for difference in edited.theirs:
        fill(reply.theirs.add(), difference)
    for form in FORMS.values():
        fill(reply.materials.add(value=form.material).name, form.label)
    for group in edited.form.groups:
        wire_group = reply.groups.add(name=group.name)
        fill(wire_group.label, group.label)
        for field in group.fields:
            _fill_field(wire_group.fields.add(), field, edited, added=field.name == added)
    return reply


def _faults(edited: EditedRecord) -> list[tuple[Fault, bool]]:
    return [*((fault, True) for fault in edited.new), *((fault, False) for fault in edited.old)]


def _fill_field(message: wire.FormField, field: FormField, edited: EditedRecord, *, added: bool) -> None:
    fill(message, field)
    labels = {part.code: part.label for part in field.parts}
    for row in rows_of(edited.record, field, added=int(added)):
        wire_row = message.rows.add(tag=row.tag, place=row.place)
        for each in row.inputs:
            fill(wire_row.inputs.add(), each)
            fill(wire_row.inputs[-1].label, labels[each.code])


def _wire_fault(fault: Fault, *, is_new: bool) -> wire.PlacedFault:
    message = wire.PlacedFault(reason=fault.reason, tag=fault.tag, code=fault.code, place=fault.place, is_new=is_new)
    fill(message.sentence, fault.refusal().sentence)
    return message
