"""Corrections of entries of the accession register. The number of an entry never changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.errors import Invalid, NotFound, Outdated
from chassis.ids import parse_id, parse_or_nil
from services.catalog.cataloguing.items import Acquisition, read_acquisition
from services.catalog.items.branches import find_branch
from services.catalog.items.item_values import LONGEST, read_text
from services.catalog.tables import Accession, AccessionCorrection, Branch, Institution

FACTS = ("source", "acquired_on", "fund", "supplier", "document", "amount", "currency", "asset_code")


def correct_entry(
    session: Session,
    entry_id: str,
    version: int,
    *,
    changes: dict[str, Any],
    branch: str | None = None,
    reason: str,
    context: Context,
) -> None:
    """Correct facts of an entry; the entry keeps what it was before, with the reason.

    version  the version that the caller has read
    changes  new values of FACTS; amount None for an unknown price
    branch   full code of the branch at which the item was entered; None does not change it
    raises   NotFound  ACCESSION_NOT_FOUND
             Outdated  VERSION_OUTDATED
             Invalid   ITEM_TEXT_INVALID, ACQUISITION_SOURCE_UNKNOWN, ACQUISITION_INVALID, BRANCH_UNKNOWN
    """
    institution = session.get_one(Institution, parse_id(context.institution))
    of_entry = (Accession.item_id == parse_or_nil(entry_id), Accession.institution_id == institution.id)
    row = session.execute(select(Accession.__table__).where(*of_entry).with_for_update()).first()
    if row is None:
        raise NotFound("ACCESSION_NOT_FOUND", accession=entry_id[:64])
    if row.version != version:
        raise _outdated(session, row, version)
    reason, now = read_text(reason, "reason"), clock.now()
    if not reason:
        raise Invalid("ITEM_TEXT_INVALID", field="reason", most=LONGEST["reason"])
    given = replace(Acquisition(**{name: row._mapping[name] for name in FACTS}), **changes)
    values = read_acquisition(given, now.astimezone(ZoneInfo(institution.zone)).date())
    values["branch_id"] = row.branch_id if branch is None else find_branch(session, branch, institution.id)
    changed = {name: [row._mapping[name], value] for name, value in values.items() if value != row._mapping[name]}
    if not changed:
        return
    corrected = update(Accession).where(*of_entry).values(**values, version=version + 1)
    session.execute(corrected.execution_options(synchronize_session=False))
    facts = {name: [_text(value) for value in pair] for name, pair in changed.items()}
    if "branch_id" in changed:
        facts["branch"] = [_branch(session, institution.code, branch_id) for branch_id in changed["branch_id"]]
        del facts["branch_id"]
    correction = {"item_id": row.item_id, "institution_id": institution.id, "version": version + 1, "reason": reason}
    correction |= {"corrected_at": now, "actor": context.actor, "changes": orjson.dumps(facts).decode()}
    session.execute(insert(AccessionCorrection), [correction])
    audited = {"number": row.number, "reason": reason, **facts}
    audit.record(session, context, "catalog.correct_accession", kind="item", object_id=row.item_id, facts=audited)


def _outdated(session: Session, row: Any, version: int) -> Outdated:
    of_entry = select(AccessionCorrection).where(AccessionCorrection.item_id == row.item_id)
    later = session.scalars(of_entry.where(AccessionCorrection.version > version)).all()
    facts = sorted({fact for correction in later for fact in orjson.loads(correction.changes)})
    changed_at = max((correction.corrected_at for correction in later), default=clock.now())
    return Outdated.at_version(row.version, given=version, changed=facts, changed_at=changed_at)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _branch(session: Session, institution: str, branch_id: UUID | None) -> str:
    code = session.scalar(select(Branch.code).where(Branch.id == branch_id))
    return full_code(institution, code) if code else ""
