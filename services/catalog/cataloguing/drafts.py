"""Drafts: what an account has typed in the form of a record, kept on the server until the record is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import Invalid, NotFound
from chassis.ids import parse_id
from services.catalog.items.edits import find_record
from services.catalog.tables import Draft

NEW = "new"  # the place of the draft of a new record
MOST_DRAFTS = 20  # of an account; the oldest goes
LONGEST_BYTES = 65_536
LONGEST_TITLE = 500
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SavedDraft:
    """A draft. place: id of the record, or NEW; values: by the names of the form, none in a list."""

    place: str
    title: str
    saved_at: datetime
    values: Mapping[str, str] = field(default_factory=dict)


def save_draft(session: Session, place: str, *, title: str, values: Mapping[str, str], context: Context) -> SavedDraft:
    """Store a draft of the caller in place of the one of the same record; drafts beyond the limits go.

    raises  NotFound  RECORD_UNKNOWN
            Gone      RECORD_DELETED
            Invalid   DRAFT_TOO_LARGE
    """
    content, institution_id, now = orjson.dumps(dict(values)), parse_id(context.institution), clock.now()
    if len(content) > LONGEST_BYTES:
        raise Invalid("DRAFT_TOO_LARGE", bytes=len(content), most=LONGEST_BYTES)
    if place != NEW:
        place = str(find_record(session, place, institution_id).record_id)
    row: dict[str, Any] = {"institution_id": institution_id, "title": title[:LONGEST_TITLE], "content": content}
    row["saved_at"] = now
    statement = insert_for(session, Draft).values(account=context.actor, place=place, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["account", "place"], set_=row))
    session.execute(delete(Draft).where(Draft.institution_id == institution_id, Draft.saved_at < now - KEPT))
    newest = select(Draft.place).where(*_own(context)).order_by(Draft.saved_at.desc(), Draft.place)
    surplus = session.scalars(newest.offset(MOST_DRAFTS)).all()
    if surplus:
        session.execute(delete(Draft).where(*_own(context), Draft.place.in_(surplus)))
    return SavedDraft(place, title, now, values)


def get_draft(session: Session, place: str, *, context: Context) -> SavedDraft:
    """Return a draft of the caller.

    raises  NotFound  DRAFT_NOT_FOUND
    """
    row = session.scalars(select(Draft).where(*_own(context), Draft.place == place.lower())).first()
    if row is None:
        raise NotFound("DRAFT_NOT_FOUND", place=place[:64])
    return SavedDraft(row.place, row.title, row.saved_at, orjson.loads(row.content))


def list_drafts(session: Session, *, context: Context) -> list[SavedDraft]:
    """Return the drafts of the caller without values, the last saved first."""
    columns = select(Draft.place, Draft.title, Draft.saved_at).where(*_own(context))
    rows = session.execute(columns.order_by(Draft.saved_at.desc(), Draft.place))
    return [SavedDraft(row.place, row.title, row.saved_at) for row in rows]


def delete_draft(session: Session, place: str, *, context: Context) -> None:
    """Delete a draft of the caller, if there is one."""
    session.execute(delete(Draft).where(*_own(context), Draft.place == place.lower()))


def _own(context: Context) -> list[Any]:
    """Return the conditions of the drafts that the caller still has."""
    of_institution = Draft.institution_id == parse_id(context.institution)
    return [of_institution, Draft.account == context.actor, Draft.saved_at >= clock.now() - KEPT]
