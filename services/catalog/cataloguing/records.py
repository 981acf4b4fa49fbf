"""Records that staff create, edit, delete and restore. The first edit takes a record over from imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for, insert_ignore
from chassis.errors import Invalid, NotFound, Outdated, Refused
from chassis.ids import new_id, parse_id
from chassis.institutions import SANDBOX
from services.catalog.cataloguing import history
from services.catalog.cataloguing.faults import Fault, faults_of, refuse_new_faults
from services.catalog.importing.changes import RecordChange, StoredRecord
from services.catalog.importing.decode import incoming_of
from services.catalog.importing.deletion import delete_records
from services.catalog.importing.upsert import (
    Decision,
    ImportTarget,
    lock_source,
    open_target,
    write_changes,
)
from services.catalog.items import edits
from services.catalog.items.item_maps import USUAL
from services.catalog.items.lending import IN
from services.catalog.marc.faults import MarcError
from services.catalog.marc.field_shape import is_unimarc
from services.catalog.marc.marcjson import decode
from services.catalog.marc.record import Record as Marc
from services.catalog.queries import is_sandbox
from services.catalog.record.headings import is_authority
from services.catalog.tables import EditedRecord, Institution, Item, ItemState, Record, Source, fresh_numbers
from services.catalog.tables.institutions import HERE

LONGEST_BYTES = 1_000_000
MOST_FIELDS = 2_000
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class SavedRecord:
    """A record after an act. faults: those that its content had before too."""

    id: UUID
    version: int
    faults: Sequence[Fault] = ()


def read_marc(content: bytes) -> Marc:
    """Read a bibliographic record of a cataloguer, as MARC-in-JSON.

    raises  Invalid  RECORD_TOO_LARGE, FIELDS_TOO_MANY, NOT_BIBLIOGRAPHIC, UNIMARC; the reasons of marc.marcjson.decode
    """
    if len(content) > LONGEST_BYTES:
        raise Invalid("RECORD_TOO_LARGE", bytes=len(content), most=LONGEST_BYTES)
    try:
        decoded = decode(content)
    except MarcError as problem:
        raise Invalid(problem.reason, detail=problem.detail[:200]) from None
    if "NO_LEADER" in decoded.warnings:
        raise Invalid("LEADER_BAD", detail="the record has none")
    record = decoded.record
    if len(record.fields) > MOST_FIELDS:
        raise Invalid("FIELDS_TOO_MANY", fields=len(record.fields), most=MOST_FIELDS)
    if is_unimarc({field[0] for field in record.fields}, record.text("100", "a")):
        raise Invalid("UNIMARC")
    if is_authority(record):
        raise Invalid("NOT_BIBLIOGRAPHIC")
    return record


def create_record(session: Session, marc: Marc, *, context: Context) -> SavedRecord:
    """Create a record in the caller's institution, in its own source; one without a control number (001) gets one.

    raises  Refused  CONTROL_NUMBER_TAKEN, SANDBOX_WITHOUT_CATALOGUE
            Invalid  the reasons of faults.refuse_new_faults
    emits   RecordsChanged
    """
    refuse_new_faults(marc, None)
    institution_id, now = parse_id(context.institution), clock.now()
    target = _own_source(session, institution_id)
    record_id = new_id()
    if marc.control_key() is None:
        marc = Marc(marc.leader, [["001", record_id.hex], *(field for field in marc.fields if field[0] != "001")])
    incoming = incoming_of(marc, target.shelves.institution, USUAL)
    lock_source(session, target.source_id)
    taken = select(Record.id).where(Record.source_id == target.source_id, Record.control_key == incoming.key)
    if (other := session.scalar(taken)) is not None:
        raise Refused("CONTROL_NUMBER_TAKEN", number=incoming.key, record=str(other))
    (number,) = fresh_numbers(session, Record.number, 1)
    row = StoredRecord(number, record_id, incoming.fingerprint, 1, 0, in_this_run=True)
    _write(session, target, RecordChange(row, incoming.key, incoming, 1, fresh=True), context=context)
    versions = history.add([], version=1, at=now, actor=context.actor, act="create", before=None, after=incoming.marc)
    _keep_history(session, number, institution_id, versions, imported=incoming.fingerprint)
    audit.record(session, context, "catalog.create_record", kind="record", object_id=record_id)
    return SavedRecord(record_id, 1)


def replace_record(session: Session, record_id: str, marc: Marc, *, version: int, context: Context) -> SavedRecord:
    """Replace the content of a record of the caller's institution. Its items stay, whatever its fields name.

    version  that the caller has read; a later version is accepted when the content is still that of `version`
    raises   NotFound  RECORD_UNKNOWN
             Gone      RECORD_DELETED
             Outdated  VERSION_OUTDATED, with the tags that were changed since
             Invalid   CONTROL_NUMBER_CHANGED: an import would no longer find it; the reasons of
                       faults.refuse_new_faults
    emits    RecordsChanged, ItemsChanged
    """
    row = open_record(session, record_id, context=context)
    packed = marc.pack()
    if packed == row.marc:
        return SavedRecord(row.id, row.version, [*faults_of(marc)])
    refuse_outdated(row, version, marc)
    stored = Marc.unpack(row.marc)
    if marc.control_key() != stored.control_key():
        raise Invalid("CONTROL_NUMBER_CHANGED", given=marc.control_key() or "", stored=stored.control_key() or "")
    faults = refuse_new_faults(marc, stored)
    return replace(save(session, row, marc, act="edit", context=context), faults=faults)


def delete_record(session: Session, record_id: str, *, version: int, context: Context) -> None:
    """Delete a record of the caller's institution; it can be restored. Imports do not bring it back.

    raises  as replace_record, and
            Refused  RECORD_HAS_ITEMS: items that are not withdrawn, or that are out
    emits   RecordsChanged
    """
    row = open_record(session, record_id, context=context)
    refuse_outdated(row, version)
    is_out = exists().where(ItemState.item_id == Item.id, ItemState.state != IN)
    of_record = select(func.count()).select_from(Item).where(Item.record_number == row.number)
    items = session.scalar(of_record.where(or_(Item.status != WITHDRAWN, is_out))) or 0
    if items:
        out = session.scalar(of_record.where(is_out)) or 0
        raise Refused("RECORD_HAS_ITEMS", items=items, out=out)
    now = clock.now()
    _add_version(session, row, act="delete", after=row.marc, version=row.version + 1, context=context)
    target = open_target(session, source=row.source, institution=row.institution)
    delete_records(
        session, target, [row.number], at=now, act=f"record-deletion:{row.id}", sequence=row.version + 1,
        context=context,
    )  # fmt: skip
    audit.record(session, context, "catalog.delete_record", kind="record", object_id=row.id)


def restore_record(session: Session, record_id: str, *, of_version: int, version: int, context: Context) -> SavedRecord:
    """Bring back a deleted record, or an earlier content of a record, as a new version.

    of_version  of the content to bring back; 0 for the last one, of a deleted record
    version     that the caller has read
    raises      NotFound  RECORD_UNKNOWN, VERSION_NOT_FOUND
                Outdated  VERSION_OUTDATED
                Invalid   VERSION_MISSING
                Refused   SANDBOX_WITHOUT_CATALOGUE
    emits       RecordsChanged, ItemsChanged
    """
    row = open_record(session, record_id, context=context, with_deleted=True)
    if not of_version and row.deleted_at is None:
        raise Invalid("VERSION_MISSING")
    refuse_outdated(row, version)
    marc = Marc.unpack(row.marc) if not of_version else find_version(row, of_version).record
    if row.deleted_at is None and marc.pack() == row.marc:
        return SavedRecord(row.id, row.version)
    return save(session, row, marc, act="restore", context=context)


def list_versions(
    session: Session, record_id: str, *, below: int | None = None, most: int | None = None, context: Context
) -> list[history.Version]:
    """Return the versions of a record of the caller's institution, the newest first; none before its first edit.

    below, most  only versions with a lower number, and only so many of them
    raises       NotFound  RECORD_UNKNOWN
    """
    row = find_record(session, record_id, context=context, with_deleted=True)
    return list(islice(history.versions(row.history, row.marc, below=below), most))


def find_version(row: Any, version: int) -> history.Version:
    """Return a version of the content of a row of find_record.

    raises  NotFound  VERSION_NOT_FOUND
    """
    newest = next(history.versions(row.history, row.marc, below=version + 1), None)
    if newest is None or newest.version != version:
        raise NotFound("VERSION_NOT_FOUND", record=str(row.id), version=version)
    return newest


def find_record(session: Session, record_id: str, *, context: Context, with_deleted: bool = False) -> Any:
    """Return the row of a record of the caller's institution, with its history and its source.

    raises  NotFound  RECORD_UNKNOWN
            Gone      RECORD_DELETED
    """
    institution_id = parse_id(context.institution)
    return edits.find_record(session, record_id, institution_id, query=_RECORD, with_deleted=with_deleted)


def open_record(session: Session, record_id: str, *, context: Context, with_deleted: bool = False) -> Any:
    """Lock a record for a change, after its source; see find_record.

    raises  Refused  SANDBOX_WITHOUT_CATALOGUE: its records are stored as deleted, and nobody may publish them
    """
    row = find_record(session, record_id, context=context, with_deleted=with_deleted)
    if row.institution.startswith(SANDBOX):
        raise Refused("SANDBOX_WITHOUT_CATALOGUE")
    lock_source(session, row.source_id)
    session.execute(select(Record.number).where(Record.id == parse_id(record_id)).with_for_update())
    return find_record(session, record_id, context=context, with_deleted=with_deleted)


def save(session: Session, row: Any, marc: Marc, *, act: str, context: Context) -> SavedRecord:
    """Write new content of a record as a new version. row: of open_record; act: of history.Version."""
    target = open_target(session, source=row.source, institution=row.institution)
    incoming = incoming_of(marc, row.institution, USUAL)
    version = row.version + 1
    stored = StoredRecord(row.number, row.id, incoming.fingerprint, version, row.index_changes, in_this_run=True)
    _write(session, target, RecordChange(stored, row.control_key, incoming, version, fresh=False), context=context)
    _add_version(session, row, act=act, after=incoming.marc, version=version, context=context)
    audit.record(session, context, f"catalog.{act}_record", kind="record", object_id=row.id, facts={"version": version})
    return SavedRecord(row.id, version)


_RECORD = (
    select(
        *(Record.number, Record.id, Record.institution_id, Record.source_id, Record.control_key, Record.fingerprint),
        *(Record.marc, Record.version, Record.marc_version, Record.index_changes, Record.updated_at),
        *(Record.deleted_at, Source.code.label("source"), Institution.code.label("institution")),
        *(EditedRecord.history, EditedRecord.imported, EditedRecord.offer_id, EditedRecord.offer),
    )
    .join(Source, Source.id == Record.source_id)
    .join(Institution, Institution.id == Record.institution_id)
    .outerjoin(EditedRecord, EditedRecord.record_number == Record.number)
)


def _own_source(session: Session, institution_id: UUID) -> ImportTarget:
    """Open the source of an institution's own records, and make it at first use."""
    if is_sandbox(session, institution_id):
        raise Refused("SANDBOX_WITHOUT_CATALOGUE")
    code = session.scalars(select(Institution.code).where(Institution.id == institution_id)).one()
    source = f"{HERE}:{code}"
    row = {"id": new_id(), "institution_id": institution_id, "code": source, "owner": HERE}
    insert_ignore(session, Source, [row], key=("code",))
    return open_target(session, source=source, institution=code)


