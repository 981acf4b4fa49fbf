"""Merges of two memberships of one person, and their undoing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import NotFound, Refused
from chassis.ids import new_id, parse_or_nil
from chassis.security.encryption import MasterKey
from services.members.people import drafts, events, loans, numbers, sealed, store
from services.members.sign_in.sessions import end_sessions
from services.members.tables import (
    Account,
    Block,
    Card,
    Category,
    Consent,
    Evidence,
    Member,
    MemberLookup,
    MemberWord,
    Merge,
    PasswordCode,
)

# Tables whose rows move to the kept member, and move back when the merge is undone.
_MOVED: Mapping[str, Any] = {"cards": Card, "blocks": Block, "evidence": Evidence, "consents": Consent}


def merge(session: Session, kept_id: str, merged_id: str, *, context: Context) -> tuple[Merge, Member]:
    """Merge a member into another. All numbers then identify the kept member, whose own values do not change.

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MERGE_WITH_ITSELF, MERGE_OF_OTHER_KIND, MEMBER_MERGED
    emits   MembersChanged  for both
    """
    if kept_id.strip().lower() == merged_id.strip().lower():
        raise Refused("MERGE_WITH_ITSELF")
    # In the order of ids, so that two merges cannot cause a deadlock.
    locked = {member_id: store.locked(session, member_id) for member_id in sorted((kept_id, merged_id))}
    kept, merged = locked[kept_id], locked[merged_id]
    if kept.id == merged.id:
        raise Refused("MERGE_WITH_ITSELF")
    if _kind(session, kept) != _kind(session, merged):
        raise Refused("MERGE_OF_OTHER_KIND")
    moved: dict[str, Any] = {}
    for name, table in _MOVED.items():
        ids = session.scalars(select(table.id).where(table.member_id == merged.id)).all()
        session.execute(update(table).where(table.id.in_(ids)).values(member_id=kept.id))
        moved[name] = [str(row_id) for row_id in ids]
    wards = session.scalars(select(Member.id).where(Member.guardian_id == merged.id, Member.id != kept.id)).all()
    session.execute(update(Member).where(Member.id.in_(wards)).values(guardian_id=kept.id))
    moved["wards"] = [str(ward_id) for ward_id in wards]
    loans.move(session, merged.id, kept.id)
    row = Merge(
        id=new_id(),
        institution_id=kept.institution_id,
        kept_id=kept.id,
        merged_id=merged.id,
        number=merged.number or "",
        moved=moved,
        at=clock.now(),
        by=context.actor,
        undone_at=None,
    )
    session.add(row)
    merged.number, merged.merged_into = None, kept.id
    for table in (MemberWord, MemberLookup, PasswordCode):
        session.execute(delete(table).where(table.member_id == merged.id))
    close_account(session, merged.id)
    store.touch(kept, ["cards"])
    store.touch(merged, ["number"])
    _record(session, context, "members.merge", kept, merged)
    events.emit_changed(session, [merged], context)
    events.emit_changed(session, [kept], context)
    return row, kept


def get(session: Session, merge_id: str) -> Merge:
    """Return a merge of the transaction's institution.

    raises  NotFound  MERGE_NOT_FOUND
    """
    row = session.get(Merge, parse_or_nil(merge_id))
    if row is None:
        raise NotFound("MERGE_NOT_FOUND", id=merge_id[:40])
    return row


def undo(session: Session, kept_id: str, merge_id: str, *, context: Context, master: MasterKey) -> Member:
    """Undo a merge.

    kept_id  the member that was kept; "" for that of the merge

    Rows that moved to the kept member and still exist move back, except loans (as in circulation). To sign in, the
    separated member needs a new password code.

    raises  NotFound  MEMBER_NOT_FOUND, MERGE_NOT_FOUND
            Refused   MEMBER_MERGED  the kept member was merged itself; undo that merge first
                      NIK_IN_USE     another member has the NIK now
            emits   MembersChanged  for both
    """
    row = get(session, merge_id)
    kept = store.locked(session, kept_id or str(row.kept_id))
    session.refresh(row)
    if row.kept_id != kept.id or row.undone_at is not None:
        raise NotFound("MERGE_NOT_FOUND", id=merge_id[:40])
    merged = session.get_one(Member, row.merged_id, with_for_update=True)
    values = drafts.all_values(merged, master)
    hashes = sealed.hashes_of(values, institution_id=merged.institution_id, master=master)
    numbers.lock(session, merged.institution_id)
    store.raise_all(store.check_unique(session, merged.institution_id, hashes, ()))
    for name, table in _MOVED.items():
        ids = [UUID(row_id) for row_id in row.moved[name]]
        session.execute(update(table).where(table.id.in_(ids), table.member_id == kept.id).values(member_id=merged.id))
    wards = [UUID(ward_id) for ward_id in row.moved["wards"]]
    session.execute(
        update(Member).where(Member.id.in_(wards), Member.guardian_id == kept.id).values(guardian_id=merged.id)
    )
    owner: dict[str, Any] = {"institution_id": merged.institution_id, "member_id": merged.id}
    session.execute(insert(MemberWord), drafts.word_rows(values, **owner))
    lookups = drafts.lookup_rows(hashes, **owner)
    if lookups:
        session.execute(insert(MemberLookup), lookups)
    row.undone_at, merged.merged_into = clock.now(), None
    merged.number = _number_again(session, merged, row.number)
    store.touch(kept, ["cards"])
    store.touch(merged, ["number"])
    _record(session, context, "members.undo_merge", kept, merged)
    events.emit_changed(session, [kept], context)
    events.emit_changed(session, [merged], context)
    return kept


def close_account(session: Session, member_id: UUID) -> None:
    """Close the account of a member, if there is one, and end its sessions."""
    session.execute(update(Account).where(Account.id == member_id).values(closed_at=clock.now(), password_hash=""))
    end_sessions(session, member_id)


def _number_again(session: Session, member: Member, number: str) -> str:
    """Return the number of a separated member: its earlier one, else another valid card's, else a new one."""
    cards = session.scalars(
        select(Card).where(Card.member_id == member.id, Card.state == "active").order_by(Card.issued_at)
    ).all()
    codes = [card.code for card in cards if card.kind in ("card", "old_card")]
    if number in codes:
        return number
    if codes:
        return codes[0]
    number = numbers.take_numbers(session, member.institution_id, 1)[0]
    owner: dict[str, Any] = {"institution_id": member.institution_id, "member_id": member.id}
    session.execute(insert(Card), [drafts.card_row(number, "card", at=clock.now(), has_qr=True, **owner)])
    return number


def _kind(session: Session, member: Member) -> bool:
    category = session.get(Category, (member.institution_id, member.category))
    return category is not None and category.kind == "organisation"


def _record(session: Session, context: Context, act: str, kept: Member, merged: Member) -> None:
    for member, other in ((kept, merged), (merged, kept)):
        audit.record(session, context, act, kind="member", object_id=member.id, facts={"other": str(other.id)})
