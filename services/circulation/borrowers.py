"""Borrowers: copies of members without names, found by id or by a scanned number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import insert_for, insert_ignore
from chassis.database.sqlite import erase_traces
from chassis.service import Erasure
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.circulation.copies import read_id
from services.circulation.tables import Borrower, BorrowerNumber, Loan, Suspension

MOST_MERGES = 20  # length of a chain of merged members


# Rows of Core, built once, as in `copies`.
_borrowers: Any = Borrower.__table__
_numbers: Any = BorrowerNumber.__table__
_OF_INSTITUTION = select(_borrowers).where(
    _borrowers.c.institution_id == bindparam("institution_id"), ~_borrowers.c.is_erased
)
_BY_ID = _OF_INSTITUTION.where(_borrowers.c.id == bindparam("borrower_id"))
_BY_NUMBER = (
    _OF_INSTITUTION.join(_numbers, _numbers.c.borrower_id == _borrowers.c.id)
    .where(_numbers.c.institution_id == bindparam("institution_id"), _numbers.c.number == bindparam("number"))
    .limit(2)
)
_LOCKED = {statement: statement.with_for_update(of=_borrowers) for statement in (_BY_ID, _BY_NUMBER)}


def is_empty(session: Session) -> bool:
    """Return whether no member has been copied yet."""
    return session.scalar(select(Borrower.id).limit(1)) is None


def copy_members(session: Session, members: Iterable[MemberCopy]) -> int:
    """Store members, except erased ones; the same or a newer version in the table stays. Returns the number of members.

    The loans and suspensions of a merged member move to the kept member.
    """
    copies = list(members)
    versions = _versions(session, [UUID(member.id) for member in copies])
    newest: dict[UUID, MemberCopy] = {}
    for member in copies:
        borrower_id = UUID(member.id)
        before = newest[borrower_id].version if borrower_id in newest else versions.get(borrower_id, -1)
        if member.version > before:
            newest[borrower_id] = member
    if newest:
        _store(session, list(newest.values()))
        for borrower_id, member in newest.items():
            if member.merged_into:
                _move_loans(session, borrower_id, UUID(member.merged_into))
    return len(copies)


def erase_member(session: Session, borrower_id: UUID, version: int, *, institution_id: UUID | None = None) -> None:
    """Remove a member from every loan and empty the copy. The copy stays, so that no older event restores the member.

    institution_id  to store an empty copy if the member is not known yet; None: store none
    """
    erase_traces(session)
    if institution_id is not None:
        empty = MemberCopy(id=str(borrower_id), version=version, institution_id=str(institution_id))
        insert_ignore(session, Borrower, [_row(empty)], key=["id"])
    values: dict[str, Any] = {
        "version": version,
        "card": "",
        "category": "",
        "expires_on": None,
        "blocks": [],
        "age_band": "",
        "sex": "",
        "region": "",
        "group": "",
        "is_organisation": False,
        "keeps_history": False,
        "merged_into": None,
        "is_erased": True,
        "lending_version": Borrower.lending_version + 1,
    }
    session.execute(update(Borrower).where(Borrower.id == borrower_id).values(**values))
    session.execute(delete(BorrowerNumber).where(BorrowerNumber.borrower_id == borrower_id))
    session.execute(delete(Suspension).where(Suspension.borrower_id == borrower_id))
    session.execute(update(Loan).where(Loan.borrower_id == borrower_id).values(borrower_id=None))


def erasures(session: Session) -> list[Erasure]:
    """Return the erased members, for a restore of the service members when its own database cannot be read."""
    rows = session.scalars(select(Borrower).where(Borrower.is_erased))
    return [Erasure(row.id, row.institution_id, row.version) for row in rows]


def find_borrower(session: Session, institution_id: UUID, text: str, *, lock: bool = False) -> Borrower | None:
    """Return the row of a borrower by id or number, in one institution; None when none or several have the number.

    A merged member is found as the kept member.

    lock  on PostgreSQL, lock the row until the end of the transaction; an act locks its copies first
    """
    borrower_id = read_id(text)
    statement = _BY_NUMBER if borrower_id is None else _BY_ID
    values = {"institution_id": institution_id, "borrower_id": borrower_id, "number": text}
    rows: Any = session.connection().execute(_LOCKED[statement] if lock else statement, values).all()
    if len(rows) != 1:
        return None
    borrower: Borrower = rows[0]
    if borrower.merged_into is None:
        return borrower
    kept_id = _kept_id(session, borrower.merged_into)
    return find_borrower(session, institution_id, str(kept_id), lock=lock) if kept_id != borrower.id else None


def _versions(session: Session, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the versions of known members; of an erased member a version that no event exceeds."""
    query = select(Borrower.id, Borrower.version, Borrower.is_erased).where(Borrower.id.in_(ids)).with_for_update()
    return {row.id: 2**62 if row.is_erased else row.version for row in session.execute(query)}


def _store(session: Session, members: Sequence[MemberCopy]) -> None:
    rows = [_row(member) for member in members]
    insert = insert_for(session, Borrower)
    columns = {name: insert.excluded[name] for name in rows[0] if name not in ("id", "lending_version")}
    newer = Borrower.version < insert.excluded.version
    statement = insert.on_conflict_do_update(index_elements=["id"], set_=columns, where=newer)
    # On the connection, because the session would build one statement with every row.
    session.connection().execute(statement, rows)
    ids = [row["id"] for row in rows]
    session.execute(delete(BorrowerNumber).where(BorrowerNumber.borrower_id.in_(ids)))
    numbers = [
        {"institution_id": row["institution_id"], "number": number, "borrower_id": row["id"]}
        for row, member in zip(rows, members, strict=True)
        for number in dict.fromkeys(member.numbers)
    ]
    insert_ignore(session, BorrowerNumber, numbers)


def _move_loans(session: Session, merged_id: UUID, into_id: UUID) -> None:
    kept_borrower_id = _kept_id(session, into_id)
    for table in (Loan, Suspension):
        session.execute(update(table).where(table.borrower_id == merged_id).values(borrower_id=kept_borrower_id))
    # An act of the release before that has read the loans of one of the two members is judged again.
    changed = update(Borrower).where(Borrower.id.in_([merged_id, kept_borrower_id]))
    session.execute(changed.values(lending_version=Borrower.lending_version + 1))


def _kept_id(session: Session, borrower_id: UUID) -> UUID:
    """Follow merges to the kept member."""
    for _ in range(MOST_MERGES):
        merged_into = session.scalar(select(Borrower.merged_into).where(Borrower.id == borrower_id))
        if merged_into is None:
            break
        borrower_id = merged_into
    return borrower_id


def _row(member: MemberCopy) -> dict[str, Any]:
    return {
        "id": UUID(member.id),
        "institution_id": UUID(member.institution_id),
        "version": member.version,
        "card": member.numbers[0] if member.numbers else "",
        "category": member.category,
        "expires_on": date.fromisoformat(member.expires_on) if member.expires_on else None,
        "blocks": [{"reason": block.reason, "ends_on": block.ends_on} for block in member.blocks],
        "age_band": member.age_band,
        "sex": member.sex,
        "region": member.region,
        "group": member.group,
        "is_organisation": member.is_organisation,
        "keeps_history": member.keeps_history,
        "merged_into": read_id(member.merged_into),
        "is_erased": False,
        "lending_version": 0,
    }
