"""Looks for the records of an ISBN, each ready to be copied: in the institution, at others, and in outside sources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid, Unavailable
from chassis.http.outgoing import OutgoingClient
from chassis.ids import parse_id
from chassis.sentences import LocalText
from services.catalog import queries
from services.catalog.analysis import isbn13
from services.catalog.analysis.folding import tokens
from services.catalog.cataloguing.lookup.copies import copy_of
from services.catalog.cataloguing.lookup.outside_sources import SECONDS, Sources, ask_sources
from services.catalog.cataloguing.records import read_marc
from services.catalog.index.matches import Keyword
from services.catalog.index.port import Index, Request
from services.catalog.marc import marcjson
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.record.brief import all_isbns, brief
from services.catalog.record.headings import title_of
from services.catalog.tables import Institution, Record

MOST_MATCHES = 10  # of each kind
MOST_READ = 50
LONGEST_COPY = 100_000  # bytes of MARC-in-JSON
# Fields that a cataloguer would have to write without a copy.
_WRITTEN = frozenset({
    "041", "082", "100", "110", "111", "250", "260", "264", "300", "490", "500", "504", "505", "520", "521", "546",
    "600", "610", "650", "651", "655", "700", "710", "830",
})  # fmt: skip
_KNOWN_LANGUAGES = frozenset({"ind", "may", "eng"})
_KNOWN_LANGUAGE_WORTH = 5  # fields
_BRIEF_LEVELS = "35678uz"  # leader position 17
_DIGITS = re.compile(r"[^0-9Xx]")


@dataclass(frozen=True, slots=True)
class Library:
    """Where records come from: an institution of the catalogue or an outside source."""

    code: str
    name: LocalText


@dataclass(frozen=True, slots=True)
class Found:
    """A record that a library has. agency: code of the library in control numbers; language: in which it catalogues."""

    library: Library
    record: Marc
    agency: str
    language: str
    id: UUID | None = None
    holdings: bytes = b"[]"


@dataclass(slots=True)
class Match:
    """A record with the ISBN. marc: what a copy has, as MARC-in-JSON; also_in: other libraries with this title."""

    library: Library
    brief: bytes
    marc: bytes
    record_id: UUID | None = None
    holdings: bytes = b"[]"
    also_in: list[Library] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Matches:
    """The records of an ISBN. silent: outside sources without an answer."""

    isbn: str
    here: list[Match]
    elsewhere: list[Match]
    outside: list[Match]
    silent: list[Library]


def look_up(
    database: Database,
    index: Index,
    text: str,
    *,
    sources: Sources,
    client: OutgoingClient,
    seconds: float = SECONDS,
    context: Context,
) -> Matches:
    """Look for an ISBN, in each place the fullest records first; outside the institution, the best one of each title.

    text             as scanned or typed: ten or thirteen digits, with or without hyphens
    sources, client  asked without a transaction, for so many seconds
    raises           Invalid  ISBN_INVALID, ISBN_CHECK_DIGIT_WRONG
    """
    isbn = _read_isbn(text)
    with database.reading(context) as session:
        own = session.scalars(select(Institution).where(Institution.id == parse_id(context.institution))).one()
        found = _find(session, index, isbn)
    copied_by = own.isil or own.code
    answers, silent = ask_sources(sources, isbn, client, seconds=seconds)
    outside = [
        Found(_library(code, sources), record, sources[code].agency, sources[code].language) for code, record in answers
    ]
    return Matches(
        isbn=isbn,
        here=_ranked([record for record in found if record.library.code == own.code], isbn, copied_by, merges=False),
        elsewhere=_ranked(
            [record for record in found if record.library.code != own.code], isbn, copied_by, merges=True
        ),
        outside=_ranked(outside, isbn, copied_by, merges=True),
        silent=[_library(code, sources) for code in silent],
    )


def copy_of_record(session: Session, record_id: UUID, *, context: Context) -> bytes:
    """Return what a copy of a record of the catalogue has, as MARC-in-JSON.

    raises  NotFound  RECORD_NOT_FOUND
            Gone      RECORD_DELETED
            Invalid   a reason of records.read_marc: it cannot be copied
    """
    own = session.scalars(select(Institution).where(Institution.id == parse_id(context.institution))).one()
    record = queries.record(session, record_id)
    isil = session.scalar(select(Institution.isil).where(Institution.code == record.institution))
    marc = copy_of(Marc.unpack(record.marc), agency=isil or record.institution, copied_by=own.isil or own.code)
    copy = marcjson.encode(marc)
    read_marc(copy)
    return copy


def _library(code: str, sources: Sources) -> Library:
    return Library(code, LocalText(sources[code].name, sources[code].name))


def _read_isbn(text: str) -> str:
    isbn = isbn13(text)
    if isbn is None:
        digits = _DIGITS.sub("", text)
        is_mistyped = len(digits) == 10 or (len(digits) == 13 and digits[:3] in ("978", "979"))
        raise Invalid("ISBN_CHECK_DIGIT_WRONG" if is_mistyped else "ISBN_INVALID", isbn=text[:40])
    return isbn


def _find(session: Session, index: Index, isbn: str) -> list[Found]:
    """Find records of the catalogue. Without the search engine, those whose first ISBN it is."""
    numbers: Iterable[int] = ()
    with suppress(Unavailable):
        numbers = index.search(Request(Keyword("isbn", (isbn,)), sort="title", limit=MOST_READ)).numbers
    statement = queries.select_records().add_columns(Institution.name_id, Institution.name_en, Institution.isil)
    has_number = or_(Record.standard_number == int(isbn), Record.number.in_(numbers))
    rows = session.execute(statement.where(has_number).order_by(Record.number).limit(MOST_READ))
    return [_found(row) for row in rows]


def _found(row: Any) -> Found:
    library = Library(row.institution, LocalText(row.name_id, row.name_en))
    return Found(library, Marc.unpack(row.marc), row.isil or row.institution, "ind", row.id, row.holdings)


def _ranked(found: Iterable[Found], isbn: str, copied_by: str, *, merges: bool) -> list[Match]:
    """Return matches, the best first; records without the ISBN and those that could not be saved are left out.

    merges  the best record stands for all with its title
    """
    matches: dict[Any, Match] = {}
    for hit in sorted(found, key=_worth, reverse=True):
        tags = by_tag(hit.record.fields)
        key = " ".join(tokens(title_of(tags)[0])) if merges else hit.id
        if isbn not in all_isbns(tags):
            continue
        if key in matches:
            if hit.library not in (matches[key].library, *matches[key].also_in):
                matches[key].also_in.append(hit.library)
        elif len(matches) < MOST_MATCHES and (copy := _copy(hit, copied_by)):
            shown = orjson.dumps(brief(hit.record, institution=hit.library.code if hit.id else ""))
            matches[key] = Match(hit.library, shown, copy, hit.id, hit.holdings)
    return list(matches.values())


def _worth(found: Found) -> int:
    """Return how much work a copy saves."""
    languages = found.record.values("040", "b")
    worth = len(_WRITTEN & {field[0] for field in found.record.fields})
    worth += _KNOWN_LANGUAGE_WORTH * ((languages[0] if languages else found.language) in _KNOWN_LANGUAGES)
    return worth - (found.record.leader[17] in _BRIEF_LEVELS)


def _copy(found: Found, copied_by: str) -> bytes:
    """Return the copy of a record; empty for one that is too long, has no title, or is not bibliographic MARC 21."""
    copy = marcjson.encode(copy_of(found.record, agency=found.agency, copied_by=copied_by))
    try:
        read_marc(copy)
    except Invalid:
        return b""
    return copy if len(copy) <= LONGEST_COPY else b""
