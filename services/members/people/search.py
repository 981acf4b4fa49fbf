"""Search of members by folded words of names, schools and classes, by numbers, and by keyed hashes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from chassis.errors import Invalid
from services.members.people import names
from services.members.people.values import is_card_number
from services.members.tables import Card, Member, MemberLookup, MemberWord

MOST_COUNTED = 200
LONGEST_LIST = 50
# Rows of a prefix are counted up to this number, to choose the rarest prefix.
_MOST_COMPARED = 8_000
# A member may have several words with the same prefix.
_MOST_READ = MOST_COUNTED + 20
# Listing the members of a word is faster than a look-up for each member, up to this multiple of the rarest word's rows.
_LIST_WORTH = 2
_LAST_LETTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of members.

    total     number of members on all pages, at most 200
    has_more  there are more members than `total`
    cursor    cursor of the next page; "" on the last page
    """

    members: list[Member]
    total: int
    has_more: bool
    cursor: str


def find(session: Session, institution_id: UUID, query: str, *, limit: int, cursor: str = "") -> Found:
    """Find members by a number or by words, in order of names; members with that number come first.

    raises  Invalid  MEMBERS_CURSOR_INVALID
    """
    limit = min(max(limit, 1), LONGEST_LIST)
    offset = _offset(cursor)
    by_words, is_cut = _by_words(session, institution_id, query)
    ids = list(dict.fromkeys([*_by_number(session, institution_id, query), *by_words]))
    has_more = is_cut or len(ids) > MOST_COUNTED
    ids = ids[:MOST_COUNTED]
    end = offset + limit
    return Found(load(session, ids[offset:end]), len(ids), has_more, _cursor(end) if end < len(ids) else "")


def find_by_hash(session: Session, institution_id: UUID, hashes: dict[str, bytes], *, limit: int) -> Found:
    """Find the members who have all these sealed values. hashes: kind -> keyed hash."""
    lookup = MemberLookup
    ids: set[UUID] | None = None
    for kind, value in hashes.items():
        rows = session.scalars(
            select(lookup.member_id)
            .where(lookup.institution_id == institution_id, lookup.kind == kind, lookup.hash == value)
            .limit(MOST_COUNTED)
        )
        ids = set(rows) if ids is None else ids & set(rows)
    members = load(session, sorted(ids or ()))[: min(max(limit, 1), LONGEST_LIST)]
    return Found(members, len(ids or ()), False, "")


def load(session: Session, ids: Sequence[UUID]) -> list[Member]:
    """Return members in the order of `ids`; erased and unknown ones are left out."""
    if not ids:
        return []
    rows = {member.id: member for member in session.scalars(select(Member).where(Member.id.in_(ids)))}
    return [rows[member_id] for member_id in ids if member_id in rows and rows[member_id].erased_at is None]


def _by_number(session: Session, institution_id: UUID, query: str) -> list[UUID]:
    """Return the member with this number, exactly as scanned, then members whose numbers begin with it."""
    code = query.strip()
    if not is_card_number(code) or not any(character.isdigit() for character in code):
        return []
    own = Card.institution_id == institution_id
    exact = session.scalars(select(Card.member_id).where(own, Card.code == code))
    ids = list(exact)
    if len(code) >= 4:
        beginning = and_(Card.code > code, Card.code < code + _LAST_LETTER)
        ids += session.scalars(select(Card.member_id).where(own, beginning).order_by(Card.code).limit(LONGEST_LIST))
    return ids


def _by_words(session: Session, institution_id: UUID, query: str) -> tuple[list[UUID], bool]:
    """Return ids of members with a word for each prefix of the query, in order of names, and whether there are more.

    The statement reads the rows of the rarest prefix in order, and excludes members by the first letters of the other
    prefixes. Then it looks up each other prefix: in a list of its members if that list is short, else for each
    remaining member.
    """
    words = names.query_words(query)
    if not words:
        return [], False
    sizes = _sizes(session, institution_id, words) if len(words) > 1 else {}
    first, *others = sorted(words, key=lambda word: (sizes.get(word, _MOST_COMPARED), -len(word)))
    statement = select(MemberWord.member_id, MemberWord.name_key).where(
        MemberWord.institution_id == institution_id, _begins(MemberWord, first)
    )
    is_old_row = MemberWord.letters == 0
    if others:
        letters = names.letters_of(others)
        statement = statement.where(or_(MemberWord.letters.bitwise_and(letters) == letters, is_old_row))
    for word in others:
        other: Any = aliased(MemberWord)
        range_ = (other.institution_id == institution_id, _begins(other, word))
        has_word = exists().where(other.member_id == MemberWord.member_id, *range_)
        if names.is_one_letter(word):
            statement = statement.where(or_(~is_old_row, has_word))
        elif sizes.get(word, _MOST_COMPARED) < min(_MOST_COMPARED, _LIST_WORTH * sizes.get(first, 0)):
            statement = statement.where(MemberWord.member_id.in_(select(other.member_id).where(*range_)))
        else:
            statement = statement.where(has_word)
    rows = session.execute(
        statement.order_by(MemberWord.word, MemberWord.name_key, MemberWord.member_id).limit(_MOST_READ)
    ).all()
    # A member may have several words with the same prefix.
    ordered = {row.member_id: row.name_key for row in reversed(rows)}
    ids = sorted(ordered, key=lambda member_id: (ordered[member_id], member_id))
    return ids[: MOST_COUNTED + 1], len(rows) == _MOST_READ


def fill_letters(session: Session, *, most: int = 500) -> int:
    """Fill the column `letters` for at most `most` members; return the number of members."""
    ids = session.scalars(select(MemberWord.member_id).where(MemberWord.letters == 0).distinct().limit(most)).all()
    words = dict[UUID, list[str]]()
    rows = session.execute(select(MemberWord.member_id, MemberWord.word).where(MemberWord.member_id.in_(ids)))
    for row in rows:
        words.setdefault(row.member_id, []).append(row.word)
    for member_id, own in words.items():
        session.execute(
            update(MemberWord).where(MemberWord.member_id == member_id).values(letters=names.letters_of(own))
        )
    return len(ids)


def _sizes(session: Session, institution_id: UUID, words: list[str]) -> dict[str, int]:
    """Count the rows of these prefixes, long ones first; after a rare prefix the others are not counted."""
    sizes: dict[str, int] = {}
    for word in sorted(words, key=len, reverse=True):
        sizes[word] = _size(session, institution_id, word)
        if sizes[word] <= _MOST_READ:
            break
    return sizes


def _size(session: Session, institution_id: UUID, word: str) -> int:
    """Return the number of rows with a prefix, at most _MOST_COMPARED."""
    rows = (
        select(MemberWord.member_id)
        .where(MemberWord.institution_id == institution_id, _begins(MemberWord, word))
        .limit(_MOST_COMPARED)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(rows)) or 0


def _begins(table: Any, word: str) -> ColumnElement[bool]:
    return and_(table.word >= word, table.word < word + _LAST_LETTER)


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"m{offset}".encode()).decode().rstrip("=")


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor[:40] + "=" * (-len(cursor) % 4)).decode("ascii")
        offset = int(text.removeprefix("m"))
    except ValueError:
        raise Invalid("MEMBERS_CURSOR_INVALID") from None
    if not 0 <= offset <= MOST_COUNTED or not text.startswith("m"):
        raise Invalid("MEMBERS_CURSOR_INVALID")
    return offset
