"""Finding members: by folded words of their names, schools and classes, by numbers, and by keyed hashes."""

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
# Ranges of words are counted up to this size, to begin with the smallest.
_MOST_COMPARED = 8_000
# A member may have several words of one beginning.
_MOST_READ = MOST_COUNTED + 20
# A list of the members of a word is worth its time up to so many times the members of the rarest word.
_LIST_WORTH = 2
_LAST_LETTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of members.

    total     of all pages, at most 200
    has_more  there are more than `total`
    cursor    of the next page; "" at the end
    """

    members: list[Member]
    total: int
    has_more: bool
    cursor: str


def find(session: Session, institution_id: UUID, query: str, *, limit: int, cursor: str = "") -> Found:
    """Find members by a number or the words of a name, in the order of names; a member of that number is first.

    raises  Invalid  CURSOR_INVALID
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
    """Find the members who have all of these sealed values."""
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
    """Return members in the order of their ids; those that are gone are left out."""
    if not ids:
        return []
    rows = {member.id: member for member in session.scalars(select(Member).where(Member.id.in_(ids)))}
    return [rows[member_id] for member_id in ids if member_id in rows and rows[member_id].erased_at is None]


def _by_number(session: Session, institution_id: UUID, query: str) -> list[UUID]:
    """Return the member of a number, exactly as scanned, and those whose numbers begin with it."""
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
    """Return the members whose words begin with each word of the query, by name, and whether there are more.

    It reads the words of the rarest beginning in order, leaves out members without the first letters of the others, and
    looks the others up: in a list of their members where that is short, else for each member that is left.
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
    # One member may have several words of a beginning.
    ordered = {row.member_id: row.name_key for row in reversed(rows)}
    ids = sorted(ordered, key=lambda member_id: (ordered[member_id], member_id))
    return ids[: MOST_COUNTED + 1], len(rows) == _MOST_READ


def fill_letters(session: Session, *, most: int = 500) -> int:
    """Fill in the letters of the rows of up to so many members; return how many members had none."""
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
    """Count the members that have these words; a rare one ends the counting, and long words often are."""
    sizes: dict[str, int] = {}
    for word in sorted(words, key=len, reverse=True):
        sizes[word] = _size(session, institution_id, word)
        if sizes[word] <= _MOST_READ:
            break
    return sizes


def _size(session: Session, institution_id: UUID, word: str) -> int:
    """Return the number of words with a beginning, up to a limit."""
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
