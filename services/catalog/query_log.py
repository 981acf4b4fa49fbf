"""The query log: queries, their hits and opened hits, without any data about the reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session, aliased

from chassis.errors import Invalid
from services.catalog.analysis import isbn13
from services.catalog.tables import Search
from services.catalog.tables.operations import MOST_CHARACTERS

MOST_ENTRIES = 1_000
LANGUAGES = ("id", "en")
HIDDEN = "…"
_LARGEST = 2**31 - 1
_MAIL = re.compile(r"[^\s@]+@[^\s@]+")
# Ten digits or more, with any separators: a NIK has 16, a telephone number 10 to 13.
_DIGITS = re.compile(r"\+?\d(?:[\s.\-–—()/]*\d){9,}[xX]?")


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One search. day: ISO 8601, UTC; total: hits; clicked: rank of the hit opened, from 1, 0 for none."""

    day: str
    query: str
    total: int
    clicked: int
    language: str


def log_searches(session: Session, searches: Sequence[SearchEntry]) -> int:
    """Store searches; removes what may be personal data, and skips empty queries.

    returns  the number of stored searches
    raises   Invalid  SEARCHES_OUT_OF_BOUNDS more than 1,000, or an invalid day or language
    """
    if len(searches) > MOST_ENTRIES or not all(_is_valid(entry) for entry in searches):
        raise Invalid("SEARCHES_OUT_OF_BOUNDS", most=MOST_ENTRIES)
    rows = [
        {
            "day": entry.day,
            "query": text,
            "total": min(entry.total, _LARGEST),
            "clicked": min(entry.clicked, _LARGEST),
            "language": entry.language,
        }
        for entry in searches
        if (text := strip_personal_data(entry.query, has_hits=entry.total > 0)) and text != HIDDEN
    ]
    if rows:
        session.execute(insert(Search), rows)
    return len(rows)


def strip_personal_data(text: str, *, has_hits: bool) -> str:
    """Return a query in single spaces and lower case, without e-mail addresses and numbers of persons.

    An ISBN with a valid check digit stays, and so does a single number that has hits: a barcode. Any other ten digits
    or more may be a NIK or a telephone number.
    """
    text = " ".join(text.lower().split())
    if not (has_hits and _DIGITS.fullmatch(text)):
        text = _DIGITS.sub(lambda number: number.group() if isbn13(number.group()) else HIDDEN, text)
    return _MAIL.sub(HIDDEN, text)[:MOST_CHARACTERS]


def _is_valid(entry: SearchEntry) -> bool:
    try:
        return date.fromisoformat(entry.day).isoformat() == entry.day and entry.language in LANGUAGES
    except ValueError:
        return False


class QueryReport(NamedTuple):
    """The searches of one query.

    searches  number of searches
    failed    number of searches without hits
    total     hits of the last search
    opened    how often one of its hits was opened
    rank      mean rank of the opened hits, one decimal; None without any
    last      the last day
    """

    query: str
    searches: int
    failed: int
    total: int
    opened: int
    rank: float | None
    last: str


def report_searches(session: Session, *, since: str, failed: bool, limit: int) -> list[QueryReport]:
    """Report the queries, the most frequent first, then by the query.

    since   first day, ISO 8601
    failed  only queries whose last search had no hits
    """
    is_search = Search.clicked == 0
    latest = (
        select(Search.query, func.max(Search.number).label("number"))
        .where(Search.day >= since, is_search)
        .group_by(Search.query)
        .subquery()
    )
    last = aliased(Search)
    searches = func.count().filter(is_search)
    statement = (
        select(
            Search.query,
            searches,
            func.count().filter(is_search, Search.total == 0),
            last.total,
            func.count().filter(~is_search),
            func.avg(Search.clicked).filter(~is_search),
            func.max(Search.day),
        )
        .join(latest, latest.c.query == Search.query)
        .join(last, last.number == latest.c.number)
        .where(Search.day >= since)
        .group_by(Search.query, last.total)
        .order_by(searches.desc(), Search.query)
        .limit(limit)
    )
    if failed:
        statement = statement.where(last.total == 0)
    return [
        QueryReport(query, times, none, total, opened, None if rank is None else round(float(rank), 1), day)
        for query, times, none, total, opened, rank, day in session.execute(statement)
    ]


def forget_searches(session: Session, *, before: str) -> None:
    """Delete the searches of the days before this one (ISO 8601)."""
    session.execute(delete(Search).where(Search.day < before))
