"""Search of members by the beginnings of words, with statements that are compiled once for each form of a search."""

from __future__ import annotations

import functools
import time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, literal_column, select
from sqlalchemy.orm import Session

from services.members.people import names
from services.members.tables import MemberWord

MOST_COUNTED = 200
# A member may have several words with the same prefix.
_MOST_READ = MOST_COUNTED + 20
# Rows of a prefix are counted up to this number, to choose the rarest prefix.
_MOST_COMPARED = 8_000
# Counting fewer rows is fast enough for each search; larger numbers are kept for some time.
_LEAST_KEPT, _MOST_KEPT, _KEPT_SECONDS = 1_000, 2_000, 60.0
# Listing the members of a word is faster than a look-up for each member, up to this multiple of the rarest word's rows.
_LIST_WORTH = 2
LAST_LETTER = "\U0010ffff"
# How a statement finds the members of a further prefix: by letters in the row, in a list, or with a look-up for each.
_LETTERS, _LIST, _LOOK_UP = "letters", "list", "look-up"

# (institution, prefix) -> (number of its rows, time of the count)
_kept_sizes: dict[tuple[UUID, str], tuple[int, float]] = {}


def find_by_words(session: Session, institution_id: UUID, query: str) -> tuple[list[UUID], bool]:
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
    longest_list = min(_MOST_COMPARED, _LIST_WORTH * sizes.get(first, 0))
    forms = tuple(
        _LETTERS if names.is_one_letter(word) else _LIST if sizes.get(word, _MOST_COMPARED) < longest_list else _LOOK_UP
        for word in others
    )
    values: dict[str, Any] = {"institution": institution_id, "low": first, "high": first + LAST_LETTER}
    if others:
        values["letters"] = names.letters_of(others)
    for place, word in enumerate(others):
        values[f"low{place}"], values[f"high{place}"] = word, word + LAST_LETTER
    rows = session.execute(_search(forms), values).all()
    # A member may have several words with the same prefix.
    ordered = {row.member_id: row.name_key for row in reversed(rows)}
    ids = sorted(ordered, key=lambda member_id: (ordered[member_id], member_id))
    return ids[: MOST_COUNTED + 1], len(rows) == _MOST_READ


@functools.lru_cache(maxsize=128)
def _search(forms: tuple[str, ...]) -> Any:
    """Return the statement of a search with this many further prefixes, each found in its form."""
    words = MemberWord.__table__.c
    statement = select(words.member_id, words.name_key).where(_begins(words, ""))
    if forms:
        letters = bindparam("letters", type_=words.letters.type)
        statement = statement.where(words.letters.bitwise_and(letters) == letters)
    for place, form in enumerate(forms):
        other = MemberWord.__table__.alias(f"other{place}").c
        begins = _begins(other, str(place))
        has_word = exists(literal_column("1")).where(other.member_id == words.member_id, begins)
        if form == _LIST:
            statement = statement.where(words.member_id.in_(select(other.member_id).where(begins)))
        elif form == _LOOK_UP:
            statement = statement.where(has_word)
    return statement.order_by(words.word, words.name_key, words.member_id).limit(literal_column(str(_MOST_READ)))


def _begins(words: Any, place: str) -> ColumnElement[bool]:
    """Return the condition that a row of the institution has a word from `low` to `high`; `place` ends these names."""
    return and_(
        words.institution_id == bindparam("institution"),
        words.word >= bindparam(f"low{place}"),
        words.word < bindparam(f"high{place}"),
    )


def _sizes(session: Session, institution_id: UUID, words: list[str]) -> dict[str, int]:
    """Count the rows of these prefixes, long ones first; after a rare prefix the others are not counted."""
    sizes: dict[str, int] = {}
    for word in sorted(words, key=len, reverse=True):
        sizes[word] = _size(session, institution_id, word)
        if sizes[word] <= _MOST_READ:
            break
    return sizes


def _size(session: Session, institution_id: UUID, word: str) -> int:
    """Return the number of rows with a prefix, at most _MOST_COMPARED; of a frequent one, as counted a minute ago.

    An old number changes only how the members are found.
    """
    counted = _kept_sizes.get((institution_id, word))
    if counted is not None and time.monotonic() - counted[1] < _KEPT_SECONDS:
        return counted[0]
    values = {"institution": institution_id, "low": word, "high": word + LAST_LETTER}
    size: int = session.execute(_COUNT, values).scalar_one()
    if size >= _LEAST_KEPT:
        if len(_kept_sizes) >= _MOST_KEPT:
            _kept_sizes.clear()
        _kept_sizes[institution_id, word] = size, time.monotonic()
    return size


_COUNT = select(func.count()).select_from(
    select(literal_column("1"))
    .select_from(MemberWord.__table__)
    .where(_begins(MemberWord.__table__.c, ""))
    .limit(literal_column(str(_MOST_COMPARED)))
    .subquery()
)
