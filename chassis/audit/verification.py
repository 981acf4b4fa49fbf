"""Compares audit rows with their seals, to find rows that were changed, removed or added, and rows without a seal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.audit import acts, digest_of, seals
from chassis.audit.acknowledgements import Acknowledgement, read_acknowledgements
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Invalid, Refusal

VERIFIER = system("audit")
LATE = timedelta(minutes=1)
CHUNK = 1_000
BEFORE_ALL = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one database.

    rows          sealed rows that were read
    seals         seals that were read
    head          "<number>:<digest>" of the last seal; "" without seals
    wrong         what is wrong, in order; empty without a fault
    acknowledged  what was wrong when an administrator acknowledged it, and has not changed since
    """

    rows: int
    seals: int
    head: str
    wrong: Sequence[Refusal]
    acknowledged: tuple[tuple[Refusal, Acknowledgement], ...] = ()


def verify(database: Database, *, latest: int | None = None, head: str = "") -> Verification:
    """Compare rows with seals.

    latest  number of seals to compare, from the last one back; all by default
    head    head of an earlier verification, whose seal must still exist. Without it, this does not find that an owner
            of the database has removed the last seals with their rows, or has made a new chain
    raises  Invalid      AUDIT_HEAD_UNREADABLE
            Unavailable  DATABASE_UNAVAILABLE
    """
    wrong: list[Refusal] = []
    acknowledged: tuple[tuple[Refusal, Acknowledgement], ...] = ()
    with database.reading(VERIFIER) as session:
        chain_ = _Chain(session, latest)
        for seal in _seals(session, chain_.number):
            wrong += chain_.add(seal)
        if wrong:
            signed = read_acknowledgements(session)
            acknowledged = tuple(
                (refusal, signed[evidence]) for refusal in wrong if (evidence := refusal.facts["evidence"]) in signed
            )
            wrong = [refusal for refusal in wrong if refusal.facts["evidence"] not in signed]
        if head:
            wrong += _refuse_other_head(session, head)
        wrong += _refuse_late(session, chain_.last)
    return Verification(chain_.rows, chain_.seals, chain_.head, wrong, acknowledged)


class _Chain:
    """Follows the chain from one seal to the next."""

    def __init__(self, session: Session, latest: int | None) -> None:
        self._session = session
        self.number, self.last, self._digest = 0, BEFORE_ALL, b""
        self.rows = self.seals = 0
        if latest is not None:
            query = select(seals).order_by(seals.c.number.desc()).offset(latest).limit(1)
            if (base := session.execute(query).first()) is not None:
                self._follow(base)

    def _follow(self, seal: Any) -> None:
        self.number, self.last, self._digest = seal.number, seal.last, seal.digest

    @property
    def head(self) -> str:
        return f"{self.number}:{self._digest.hex()}" if self._digest else ""

    def add(self, seal: Any) -> Iterator[Refusal]:
        """Compare the next seal. A wrong seal stays the base of the next one, so that each fault is reported once."""
        if seal.number != self.number + 1:
            missing = {"first": self.number + 1, "last": seal.number - 1}
            yield Refusal("AUDIT_SEALS_MISSING", **missing, evidence=f"before {seal.digest.hex()}")
        count = 0

        def counted() -> Iterator[Any]:
            nonlocal count
            for row in _rows(self._session, self.last, seal.last):
                count += 1
                yield row

        digest = digest_of(
            self._digest,
            number=seal.number,
            first=seal.first,
            last=seal.last,
            count=seal.count,
            at=seal.at,
            rows=counted(),
        )
        facts = {
            "seal": seal.number,
            "first": seal.first,
            "last": seal.last,
            "at": seal.at.isoformat(),
            "evidence": digest.hex(),
        }
        if count < seal.count:
            yield Refusal("AUDIT_ROWS_REMOVED", **facts, count=seal.count - count)
        elif count > seal.count:
            yield Refusal("AUDIT_ROWS_ADDED", **facts, count=count - seal.count)
        elif digest != seal.digest:
            yield Refusal("AUDIT_ROWS_CHANGED", **facts)
        self.rows, self.seals = self.rows + count, self.seals + 1
        self._follow(seal)


def _seals(session: Session, after: int) -> Iterator[Any]:
    while True:
        query = select(seals).where(seals.c.number > after).order_by(seals.c.number).limit(CHUNK)
        chunk = session.execute(query).all()
        if not chunk:
            return
        yield from chunk
        after = chunk[-1].number


def _rows(session: Session, after: int, upto: int) -> Iterator[Any]:
    while True:
        within = (acts.c.number > after, acts.c.number <= upto)
        chunk = session.execute(select(acts).where(*within).order_by(acts.c.number).limit(CHUNK)).all()
        yield from chunk
        if len(chunk) < CHUNK:
            return
        after = chunk[-1].number


def _refuse_late(session: Session, last: int) -> Iterator[Refusal]:
    """Refuse rows that have been without a seal for more than a minute."""
    query = select(func.count(), func.min(acts.c.at)).where(acts.c.number > last, acts.c.at < clock.now() - LATE)
    count, oldest = session.execute(query).one()
    if count:
        seconds = int((clock.now() - oldest).total_seconds())
        yield Refusal("AUDIT_ROWS_UNSEALED", count=count, seconds=seconds)


def _refuse_other_head(session: Session, head: str) -> Iterator[Refusal]:
    number, _, digest = head.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise Invalid("AUDIT_HEAD_UNREADABLE", given=head[:100])
    stored = session.scalar(select(seals.c.digest).where(seals.c.number == int(number)))
    if stored is None or stored.hex() != digest.strip().lower():
        yield Refusal("AUDIT_HEAD_OTHER", seal=int(number))
