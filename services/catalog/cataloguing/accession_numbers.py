"""Accession numbers by the institution's pattern.

They come from a counter in the transaction of the act, so an act that fails leaves no gap and no number comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import Invalid, Outdated
from chassis.ids import new_id, parse_id
from services.catalog.items.barcodes import take_sequence
from services.catalog.items.item_values import LONGEST, read_text
from services.catalog.tables import Accession, AccessionGap, AccessionRules, Institution, ItemSequence

# How an item was acquired -> its mark in accession numbers: pembelian, hibah, tukar, titipan, terbitan sendiri.
SOURCES = {"purchase": "P", "gift": "H", "exchange": "T", "deposit": "TP", "own_publication": "TS"}
USUAL_PATTERN = "{seq:5}/{institution}/{source}/{year}"
LONGEST_PATTERN, LONGEST_NUMBER = 64, 100
MOST_SKIPPED = 1_000_000
_MOST_LOOKED_UP = 1_000
FARTHEST_FOLLOWED = 100_000  # from one imported number to the next
GIVEN_BEFORE = "given_before"  # the reason of a gap: an earlier pattern or an import has given the number
_FIELD = re.compile(r"\{(seq|institution|source|year)(?::([1-9]))?\}")


@dataclass(frozen=True, slots=True)
class Rules:
    """How an institution numbers its items. version: 0 before the first change."""

    version: int
    pattern: str


@dataclass(frozen=True, slots=True)
class AccessionNumber:
    """A number of the register; see tables.Accession."""

    number: str
    series: str
    sequence: int


def get_rules(session: Session, *, context: Context) -> Rules:
    """Return the rules of the caller's institution."""
    return _rules(session, parse_id(context.institution))


def put_rules(session: Session, pattern: str, *, version: int, context: Context) -> Rules:
    """Change the pattern of numbers that are given from now on.

    version  the version that the caller has read
    raises   Invalid   ACCESSION_PATTERN_INVALID, ACCESSION_NUMBER_TOO_LONG
             Outdated  VERSION_OUTDATED
    """
    institution_id = parse_id(context.institution)
    check_pattern(pattern)
    institution = session.get_one(Institution, institution_id)
    widest = write_number(pattern, sequence=10**9, institution=institution.code, source="deposit", year=9999)
    if len(widest) > LONGEST_NUMBER:
        raise Invalid("ACCESSION_NUMBER_TOO_LONG", number=widest, most=LONGEST_NUMBER)
    # The row exists afterwards, and stays locked until the end of the transaction.
    first = {"version": 0, "pattern": USUAL_PATTERN, "changed_at": clock.now()}
    insert = insert_for(session, AccessionRules).values(institution_id=institution_id, **first)
    keep = {"institution_id": institution_id}
    session.execute(insert.on_conflict_do_update(index_elements=["institution_id"], set_=keep))
    row = session.get_one(AccessionRules, institution_id)
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=["pattern"], changed_at=row.changed_at)
    if row.pattern != pattern:
        facts = {"pattern": [row.pattern, pattern]}
        row.pattern, row.version, row.changed_at = pattern, version + 1, clock.now()
        audit.record(
            session, context, "catalog.put_accession_rules", kind="institution", object_id=institution_id, facts=facts
        )
    return Rules(row.version, row.pattern)


def check_pattern(pattern: str) -> None:
    """Check a pattern: text with `{seq}`, and `{institution}`, `{source}` and `{year}` as wanted. `{seq:5}` is 00001.

    raises  Invalid  ACCESSION_PATTERN_INVALID
    """
    text = _FIELD.sub("", pattern)
    sequences = [match for match in _FIELD.finditer(pattern) if match[1] == "seq"]
    widths = [match for match in _FIELD.finditer(pattern) if match[2] and match[1] != "seq"]
    is_text = text.isprintable() and "{" not in text and "}" not in text and pattern == pattern.strip()
    if len(pattern) > LONGEST_PATTERN or len(sequences) != 1 or widths or not is_text:
        raise Invalid("ACCESSION_PATTERN_INVALID", given=pattern[:LONGEST_PATTERN], most=LONGEST_PATTERN)


