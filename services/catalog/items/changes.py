"""What staff changed in an item, from the audit of its acts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.audit import acts
from chassis.branches import full_code
from chassis.context import Context
from chassis.cursors import read_cursor, write_cursor
from chassis.errors import Invalid
from services.catalog.items.edits import get_item
from services.catalog.tables import Branch, Institution, Record

USUALLY_LISTED, MOST_LISTED = 20, 100
# Facts of the acts -> names of the values. What else the facts have follows from these values.
_FIELDS = {
    **{name: name for name in ("barcode", "status", "collection", "room", "call_number")},
    "branch_id": "branch",
    "record_number": "record",
}


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An act of staff. act: "fast_add", "change_item" or "remove_item"; values: (field, before, after), "" for none."""

    made_at: datetime
    actor: str
    act: str
    values: list[tuple[str, str, str]]


def list_changes(
    session: Session, item_id: str, *, cursor: str, limit: int, context: Context
) -> tuple[list[ItemChange], str]:
    """Return what staff changed in an item of the caller's institution, the newest first, and the next cursor.

    raises  NotFound  ITEM_NOT_FOUND
            Invalid   LIMIT_OUT_OF_BOUNDS, CURSOR_INVALID
    """
    if not 0 <= limit <= MOST_LISTED:
        raise Invalid("LIMIT_OUT_OF_BOUNDS", limit=limit, most=MOST_LISTED)
    most = limit or USUALLY_LISTED
    item = get_item(session, item_id, context=context)
    statement = select(acts.c.number, acts.c.at, acts.c.actor, acts.c.act, acts.c.facts).where(
        acts.c.kind == "item", acts.c.object == str(item.id), acts.c.institution == context.institution
    )
    if cursor:
        statement = statement.where(acts.c.number < read_cursor(cursor, "item_changes", int)[0])
    rows = session.execute(statement.order_by(acts.c.number.desc()).limit(most + 1)).all()
    following = write_cursor("item_changes", rows[most - 1].number) if len(rows) > most else ""
    facts = [orjson.loads(row.facts) for row in rows[:most]]
    names = {"branch": _branches(session, facts), "record": _records(session, facts)}
    return [
        ItemChange(row.at, row.actor, row.act.removeprefix("catalog."), _values(row_facts, names))
        for row, row_facts in zip(rows, facts, strict=False)
    ], following


def _values(facts: dict[str, Any], names: dict[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    values = []
    for name, field in _FIELDS.items():
        pair = facts.get(name)
        if isinstance(pair, list):
            # An absent value was written as text.
            before, after = ("" if text == "None" else text for text in pair)
            if field in names:
                before, after = (names[field].get(text, "") for text in (before, after))
            values.append((field, before, after))
    if "reason" in facts:
        values.append(("reason", "", str(facts["reason"])))
    return values


def _branches(session: Session, facts: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return branch id -> full code of the branches that facts name."""
    ids = {UUID(text) for fact in facts for text in fact.get("branch_id", ())}
    query = select(Branch.id, Institution.code, Branch.code).join(Institution).where(Branch.id.in_(ids))
    return {str(branch_id): full_code(*codes) for branch_id, *codes in session.execute(query)} if ids else {}


def _records(session: Session, facts: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return record number -> record id of the records that facts name."""
    numbers = {int(text) for fact in facts for text in fact.get("record_number", ())}
    query = select(Record.number, Record.id).where(Record.number.in_(numbers))
    return {str(number): str(record_id) for number, record_id in session.execute(query)} if numbers else {}
