"""Each list, read from a place towards its end or its head."""

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
    """An entry: (sort, tie) is its place. record: number of the one record, of titles and call numbers; else 0."""

    sort: str
    tie: str
    text: str
    record: int = 0


def read(session: Session, place: Position, limit: int) -> list[Row]:
    """At most `limit` entries from a place on, in the direction it says, the nearest first."""
    if place.kind == "title":
        return _titles(session, place, limit)
    if place.kind == "call_number":
        return _call_numbers(session, place, limit)
    return _headings(session, place, limit)


def see(session: Session, kind: str, rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    """(sort, text) of a form that is not to be used -> the headings that stand for it."""
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
    """(sort, text) of a heading -> the headings that its authority record relates it to."""
    of = (
        select(AuthorityForm.authority_number, AuthorityForm.sort, AuthorityForm.text)
        .where(*_forms(kind, "heading", rows))
        .subquery()
    )
    statement = (
        select(of.c.sort, of.c.text, AuthorityForm.text)
        .join(of, of.c.authority_number == AuthorityForm.authority_number)
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


def _titles(session: Session, place: Position, limit: int) -> list[Row]:
    number = int(place.tie) if place.tie.isascii() and place.tie.isdigit() and len(place.tie) < 19 else 0
    asked = select(Record.title_sort, Record.number).where(Record.title_sort != "", Record.deleted_at.is_(None))
    asked = _from(asked, place, (Record.title_sort, Record.number), (place.sort, number), limit)
    return [Row(sort, str(number), "", number) for sort, number in session.execute(asked)]


def _headings(session: Session, place: Position, limit: int) -> list[Row]:
    """Forms that records use, and those that authority records refer from."""
    at = (place.sort, place.tie)
    used = select(Heading.sort, Heading.text).where(Heading.kind == place.kind)
    used = _from(used, place, (Heading.sort, Heading.text), at, limit)
    referred = select(AuthorityForm.sort, AuthorityForm.text).where(
        AuthorityForm.kind == place.kind, AuthorityForm.relation == "see"
    )
    referred = _from(referred.distinct(), place, (AuthorityForm.sort, AuthorityForm.text), at, limit)
    both = merge(
        [(sort, text) for sort, text in session.execute(used)],
        [(sort, text) for sort, text in session.execute(referred)],
        reverse=place.back,
    )
    return [Row(sort, text, text) for sort, text in islice(dict.fromkeys(both), limit)]


def _call_numbers(session: Session, place: Position, limit: int) -> list[Row]:
    """Branch by branch, as the index on shelves stands, and then merged."""
    branches = session.scalars(select(Branch.id).order_by(Branch.id)).all()
    number = int(place.tie) if place.tie.isascii() and place.tie.isdigit() and len(place.tie) < 19 else 0
    values: set[tuple[str, int, str]] = set()
    for at in range(0, len(branches), BRANCHES_AT_ONCE):
        parts = []
        for branch_id in branches[at : at + BRANCHES_AT_ONCE]:
            asked = select(Item.call_sort, Item.record_number, func.min(Item.call_number)).where(
                Item.branch_id == branch_id, Item.call_sort != "", Item.status != "withdrawn"
            )
            asked = asked.group_by(Item.call_sort, Item.record_number)
            asked = _from(asked, place, (Item.call_sort, Item.record_number), (place.sort, number), limit)
            parts.append(select(asked.subquery()))
        values.update((sort, record, said) for sort, record, said in session.execute(union_all(*parts)))
    rows: dict[tuple[str, int], Row] = {}
    for sort, record, said in sorted(values, reverse=place.back):
        rows.setdefault((sort, record), Row(sort, str(record), said, record))
    return list(rows.values())[:limit]


def _from(
    asked: Select[*Columns], place: Position, columns: tuple[Any, Any], at: tuple[Any, Any], limit: int
) -> Select[*Columns]:
    """The entries on the side of the place that it looks to, nearest first."""
    entry, there = tuple_(*columns), tuple_(*at)
    if place.back:
        return asked.where(entry < there).order_by(*(column.desc() for column in columns)).limit(limit)
    return asked.where(entry > there if place.past else entry >= there).order_by(*columns).limit(limit)