def write_number(pattern: str, *, sequence: int, institution: str, source: str, year: int) -> str:
    """Write an accession number. source: one of SOURCES."""
    values = {"institution": institution, "source": SOURCES[source], "year": str(year)}

    def value_of(match: re.Match[str]) -> str:
        return str(sequence).zfill(int(match[2] or 1)) if match[1] == "seq" else values[match[1]]

    return _FIELD.sub(value_of, pattern)


def take_numbers(
    session: Session, institution: Institution, count: int, *, source: str, day: date, context: Context
) -> list[AccessionNumber]:
    """Take the next accession numbers of an institution; other acts wait for the end of this transaction.

    Numbers that an earlier pattern or an import has given are left out; each run of them is a gap of the register.

    day  of the entry in the register, whose year a pattern with {year} has
    """
    if not count:
        return []
    pattern = _rules(session, institution.id).pattern
    series = series_of(pattern, day)
    first = following = take_sequence(session, institution.id, f"accession:{series}", 0).start
    of_institution = select(Accession.number).where(Accession.institution_id == institution.id)
    numbers: list[AccessionNumber] = []
    run: list[AccessionNumber] = []  # taken, one after the other
    while len(numbers) < count:
        # The longer the run, the more is looked up at once.
        block = [
            AccessionNumber(
                write_number(pattern, sequence=sequence, institution=institution.code, source=source, year=day.year),
                series,
                sequence,
            )
            for sequence in range(following, following + max(count - len(numbers), min(2 * len(run), _MOST_LOOKED_UP)))
        ]
        written = [number.number for number in block]
        taken = set(session.scalars(of_institution.where(Accession.number.in_(written))))
        for number in block:
            if len(numbers) == count:
                break
            following = number.sequence + 1
            if number.number in taken:
                run.append(number)
                continue
            if run:
                ends = run[0], run[-1]
                enter_gap(session, institution, ends, reason=GIVEN_BEFORE, day=day, context=context)
                run = []
            numbers.append(number)
    take_sequence(session, institution.id, f"accession:{series}", following - first)
    return numbers


def skip_numbers(session: Session, count: int, *, source: str, reason: str, context: Context) -> AccessionGap:
    """Make the next numbers of the caller's institution void, with a reason.

    source  of the number, where the pattern has it; one of SOURCES
    raises  Invalid  ACCESSION_NUMBERS_OUT_OF_BOUNDS, ACQUISITION_SOURCE_UNKNOWN, ITEM_TEXT_INVALID
    """
    institution = session.get_one(Institution, parse_id(context.institution))
    if not 1 <= count <= MOST_SKIPPED:
        raise Invalid("ACCESSION_NUMBERS_OUT_OF_BOUNDS", given=count, most=MOST_SKIPPED)
    if source not in SOURCES:
        raise Invalid("ACQUISITION_SOURCE_UNKNOWN", given=source[:40], known=[*SOURCES])
    reason = read_text(reason, "reason")
    if not reason:
        raise Invalid("ITEM_TEXT_INVALID", field="reason", most=LONGEST["reason"])
    day = clock.now().astimezone(ZoneInfo(institution.zone)).date()
    pattern = _rules(session, institution.id).pattern
    series = series_of(pattern, day)
    sequences = take_sequence(session, institution.id, f"accession:{series}", count)
    first, last = (
        AccessionNumber(
            write_number(pattern, sequence=sequence, institution=institution.code, source=source, year=day.year),
            series,
            sequence,
        )
        for sequence in (sequences[0], sequences[-1])
    )
    return enter_gap(session, institution, (first, last), reason=reason, day=day, context=context)


def enter_gap(
    session: Session,
    institution: Institution,
    numbers: tuple[AccessionNumber, AccessionNumber],
    *,
    reason: str,
    day: date,
    context: Context,
) -> AccessionGap:
    """Enter numbers of a series that are not given, from the first to the last, into the register."""
    first, last = numbers
    gap = AccessionGap(
        id=new_id(), institution_id=institution.id, series=first.series, first=first.sequence, last=last.sequence,
        first_number=first.number, last_number=last.number, reason=reason, entered_on=day.isoformat(),
        actor=context.actor,
    )  # fmt: skip
    session.add(gap)
    session.flush()
    facts = {"numbers": [gap.first_number, gap.last_number], "count": gap.last - gap.first + 1, "reason": reason}
    audit.record(session, context, "catalog.skip_numbers", kind="institution", object_id=institution.id, facts=facts)
    return gap


