"""Erasure of members: the key of their sealed values is destroyed, and their rows are emptied.

A backup contains members who were erased later. So a restore reads the tombstones of the database that it replaces, and
of other services' copies, and calls `replay` on the restored database before that database serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_ignore
from chassis.database.sqlite import erase_traces
from chassis.errors import Refusal, Refused
from services.members.people import events, loans, requests, store
from services.members.people.drafts import COLUMNS
from services.members.people.merging import close_account
from services.members.tables import (
    Account,
    Block,
    Card,
    Consent,
    Evidence,
    ExpiryStep,
    Member,
    MemberLookup,
    MemberWord,
    Merge,
    PasswordCode,
    Tombstone,
)

# Blocks that mean that the member still owes the library something.
_OPEN_REASONS = ("lost_item", "damaged_item", "unpaid")
# For counts of members; without other values they identify nobody.
_KEPT = ("category", "language")
_ROWS: tuple[Any, ...] = (Card, MemberWord, MemberLookup, Evidence, Block, Consent, PasswordCode, ExpiryStep)


def erase(session: Session, member_id: str, *, context: Context) -> Member:
    """Erase a member and the members who were merged into it.

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MEMBER_MERGED, ERASURE_OPEN_LOANS, ERASURE_OPEN_FEES, ERASURE_OPEN_BLOCK, ERASURE_GUARDIAN
    emits   MemberErased  for each
    """
    member = store.locked(session, member_id)
    problems = _open(session, member)
    if problems:
        raise Refused(refusals=tuple(problems))
    erase_traces(session)
    for erased in (member, *loans.merged_into(session, member.id)):
        erased.version += 1
        _empty(session, erased)
        audit.record(session, context, "members.erase", kind="member", object_id=erased.id)
        events.emit_erased(session, erased.id, erased.version, context)
    return member


def tombstones(session: Session) -> list[Tombstone]:
    """Return all erased members, the oldest erasure first."""
    return list(session.scalars(select(Tombstone).order_by(Tombstone.at, Tombstone.member_id)))


def replay(session: Session, erased: Iterable[Tombstone], *, context: Context) -> int:
    """Erase members again in a restored database; return the number of members erased now.

    No rule refuses this, because the rules allowed the first erasure.

    emits  MemberErased  for each
    """
    count = 0
    erase_traces(session)
    for tombstone in erased:
        member = session.get(Member, tombstone.member_id)
        if member is None:
            _store_tombstone(session, tombstone)
        elif member.erased_at is None:
            member.version = max(member.version + 1, tombstone.version)
            _empty(session, member)
            audit.record(session, context, "members.erase", kind="member", object_id=member.id)
            events.emit_erased(session, member.id, member.version, context)
            count += 1
    return count


def _open(session: Session, member: Member) -> list[Refusal]:
    problems = []
    open_loans = loans.counts_of(session, member).open
    if open_loans:
        problems.append(Refusal("ERASURE_OPEN_LOANS", count=open_loans))
    if member.open_fees:
        problems.append(Refusal("ERASURE_OPEN_FEES", count=member.open_fees))
    problems += [
        Refusal("ERASURE_OPEN_BLOCK", block=str(block.id), reason=block.reason)
        for block in events.open_blocks(session, [member.id])
        if block.reason in _OPEN_REASONS
    ]
    wards = session.scalar(select(func.count()).select_from(Member).where(Member.guardian_id == member.id))
    if wards:
        problems.append(Refusal("ERASURE_GUARDIAN", count=wards))
    return problems


def _empty(session: Session, member: Member) -> None:
    """Destroy the key, empty the row, and delete the rows that belong to the member."""
    for table in _ROWS:
        session.execute(delete(table).where(table.member_id == member.id))
    requests.close_erased(session, member.id)
    session.execute(delete(Merge).where(or_(Merge.kept_id == member.id, Merge.merged_id == member.id)))
    session.execute(update(Member).where(Member.guardian_id == member.id).values(guardian_id=None))
    close_account(session, member.id)
    session.execute(update(Account).where(Account.id == member.id).values(user=str(member.id), name=""))
    for column in COLUMNS:
        if column not in _KEPT:
            setattr(member, column, "")
    now = clock.now()
    member.number, member.guardian_id, member.merged_into, member.expires_on = None, None, None, None
    member.birth_year, member.wrapped_key, member.sealed, member.changed_fields = 0, b"", b"", {}
    member.erased_at = member.changed_at = now
    session.flush()
    tombstone = Tombstone(member_id=member.id, institution_id=member.institution_id, version=member.version, at=now)
    _store_tombstone(session, tombstone)


def _store_tombstone(session: Session, tombstone: Tombstone) -> None:
    columns = ("member_id", "institution_id", "version", "at")
    insert_ignore(session, Tombstone, [{column: getattr(tombstone, column) for column in columns}])
