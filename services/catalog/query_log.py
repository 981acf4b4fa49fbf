"""The query log: queries, their hits and opened hits, without any data about the reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session, aliased

from chassis import clock
from chassis.errors import Invalid
from chassis.redaction import HIDDEN, hide_spelt_mail
from services.catalog.analysis import isbn13
from services.catalog.tables import Search
from services.catalog.tables.operations import MOST_CHARACTERS

MOST_ENTRIES = 1_000  # of one call
LONGEST_QUERY = MOST_CHARACTERS  # of one entry
LONGEST_TEXT = 100  # of a stored query
# Anyone may send thousands of searches an hour. Searches over this bound are counted, not stored.
MOST_ROWS_A_DAY = 20_000
# The gateway repeats a batch until the catalogue answers, and the gateway's clock may be a little ahead.
OLDEST_DAYS, LATEST_DAYS = 30, 1
LANGUAGES = ("id", "en")
# Query of the row of a day that counts, in `total`, the searches over MOST_ROWS_A_DAY.
OVER_BOUND = ""
_LARGEST = 2**31 - 1
_MAIL = re.compile(r"[^\s@]+ ?@ ?[^\s@]+")
# Ten digits or more, with any separators: a NIK has 16, a telephone number 10 to 13.
_DIGITS = re.compile(r"\+?\d(?:[\W_]{0,8}\d){9,}[xX]?")
_BARCODE = re.compile(r"\d[\d.-]{9,}")
_YEARS = re.compile(r"(?:1[5-9]|20)[0-9]{2}(?:[\W_]+(?:1[5-9]|20)[0-9]{2})*")
# Stands for a removed character, so that the text keeps its length until it is cut.
_REMOVED = "\0"
# The number of a member's card. Some are also ISBN-10 of English books; these are removed if typed without hyphens.
_CARD = re.compile(r"1\d{9,11}")


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One search. day: ISO 8601, UTC; total: hits; clicked: rank of the hit opened, from 1, 0 for none."""

    day: str
    query: str
    total: int
    clicked: int
    language: str


def log_searches(session: Session, searches: Sequence[SearchEntry]) -> int:
    """Store searches without possible personal data; skips empty queries.

    Searches over MOST_ROWS_A_DAY are only counted. Processes that store at the same time do not see each other's rows,
    so a day may have MOST_ENTRIES more for each process.

    returns  the number of stored searches
    raises   Invalid  SEARCHES_OUT_OF_BOUNDS more than 1,000, a query over 500 characters, or an invalid day or language
    """
    if len(searches) > MOST_ENTRIES or not all(_is_valid(entry) for entry in searches):
        raise Invalid("SEARCHES_OUT_OF_BOUNDS", most=MOST_ENTRIES, longest=LONGEST_QUERY)
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
    stored = 0
    for day in sorted({entry.day for entry in searches}):
        rows_of_day = [row for row in rows if row["day"] == day]
        rows_to_store = rows_of_day[: max(0, MOST_ROWS_A_DAY - _rows_of(session, day))]
        if rows_to_store:
            session.execute(insert(Search), rows_to_store)
        if len(rows_to_store) < len(rows_of_day):
            _add_over_bound(session, day, len(rows_of_day) - len(rows_to_store))
        stored += len(rows_to_store)
    return stored


def _rows_of(session: Session, day: str) -> int:
    return session.scalar(select(func.count()).select_from(Search).where(Search.day == day)) or 0


def _add_over_bound(session: Session, day: str, searches: int) -> None:
    is_count = (Search.day == day, Search.query == OVER_BOUND)
    number = session.scalar(select(func.min(Search.number)).where(*is_count))
    if number is None:
        row = {"day": day, "query": OVER_BOUND, "total": searches, "clicked": 0, "language": LANGUAGES[0]}
        session.execute(insert(Search), [row])
        return
    session.execute(update(Search).where(Search.number == number).values(total=Search.total + searches))


def strip_personal_data(text: str, *, has_hits: bool) -> str:
    """Return a query of at most 100 characters, in lower case with single spaces, without personal data.

    E-mail addresses are removed. ISBNs with a valid check digit and years stay, and so does a query that is one number
    and has hits, because it is a barcode. Other sequences of ten digits or more are removed: they may be a NIK, a card
    number or a telephone number. The text is cut before, because the time of the regular expressions may grow with the
    square of the length, and again afterwards, because half an address or number is not recognised.
    """
    text = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).lower().split())[: 2 * LONGEST_TEXT]
    if not (has_hits and _BARCODE.fullmatch(text)):
        text = _DIGITS.sub(lambda number: number.group() if _is_public(number.group()) else _remove(number), text)
    if "@" in text:
        text = _MAIL.sub(_remove, text)
    text = hide_spelt_mail(text, _remove)
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT].rpartition(" ")[0]
    return re.sub(f"{_REMOVED}+", HIDDEN, text)


def _remove(found: re.Match[str]) -> str:
    return _REMOVED * len(found.group())


def _is_public(numbers: str) -> bool:
    """Return whether a sequence of digits is an ISBN, or ISBNs and years."""
    parts = [part.strip(",;") for part in numbers.split()]
    return _is_isbn(numbers) or all(_YEARS.fullmatch(part) or _is_isbn(part) for part in parts)


def _is_isbn(number: str) -> bool:
    return bool(isbn13(number)) and _CARD.fullmatch(number) is None


def _is_valid(entry: SearchEntry) -> bool:
    if len(entry.query) > LONGEST_QUERY or entry.language not in LANGUAGES:
        return False
    today = clock.now().date()
    try:
        day = date.fromisoformat(entry.day)
    except ValueError:
        return False
    return day.isoformat() == entry.day and today - timedelta(days=OLDEST_DAYS) <= day <= today + timedelta(
        days=LATEST_DAYS
    )


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
        .where(Search.day >= since, is_search, Search.query != OVER_BOUND)
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


def count_over_bound(session: Session, *, since: str) -> int:
    """Count the searches that were not stored because a day had MOST_ROWS_A_DAY rows. since: first day, ISO 8601."""
    statement = select(func.sum(Search.total)).where(Search.day >= since, Search.query == OVER_BOUND)
    return int(session.scalar(statement) or 0)


def forget_searches(session: Session, *, before: str) -> None:
    """Delete the searches of the days before `before`, ISO 8601."""
    session.execute(delete(Search).where(Search.day < before))
