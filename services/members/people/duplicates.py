"""Likely duplicates of a new member: members with the same name, birth date, phone, e-mail or school, with a score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from chassis.errors import Refusal
from services.members.people import names
from services.members.people.search import load
from services.members.tables import MemberLookup, MemberWord

LIKELY = 50
MOST_SHOWN = 5
_MOST_CANDIDATES = 50
# Points of each reason. Parents give their phone number for several children, so it is not enough by itself.
_POINTS = {
    "same_name": 50,
    "similar_name": 30,
    "same_birth_date": 40,
    "same_phone": 30,
    "same_email": 30,
    "same_school": 10,
}
_OTHER_BIRTH_DATE = -30
_FOUND_BY = {"birth_date": "same_birth_date", "phone": "same_phone", "email": "same_email"}


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A member who may be the same person. score: from 50 (LIKELY) to 100."""

    member_id: UUID
    number: str
    score: int
    reasons: tuple[str, ...]

    def refusal(self) -> Refusal:
        return Refusal(
            "MEMBER_LIKELY_DUPLICATE",
            member=str(self.member_id),
            number=self.number,
            score=self.score,
            reasons=[*self.reasons],
        )


def find_duplicates(
    session: Session, institution_id: UUID, values: Mapping[str, str], hashes: Mapping[str, bytes]
) -> list[Duplicate]:
    """Return at most five likely duplicates of a person who is not stored yet, the highest score first.

    values  stored forms by field
    hashes  kind -> keyed hash of a sealed value
    """
    reasons: dict[UUID, set[str]] = defaultdict(set)
    lookup = MemberLookup
    for kind, reason in _FOUND_BY.items():
        if kind in hashes:
            rows = session.scalars(
                select(lookup.member_id)
                .where(lookup.institution_id == institution_id, lookup.kind == kind, lookup.hash == hashes[kind])
                .limit(_MOST_CANDIDATES)
            )
            for member_id in rows:
                reasons[member_id].add(reason)
    words = names.name_words(values["name"])
    candidates = {*reasons, *_of_name(session, institution_id, words)}
    duplicates = []
    for member in load(session, sorted(candidates)):
        duplicate = _judge(member, words, values, reasons[member.id])
        if duplicate is not None:
            duplicates.append(duplicate)
    duplicates.sort(key=lambda duplicate: (-duplicate.score, duplicate.member_id))
    return duplicates[:MOST_SHOWN]


def _judge(member: Any, words: list[str], values: Mapping[str, str], reasons: set[str]) -> Duplicate | None:
    reasons = set(reasons)
    theirs = names.name_words(member.name)
    likeness = _compare(words, theirs)
    if likeness:
        reasons.add(likeness)
    if values.get("school") and (member.school, member.group) == (values["school"], values.get("group", "")):
        reasons.add("same_school")
    score = sum(_POINTS[reason] for reason in reasons)
    born = values.get("birth_date", "")
    if born and member.birth_year and "same_birth_date" not in reasons:
        score += _OTHER_BIRTH_DATE
    if score < LIKELY or not reasons & {"same_name", "similar_name", "same_birth_date"}:
        return None
    return Duplicate(member.id, member.number or "", min(score, 100), tuple(sorted(reasons)))


def _compare(words: list[str], others: list[str]) -> str:
    """Return "same_name", "similar_name" (one name has more words, or one word differs by a letter), or ""."""
    if not words or not others:
        return ""
    ours, theirs = set(words), set(others)
    if ours == theirs:
        # Many people have only one name, and the same one.
        return "same_name" if len(ours) > 1 else "similar_name"
    if len(ours & theirs) >= 2 and (ours <= theirs or theirs <= ours):
        return "similar_name"
    left, right = sorted(ours - theirs), sorted(theirs - ours)
    if len(left) == len(right) == 1 and len(ours) >= 2 and _is_near(left[0], right[0]):
        return "similar_name"
    return ""


def _is_near(word: str, other: str) -> bool:
    """Return whether two words differ by one letter, which is changed, added or missing."""
    if abs(len(word) - len(other)) > 1 or min(len(word), len(other)) < 3:
        return False
    short, long = sorted((word, other), key=len)
    same = next((index for index, letter in enumerate(short) if letter != long[index]), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]


def _of_name(session: Session, institution_id: UUID, words: list[str]) -> list[UUID]:
    """Return ids of members whose search words include the two longest words of a name."""
    if not words:
        return []
    chosen = sorted(words, key=len, reverse=True)[:2]
    statement = select(MemberWord.member_id).where(
        MemberWord.institution_id == institution_id, MemberWord.word == chosen[0]
    )
    for word in chosen[1:]:
        other = aliased(MemberWord)
        statement = statement.where(
            exists().where(
                other.institution_id == institution_id, other.word == word, other.member_id == MemberWord.member_id
            )
        )
    key = " ".join(words)[: names.LONGEST_NAME_KEY].rstrip()
    same = session.scalars(statement.where(MemberWord.name_key == key).limit(_MOST_CANDIDATES))
    return [*same, *session.scalars(statement.limit(_MOST_CANDIDATES))]
