"""Templates: records of an institution from which new ones begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import Invalid, NotFound, Outdated, Refused
from chassis.ids import new_id, parse_id, parse_or_nil
from services.catalog.cataloguing.forms.definitions import FORMS
from services.catalog.cataloguing.forms.editing import copied
from services.catalog.cataloguing.forms.marc_text import read_text, write_text
from services.catalog.marc.record import Record
from services.catalog.tables import RecordTemplate

MOST_TEMPLATES = 100  # of an institution
LONGEST_NAME = 100
LONGEST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """A template. text: of its record, as cataloguing.forms.marc_text writes it."""

    id: UUID
    version: int
    name: str
    material: str
    text: str
    changed_at: datetime


def list_templates(session: Session, *, context: Context) -> list[SavedTemplate]:
    """Return the templates of the caller's institution by name."""
    rows = session.scalars(_of_institution(context).order_by(func.lower(RecordTemplate.name), RecordTemplate.id))
    return [_saved(row) for row in rows]


def get_template(session: Session, template_id: str, *, context: Context) -> SavedTemplate:
    """Return a template of the caller's institution. Raises NotFound TEMPLATE_NOT_FOUND."""
    return _saved(_row(session, template_id, context))


def create_template(session: Session, *, name: str, material: str, text: str, context: Context) -> SavedTemplate:
    """Store a template of the caller's institution.

    text    of a record; control numbers and items are left out
    raises  Invalid  TEMPLATE_NAME_INVALID, TEMPLATE_TOO_LARGE, TEMPLATE_INVALID, MATERIAL_UNKNOWN
            Refused  TEMPLATE_NAME_TAKEN, TEMPLATES_TOO_MANY
    """
    values = _read(session, name=name, material=material, text=text, context=context)
    count = select(func.count()).select_from(_of_institution(context).subquery())
    if (session.scalar(count) or 0) >= MOST_TEMPLATES:
        raise Refused("TEMPLATES_TOO_MANY", most=MOST_TEMPLATES)
    row = {"id": new_id(), "institution_id": parse_id(context.institution), "version": 1, **values}
    # Of two who give one name at the same moment, one gets the refusal.
    statement = insert_for(session, RecordTemplate).values(row).on_conflict_do_nothing()
    if session.scalar(statement.returning(RecordTemplate.id)) is None:
        raise Refused("TEMPLATE_NAME_TAKEN", name=values["name"])
    return _audited(session, "catalog.create_template", str(row["id"]), context)


def replace_template(
    session: Session, template_id: str, version: int, *, name: str, material: str, text: str, context: Context
) -> SavedTemplate:
    """Replace a template. version: that the caller has read.

    raises  NotFound  TEMPLATE_NOT_FOUND
            Outdated  VERSION_OUTDATED
            and as create_template
    """
    row = _row(session, template_id, context, version)
    values = _read(session, name=name, material=material, text=text, context=context, own=row.id)
    changed = update(RecordTemplate).where(RecordTemplate.id == row.id).values(version=version + 1, **values)
    session.execute(changed.execution_options(synchronize_session=False))
    session.expire_all()
    return _audited(session, "catalog.replace_template", str(row.id), context)


def delete_template(session: Session, template_id: str, version: int, *, context: Context) -> None:
    """Delete a template. Raises as replace_template."""
    row = _row(session, template_id, context, version)
    audit.record(session, context, "catalog.delete_template", kind="template", object_id=row.id)
    session.execute(delete(RecordTemplate).where(RecordTemplate.id == row.id))


def _read(
    session: Session, *, name: str, material: str, text: str, context: Context, own: UUID | None = None
) -> dict[str, Any]:
    """Return the columns of a template. own: the template that may have the name."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid("TEMPLATE_NAME_INVALID", field="name", most=LONGEST_NAME)
    if material not in FORMS:
        raise Invalid("MATERIAL_UNKNOWN", material=material[:40], known=[*FORMS])
    if len(text.encode()) > LONGEST_BYTES:
        raise Invalid("TEMPLATE_TOO_LARGE", bytes=len(text.encode()), most=LONGEST_BYTES)
    record, bad_lines = read_text(text)
    if bad_lines:
        raise Invalid("TEMPLATE_INVALID", line=bad_lines[0].number)
    holder = session.scalar(select(RecordTemplate.id).where(*_conditions(context), RecordTemplate.name == name))
    if holder not in (None, own):
        raise Refused("TEMPLATE_NAME_TAKEN", name=name)
    return {"name": name, "material": material, "content": copied(record).pack(), "changed_at": clock.now()}


def _conditions(context: Context) -> list[Any]:
    return [RecordTemplate.institution_id == parse_id(context.institution)]


def _of_institution(context: Context) -> Any:
    return select(RecordTemplate).where(*_conditions(context))


def _row(session: Session, template_id: str, context: Context, version: int | None = None) -> RecordTemplate:
    query = _of_institution(context).where(RecordTemplate.id == parse_or_nil(template_id))
    row: RecordTemplate | None = session.scalars(query if version is None else query.with_for_update()).first()
    if row is None:
        raise NotFound("TEMPLATE_NOT_FOUND", template=template_id[:64])
    if version not in (None, row.version):
        raise Outdated.at_version(row.version, given=version, changed=["template"], changed_at=row.changed_at)
    return row


def _audited(session: Session, act: str, template_id: str, context: Context) -> SavedTemplate:
    audit.record(session, context, act, kind="template", object_id=template_id)
    return get_template(session, template_id, context=context)


def _saved(row: RecordTemplate) -> SavedTemplate:
    # 008 of a copy begins with the day on which it is made.
    text = write_text(copied(Record.unpack(row.content)))
    return SavedTemplate(row.id, row.version, row.name, row.material, text, row.changed_at)