def _write(session: Session, target: ImportTarget, change: RecordChange, *, context: Context) -> None:
    change.incoming.items = []  # fields of items are content like others here
    write_changes(
        session, target, Decision(touched=[change]), run=0, sequence=change.version, at=clock.now(), context=context,
        act=f"record:{change.row.id}", keeps_items=True,
    )  # fmt: skip


def _add_version(session: Session, row: Any, *, act: str, after: bytes, version: int, context: Context) -> None:
    versions = history.begin(row.history, row.marc, version=content_version(row), at=row.updated_at)
    added = history.add(
        versions, version=version, at=clock.now(), actor=context.actor, act=act, before=row.marc, after=after
    )
    imported = row.imported
    if imported is None:  # a deleted record has the fingerprint of a tombstone
        imported = row.fingerprint if row.deleted_at is None else Marc.unpack(row.marc).fingerprint()
    _keep_history(session, row.number, row.institution_id, added, imported=imported)


def _keep_history(session: Session, number: int, institution_id: UUID, versions: bytes, *, imported: bytes) -> None:
    row = {"record_number": number, "institution_id": institution_id, "history": versions, "imported": imported}
    statement = insert_for(session, EditedRecord).values(row)
    session.execute(statement.on_conflict_do_update(index_elements=["record_number"], set_={"history": versions}))


def refuse_outdated(row: Any, version: int, marc: Marc | None = None) -> None:
    """Refuse a version before that of the present content, or after the newest.

    marc    what the caller saves: without a history, the fields that differ from it are those that changed
    raises  Outdated  VERSION_OUTDATED
    """
    if content_version(row) <= version <= row.version:
        return
    changed = history.tags_changed_since(row.history, row.marc, version)
    if marc is not None and not history.has_versions(row.history, row.marc):
        changed = sorted({difference.tag for difference in history.differences_of(Marc.unpack(row.marc), marc)})
    raise Outdated.at_version(row.version, given=version, changed=changed, changed_at=row.updated_at)


def content_version(row: Any) -> int:
    """Return the version that the present content has; an import of an older release wrote no marc_version."""
    is_known = row.history in (None, b"[]") or history.has_versions(row.history, row.marc)
    version: int = (is_known and row.marc_version) or row.version
    return version
