"""Queries of the lists, from a position forwards or backwards."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, TypeVarTuple

from sqlalchemy import ColumnElement, Select, func, select, tuple_, union_all
from sqlalchemy.orm import Session

from services.catalog.browse.positions import Position
from services.catalog.tables import Authority, AuthorityForm, Branch, Heading, Item, Record

Columns = TypeVarTuple("Columns")

BRANCHES_AT_ONCE = 50  # SELECTs in one statement


class Row(NamedTuple):
    """An entry at (sort, tie). record: number of its record, for titles and call numbers; else 0."""

    sort: str
    tie: str
    text: str
    record: int = 0


def read(session: Session, position: Position, limit: int) -> list[Row]:
    """Read at most `limit` entries from a position, in its direction, the nearest first."""
    if position.kind == "title":
        return _titles(session, position, limit)
    if position.kind == "call_number":
        return _call_numbers(session, position, limit)
    return _headings(session, position, limit)


def see(session: Session, kind: str, rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    """Return (sort, text) of an unused form -> the headings to use instead."""
    statement = (
        select(AuthorityForm.sort, AuthorityForm.text, Authority.heading)
        .join(Authority, Authority.number == AuthorityForm.authority_number)
        .where(*_forms(kind, "see", rows))
        .order_by(Authority.heading)
    )
    values: dict[tuple[str, str], list[str]] = {}
    for sort, text, heading in session.execute(statement):
        if heading != text and heading not in (listed := values.setdefault((sort, text), [])):
            listed.append(heading)
    return values


def see_also(session: Session, kind: str, rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    """Return (sort, text) of a heading -> the related headings of its authority record."""
    forms = (
        select(AuthorityForm.authority_number, AuthorityForm.sort, AuthorityForm.text)
        .where(*_forms(kind, "heading", rows))
        .subquery()
    )
    statement = (
        select(forms.c.sort, forms.c.text, AuthorityForm.text)
        .join(forms, forms.c.authority_number == AuthorityForm.authority_number)
        .where(AuthorityForm.relation == "see_also")
        .order_by(AuthorityForm.sort)
    )
    also: dict[tuple[str, str], list[str]] = {}
    for sort, text, related in session.execute(statement):
        if related not in (listed := also.setdefault((sort, text), [])):
            listed.append(related)
    return also


def _forms(kind: str, relation: str, rows: Sequence[Row]) -> tuple[ColumnElement[bool], ...]:
    return (
        AuthorityForm.kind == kind,
        AuthorityForm.relation == relation,
        AuthorityForm.sort.in_({row.sort for row in rows}),
    )


def _titles(session: Session, position: Position, limit: int) -> list[Row]:
    number = int(position.tie) if position.tie.isascii() and position.tie.isdigit() and len(position.tie) < 19 else 0
    statement = select(Record.title_sort, Record.number).where(Record.title_sort != "", Record.deleted_at.is_(None))
    statement = _from(statement, position, (Record.title_sort, Record.number), (position.sort, number), limit)
    return [Row(sort, str(number), "", number) for sort, number in session.execute(statement)]


def _headings(session: Session, position: Position, limit: int) -> list[Row]:
    """Read forms that records use, and the unused forms of authority records."""
    start = (position.sort, position.tie)
    used = select(Heading.sort, Heading.text).where(Heading.kind == position.kind)
    used = _from(used, position, (Heading.sort, Heading.text), start, limit)
    referred = select(AuthorityForm.sort, AuthorityForm.text).where(
        AuthorityForm.kind == position.kind, AuthorityForm.relation == "see"
    )
    referred = _from(referred.distinct(), position, (AuthorityForm.sort, AuthorityForm.text), start, limit)
    merged = merge(
        [(sort, text) for sort, text in session.execute(used)],
        [(sort, text) for sort, text in session.execute(referred)],
        reverse=position.back,
    )
    return [Row(sort, text, text) for sort, text in islice(dict.fromkeys(merged), limit)]


def _call_numbers(session: Session, position: Position, limit: int) -> list[Row]:
    """Read branch by branch, as the index of the table is sorted, and merge."""
    branches = session.scalars(select(Branch.id).order_by(Branch.id)).all()
    number = int(position.tie) if position.tie.isascii() and position.tie.isdigit() and len(position.tie) < 19 else 0
    values: set[tuple[str, int, str]] = set()
    for start in range(0, len(branches), BRANCHES_AT_ONCE):
        parts = []
        for branch_id in branches[start : start + BRANCHES_AT_ONCE]:
            statement = select(Item.call_sort, Item.record_number, func.min(Item.call_number)).where(
                Item.branch_id == branch_id, Item.call_sort != "", Item.status != "withdrawn"
            )
            statement = statement.group_by(Item.call_sort, Item.record_number)
            statement = _from(statement, position, (Item.call_sort, Item.record_number), (position.sort, number), limit)
            parts.append(select(statement.subquery()))
        values.update((sort, record, call_number) for sort, record, call_number in session.execute(union_all(*parts)))
    rows: dict[tuple[str, int], Row] = {}
    for sort, record, call_number in sorted(values, reverse=position.back):
        rows.setdefault((sort, record), Row(sort, str(record), call_number, record))
    return list(rows.values())[:limit]


def _from(
    statement: Select[*Columns], position: Position, columns: tuple[Any, Any], start: tuple[Any, Any], limit: int
) -> Select[*Columns]:
    """Restrict a statement to the entries from a position in its direction, nearest first."""
    entry, bound = tuple_(*columns), tuple_(*start)
    if position.back:
        return statement.where(entry < bound).order_by(*(column.desc() for column in columns)).limit(limit)
    return statement.where(entry > bound if position.past else entry >= bound).order_by(*columns).limit(limit)
