"""Search of members by folded words of names, schools and classes, by numbers, and by keyed hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from chassis import clock
from chassis.cursors import cursor_invalid, moment, read_cursor, write_cursor
from services.members.people import names
from services.members.people.values import is_card_number
from services.members.tables import Block, Card, Member, MemberLookup, MemberWord

LONGEST_LIST = 100
MOST_COUNTED = 200
# A member may have several words with the same prefix.
_MOST_READ = MOST_COUNTED + 20
LAST_LETTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of members.

    members   see `load`
    total     number of members on all pages, at most 200
    has_more  there are more members than `total`
    cursor    cursor of the next page; "" on the last page
    """

    members: list[Any]
    total: int
    has_more: bool
    cursor: str


def find(session: Session, institution_id: UUID, query: str, *, limit: int, cursor: str = "") -> Found:
    """Find members by a number or by words, in order of names; members with that number come first.

    Words that find nobody are searched in other spellings that sound alike: zahro finds Zahra.

    raises  Invalid  CURSOR_INVALID
    """
    limit = min(max(limit, 1), LONGEST_LIST)
    offset = read_offset(cursor)
    by_words, is_cut = _by_words(session, institution_id, query)
    ids = list(dict.fromkeys([*_by_number(session, institution_id, query), *by_words]))
    if not ids:
        ids, is_cut = _by_words(session, institution_id, query, sounds_alike=True)
    has_more = is_cut or len(ids) > MOST_COUNTED
    ids = ids[:MOST_COUNTED]
    end = offset + limit
    return Found(
        load(session, ids[offset:end]), len(ids), has_more, write_cursor("members", end) if end < len(ids) else ""
    )


def find_by_hash(session: Session, institution_id: UUID, hashes: dict[str, bytes], *, limit: int) -> Found:
    """Find the members who have all these sealed values. hashes: kind -> keyed hash."""
    ids: set[UUID] | None = None
    for kind, value in hashes.items():
        found = set(session.scalars(_BY_HASH, {"institution": institution_id, "kind": kind, "hash": value}))
        ids = found if ids is None else ids & found
    members = load(session, sorted(ids or ()))[: min(max(limit, 1), LONGEST_LIST)]
    return Found(members, len(ids or ()), False, "")


_BY_HASH = (
    select(MemberLookup.member_id)
    .where(
        MemberLookup.institution_id == bindparam("institution"),
        MemberLookup.kind == bindparam("kind"),
        MemberLookup.hash == bindparam("hash"),
    )
    .limit(literal_column(str(MOST_COUNTED)))
)


def find_changed(session: Session, institution_id: UUID, since: datetime, *, limit: int, cursor: str = "") -> Found:
    """Find the members who were changed at or after a time, also merged and erased ones, in order of change.

    raises  Invalid  CURSOR_INVALID
    """
    limit = min(max(limit, 1), LONGEST_LIST)
    changed = (Member.institution_id == institution_id, Member.changed_at >= since)
    total = session.scalar(
        select(func.count()).select_from(select(Member.id).where(*changed).limit(_MOST_READ).subquery())
    )
    query = select(*_COLUMNS, _IS_BLOCKED.label("is_blocked")).where(*changed)
    if cursor:
        place = tuple(read_cursor(cursor, "changed_members", moment, UUID))
        query = query.where(tuple_(Member.changed_at, Member.id) > place)
    query = query.order_by(Member.changed_at, Member.id).limit(limit + 1)
    rows = session.execute(query, {"today": clock.now().date()}).all()
    following = (
        write_cursor("changed_members", rows[limit - 1].changed_at, rows[limit - 1].id) if len(rows) > limit else ""
    )
    return Found(list(rows[:limit]), min(total or 0, MOST_COUNTED), (total or 0) > MOST_COUNTED, following)


def load(session: Session, ids: Sequence[UUID]) -> list[Any]:
    """Return the columns of _LISTED of members in the order of `ids`; erased and unknown ones are left out."""
    rows = session.execute(_LISTED, {"ids": ids, "today": clock.now().date()})
    members = {row.id: row for row in rows}
    return [members[member_id] for member_id in ids if member_id in members]