def lock_series(session: Session, institution: Institution, day: date) -> None:
    """Let other acts that take numbers on this day wait for the end of this transaction."""
    take_sequence(session, institution.id, f"accession:{series_of(_rules(session, institution.id).pattern, day)}", 0)


def take_imported(
    session: Session, institution: Institution, numbers: Sequence[str], *, series: str
) -> list[AccessionNumber]:
    """Put numbers that items have already into a series of their own."""
    if not numbers:
        return []
    sequences = take_sequence(session, institution.id, f"accession:{series}", len(numbers))
    return [AccessionNumber(number, series, sequence) for number, sequence in zip(numbers, sequences, strict=True)]


def follow_imported(
    session: Session, institution: Institution, numbers: Iterable[str], *, day: date, context: Context
) -> list[str]:
    """Let the sequence go on after imported numbers that are written as the pattern writes them.

    The numbers that it leaves out are a gap of the register. Returns the numbers that are more than FARTHEST_FOLLOWED
    above those before them, perhaps typed wrongly: the sequence does not go on after them.
    """
    pattern = _rules(session, institution.id).pattern
    written = _expression(pattern, institution.code, day)
    matches = [(match, number) for number in numbers if (match := written.fullmatch(number)) is not None]
    if not matches:
        return []
    matches.sort(key=lambda pair: int(pair[0]["seq"]))
    name = f"accession:{series_of(pattern, day)}"
    before = take_sequence(session, institution.id, name, 0).start
    highest, followed = before - 1, 0
    for match, _ in matches:
        if int(match["seq"]) - highest > FARTHEST_FOLLOWED:
            break
        highest, followed = max(highest, int(match["seq"])), followed + 1
    not_followed = [number for _, number in matches[followed:]]
    if highest < before:
        return not_followed
    match, number = matches[followed - 1]
    take_sequence(session, institution.id, name, highest - before + 1)
    first = f"{number[: match.start('seq')]}{str(before).zfill(len(match['seq']))}{number[match.end('seq') :]}"
    series = series_of(pattern, day)
    ends = (AccessionNumber(first, series, before), AccessionNumber(number, series, highest))
    enter_gap(session, institution, ends, reason=GIVEN_BEFORE, day=day, context=context)
    return not_followed


def _expression(pattern: str, institution: str, day: date) -> re.Pattern[str]:
    """Return the expression of the numbers that a pattern writes in the series of a day."""
    sources = "|".join(sorted(SOURCES.values(), key=len, reverse=True))
    values = {"institution": re.escape(institution), "source": f"(?:{sources})", "year": str(day.year)}
    text, end = "", 0
    for field in _FIELD.finditer(pattern):
        text += re.escape(pattern[end : field.start()])
        text += "(?P<seq>[0-9]{1,9})" if field[1] == "seq" else values[field[1]]
        end = field.end()
    return re.compile(text + re.escape(pattern[end:]))


def next_number(session: Session, *, context: Context) -> str:
    """Return the number that the next bought item would get; another act may take it before."""
    institution = session.get_one(Institution, parse_id(context.institution))
    day = clock.now().astimezone(ZoneInfo(institution.zone)).date()
    pattern = _rules(session, institution.id).pattern
    of_series = (
        ItemSequence.institution_id == institution.id,
        ItemSequence.name == f"accession:{series_of(pattern, day)}",
    )
    last = session.scalar(select(ItemSequence.last).where(*of_series)) or 0
    return write_number(pattern, sequence=last + 1, institution=institution.code, source="purchase", year=day.year)


def series_of(pattern: str, day: date) -> str:
    """Return the series of the numbers that a pattern gives on a day."""
    return str(day.year) if "{year}" in pattern else ""


def _rules(session: Session, institution_id: UUID) -> Rules:
    row: Any = session.execute(
        select(AccessionRules.version, AccessionRules.pattern).where(AccessionRules.institution_id == institution_id)
    ).first()
    return Rules(0, USUAL_PATTERN) if row is None else Rules(row.version, row.pattern)
