"""Copies of members without names, the keys of their texts, and hashes of addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from chassis.database.sql import insert_for, insert_ignore, update_many
from chassis.database.sqlite import erase_traces
from chassis.errors import Unavailable
from chassis.security.encryption import MasterKey, MemberKey
from chassis.service import Erasure
from services.notifications.tables import Member, Message, Notice, Preference, PushDevice, RefusedAddress

MOST_MERGES = 20  # length of a chain of merged members
NEWEST = 2**62  # higher than any version, so that no later event changes an erased member
ERASED = "MEMBER_ERASED"
# Reason of a failed notice whose text could not be sealed.
TEXT_KEY_DAMAGED = "TEXT_KEY_DAMAGED"
_USE = "notice"
_members = Member.__table__.c
# Built once, because every event or message needs them.
_KEYS = select(_members.id, _members.wrapped_key, _members.is_erased).where(
    _members.id.in_(bindparam("ids", expanding=True))
)
_LOCKED_KEYS = _KEYS.with_for_update()
_MERGED_OR_ERASED = select(_members.id, _members.is_erased, _members.merged_into).where(
    _members.id.in_(bindparam("ids", expanding=True)), or_(_members.is_erased, _members.merged_into.is_not(None))
)


def is_empty(session: Session) -> bool:
    """Return whether no member has been copied yet."""
    return session.scalar(select(Member.id).limit(1)) is None


def kept_id(session: Session, member_id: UUID) -> UUID:
    """Follow merges to the kept member."""
    for _ in range(MOST_MERGES):
        into = session.scalar(select(Member.merged_into).where(Member.id == member_id))
        if into is None:
            break
        member_id = into
    return member_id


def addressees(session: Session, member_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return the id of each member -> the member who receives the notices: after merges the kept member.

    A member who was erased is left out.
    """
    kept = {member_id: member_id for member_id in member_ids}
    for _ in range(MOST_MERGES):
        rows = session.execute(_MERGED_OR_ERASED, {"ids": list(kept.values())}).all()
        if not rows:
            break
        into = {row.id: None if row.is_erased else row.merged_into for row in rows}
        moved = ((member_id, into.get(kept_id, kept_id)) for member_id, kept_id in kept.items())
        kept = {member_id: kept_id for member_id, kept_id in moved if kept_id is not None}
    return kept


def erase_member(session: Session, member_id: UUID, *, institution_id: UUID) -> None:
    """Destroy the key of a member's texts, and remove the member from every notice; counts stay.

    The row of the member stays, so that an older event cannot restore the member.
    """
    erase_traces(session)
    row = {
        "id": member_id,
        "institution_id": institution_id,
        "version": NEWEST,
        "keeps_history": False,
        "merged_into": None,
        "moved_to": None,
        "is_erased": True,
        "wrapped_key": None,
    }
    statement = insert_for(session, Member).values(**row)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
    session.execute(
        update(Notice)
        .where(Notice.member_id == member_id, Notice.state.in_(("waiting", "sending", "print")))
        .values(state="dropped", reason=ERASED)
    )
    gone: dict[str, Any] = {"member_id": None, "loan_id": None, "item_id": None, "title": "", "facts": {}}
    # The subject keys contain loans and the member too.
    ids = session.scalars(select(Notice.id).where(Notice.member_id == member_id)).all()
    keys = [{"id": notice_id, "subject_key": forgotten_key(notice_id), **gone} for notice_id in ids]
    update_many(session, Notice, keys, key="id")
    session.execute(
        update(Message)
        .where(Message.member_id == member_id, Message.state.in_(("open", "print")))
        .values(state="dropped", reason=ERASED)
    )
    session.execute(update(Message).where(_is_sealed_by(member_id)).values(sealed=None, key_member_id=None))
    session.execute(update(Message).where(Message.member_id == member_id).values(member_id=None, day=None, sealed=None))
    for table in (Preference, PushDevice, RefusedAddress):
        session.execute(delete(table).where(table.member_id == member_id))


def forgotten_key(notice_id: UUID) -> str:
    """Return a subject key without loan and member, for a notice that lost them."""
    return f"forgotten:{notice_id}"


def erasures(session: Session) -> list[Erasure]:
    """Return the erased members, for a restore of the service members when its own database cannot be read."""
    rows = session.scalars(select(Member).where(Member.is_erased))
    return [Erasure(row.id, row.institution_id, row.version) for row in rows]