_COLUMNS = (
    Member.id, Member.number, Member.name, Member.title_before, Member.title_after, Member.category, Member.school,
    Member.group, Member.birth_year, Member.expires_on, Member.changed_at, Member.erased_at, Member.merged_into,
)  # fmt: skip
_IS_BLOCKED = exists(literal_column("1")).where(
    Block.member_id == Member.id,
    Block.ended_at.is_(None),
    or_(Block.ends_on.is_(None), Block.ends_on >= bindparam("today")),
)
_LISTED = select(*_COLUMNS, _IS_BLOCKED.label("is_blocked")).where(
    Member.id.in_(bindparam("ids", expanding=True)), Member.erased_at.is_(None)
)


def _by_number(session: Session, institution_id: UUID, query: str) -> list[UUID]:
    """Return the member with this number, exactly as scanned, then members whose numbers begin with it."""
    code = query.strip()
    if not is_card_number(code) or not any(character.isdigit() for character in code):
        return []
    own = {"institution": institution_id, "code": code}
    ids = list(session.scalars(_BY_NUMBER, own))
    if len(code) >= 4:
        ids += session.scalars(_BY_BEGINNING, {**own, "last": code + LAST_LETTER})
    return ids


_OWN_CARD = Card.institution_id == bindparam("institution")
_BY_NUMBER = select(Card.member_id).where(_OWN_CARD, Card.code == bindparam("code"))
_BY_BEGINNING = (
    select(Card.member_id)
    .where(_OWN_CARD, Card.code > bindparam("code"), Card.code < bindparam("last"))
    .order_by(Card.code)
    .limit(literal_column(str(LONGEST_LIST)))
)


def _by_words(
    session: Session, institution_id: UUID, query: str, *, sounds_alike: bool = False
) -> tuple[list[UUID], bool]:
    """Return ids of members with a word for each prefix of the query, in order of names, and whether there are more.

    The statement reads the rows of the longest prefix in order, excludes members without the first letters of the other
    prefixes, and looks up these prefixes for each remaining member.

    sounds_alike  each prefix is searched in its spellings too, which may have other first letters
    """
    prefixes = sorted(names.query_words(query), key=len, reverse=True)
    if not prefixes:
        return [], False
    first, *others = prefixes
    own = MemberWord.institution_id == institution_id
    found = select(MemberWord.member_id, MemberWord.name_key).where(own, _begins(MemberWord, first, sounds_alike))
    if not sounds_alike:
        letters = names.letters_of(others)
        found = found.where(MemberWord.letters.bitwise_and(letters) == letters)
    for prefix in others:
        if sounds_alike or not names.is_one_letter(prefix):
            word = aliased(MemberWord)
            in_institution = word.institution_id == institution_id
            found = found.where(
                exists().where(
                    word.member_id == MemberWord.member_id, in_institution, _begins(word, prefix, sounds_alike)
                )
            )
    in_order = found.order_by(MemberWord.word, MemberWord.name_key, MemberWord.member_id)
    rows = session.execute(in_order.limit(_MOST_READ)).all()
    # A member may have several words with the same prefix.
    ordered = {row.member_id: row.name_key for row in reversed(rows)}
    ids = sorted(ordered, key=lambda member_id: (ordered[member_id], member_id))
    return ids[: MOST_COUNTED + 1], len(rows) == _MOST_READ


def _begins(words: type[MemberWord], prefix: str, sounds_alike: bool) -> ColumnElement[bool]:
    prefixes = names.near_spellings(prefix) if sounds_alike else [prefix]
    return or_(*(and_(words.word >= begin, words.word < begin + LAST_LETTER) for begin in prefixes))


def read_offset(cursor: str) -> int:
    """Return the number of members before the page of a cursor. Raises Invalid CURSOR_INVALID."""
    if not cursor:
        return 0
    (offset,) = read_cursor(cursor, "members", int)
    if not 0 <= offset <= MOST_COUNTED:
        raise cursor_invalid()
    return int(offset)