def keys_of(
    session: Session, master: MasterKey, members: Mapping[UUID, UUID], *, make: bool = True
) -> dict[UUID, MemberKey | None]:
    """Return member -> key of the member's texts; None for a damaged key. Erased members are left out.

    members  member -> institution
    make     make missing keys; otherwise members without a key are left out
    """
    ids = list(members)
    # Without `make` no row is locked, because a reading transaction may not lock rows.
    rows = session.execute(_LOCKED_KEYS if make else _KEYS, {"ids": ids}).all()
    wrapped = {row.id: row.wrapped_key for row in rows}
    erased = {row.id for row in rows if row.is_erased}
    keys: dict[UUID, MemberKey | None] = {}
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for member_id in ids:
        if member_id in erased:
            continue
        if wrapped.get(member_id) is not None:
            keys[member_id] = _unwrap(master, wrapped[member_id], member_id)
        elif make:
            key, sealed = MemberKey.new(master, member=text_key_owner(member_id))
            keys[member_id] = key
            if member_id in wrapped:
                changed.append({"id": member_id, "wrapped_key": sealed})
            else:
                added.append(_unknown(member_id, members[member_id], sealed))
    update_many(session, Member, changed, key="id")
    insert_unknown(session, added)
    if added:
        _take_stored_keys(session, master, keys, [row["id"] for row in added])
    return keys


def insert_unknown(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert members whose events have not arrived yet, except those that exist."""
    insert_ignore(session, Member, rows, key=["id"])


def forget_damaged_key(session: Session, master: MasterKey, member_id: UUID) -> None:
    """Delete the key of a member's texts if it is damaged, and the values that nobody can read any more.

    The next use makes a new key.

    master  the master key of this database
    """
    row = session.get(Member, member_id, with_for_update=True)
    if row is None or row.wrapped_key is None or _unwrap(master, row.wrapped_key, member_id) is not None:
        return
    row.wrapped_key = None
    session.execute(update(Message).where(_is_sealed_by(member_id)).values(sealed=None))
    session.execute(delete(PushDevice).where(PushDevice.member_id == member_id))


def _is_sealed_by(member_id: UUID) -> Any:
    is_own = and_(Message.member_id == member_id, Message.key_member_id.is_(None))
    return or_(is_own, Message.key_member_id == member_id)


def _take_stored_keys(
    session: Session, master: MasterKey, keys: dict[UUID, MemberKey | None], member_ids: Sequence[UUID]
) -> None:
    """Replace keys that were not stored, because a handler added the member's row first."""
    for member_id, wrapped, is_erased in session.execute(_LOCKED_KEYS, {"ids": member_ids}).all():
        if is_erased:
            del keys[member_id]
        elif wrapped is None:
            keys[member_id], sealed = MemberKey.new(master, member=text_key_owner(member_id))
            update_many(session, Member, [{"id": member_id, "wrapped_key": sealed}], key="id")
        else:
            keys[member_id] = _unwrap(master, wrapped, member_id)


def _unwrap(master: MasterKey, wrapped: bytes, member_id: UUID) -> MemberKey | None:
    """Return the key of a member's texts; None when it is damaged, so that other keys can still be read."""
    try:
        return MemberKey.unwrap(master, wrapped, member=text_key_owner(member_id))
    except Unavailable:
        return None


def hash_address(master: MasterKey, institution_id: UUID, address: str) -> bytes:
    """Return the keyed hash of an address within an institution, for attempts and conversations."""
    return master.lookup(f"notices/address/{institution_id}", address.casefold())


def seal_text(key: MemberKey, text: str) -> bytes:
    """Seal the text of a message under its member's key."""
    return key.seal(text.encode(), use=_USE)


def open_text(key: MemberKey, sealed: bytes) -> str:
    """Decrypt a text of `seal_text`. Raises Unavailable SEALED_UNREADABLE."""
    return key.open(sealed, use=_USE).decode()


def history_keepers(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Return the members of `ids` who keep the history of their loans."""
    return set(session.scalars(select(Member.id).where(Member.id.in_(ids), Member.keeps_history)))


def _unknown(member_id: UUID, institution_id: UUID, wrapped: bytes) -> dict[str, Any]:
    """Return the row of a member whose event has not arrived yet. Every event has a newer version."""
    return {
        "id": member_id,
        "institution_id": institution_id,
        "version": -1,
        "keeps_history": False,
        "merged_into": None,
        "is_erased": False,
        "wrapped_key": wrapped,
    }


def text_key_owner(member_id: UUID) -> str:
    """Return the owner name with which the key of a member's texts is wrapped."""
    # Another name than for keys of the service members, so that nobody can replace one key by the other.
    return f"notices/{member_id}"
