"""The rows of new members, built before anything is written: one member of the desk, or a batch of an import."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from chassis.errors import Refusal
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, MemberKey
from rangkiang.members.v1 import people_pb2 as wire
from services.members.people import names, sealed
from services.members.people.values import FIELDS, SEALED
from services.members.tables import Card, Consent, Evidence, Member, MemberLookup, MemberWord

QR_BYTES = 10
# Answers of one member about consents, given and withdrawn.
MOST_CONSENTS = 200
# Fields that are stored unchanged in columns of texts.
COLUMNS = tuple(
    column.name for column in Member.__table__.columns if column.name in FIELDS and column.type.python_type is str
)


@dataclass(slots=True)
class Draft:
    """The rows of one new member, by table."""

    member: dict[str, Any]
    cards: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    lookups: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    consents: list[dict[str, Any]] = field(default_factory=list)


def draft(
    values: Mapping[str, str], *, institution_id: UUID, master: MasterKey, at: datetime, expires_on: date | None,
    hashes: Mapping[str, bytes],
) -> Draft:  # fmt: skip
    """Build the rows of a member without a number.

    values  stored forms of the fields
    hashes  kind -> keyed hash for search
    """
    member_id = new_id()
    key, wrapped = MemberKey.new(master, member=str(member_id))
    born = values.get("birth_date", "")
    guardian = values.get("guardian_id", "")
    member: dict[str, Any] = {
        **{column: values.get(column, "") for column in COLUMNS},
        "id": member_id,
        "institution_id": institution_id,
        "number": None,
        "version": 1,
        "changed_at": at,
        "changed_fields": {},
        "language": values.get("language") or "id",
        "birth_year": int(born[:4]) if born else 0,
        "guardian_id": UUID(guardian) if guardian else None,
        "registered_at": at,
        "expires_on": expires_on,
        "wrapped_key": wrapped,
        "sealed": sealed.seal(values, key),
        "open_loans": 0,
        "open_fees": 0,
        "merged_into": None,
        "erased_at": None,
    }
    rows = Draft(member)
    rows.words = word_rows(values, institution_id=institution_id, member_id=member_id)
    rows.lookups = lookup_rows(hashes, institution_id=institution_id, member_id=member_id)
    return rows


def word_rows(values: Mapping[str, str], *, institution_id: UUID, member_id: UUID) -> list[dict[str, Any]]:
    """Return the rows of a member's search words."""
    name = values.get("name", "")
    texts = (values.get("school", ""), values.get("group", ""), values.get("responsible_name", ""))
    name_key, words = names.stored_words(name, *texts)
    letters = names.letters_of(words)
    return [
        {
            "institution_id": institution_id,
            "word": word,
            "name_key": name_key,
            "member_id": member_id,
            "letters": letters,
        }
        for word in sorted(words)
    ]


def lookup_rows(hashes: Mapping[str, bytes], *, institution_id: UUID, member_id: UUID) -> list[dict[str, Any]]:
    """Return the rows of keyed hashes. hashes: kind -> hash."""
    row = {"institution_id": institution_id, "member_id": member_id}
    return [{**row, "kind": kind, "hash": value} for kind, value in hashes.items()]


def card_row(
    code: str, kind: str, *, institution_id: UUID, member_id: UUID, at: datetime, has_qr: bool = False
) -> dict[str, Any]:
    """Return the row of a valid card or alias."""
    return {
        "id": new_id(),
        "institution_id": institution_id,
        "member_id": member_id,
        "code": code,
        "kind": kind,
        "state": "active",
        "qr": os.urandom(QR_BYTES) if has_qr else b"",
        "issued_at": at,
        "ended_at": None,
    }


def evidence_rows(
    kinds: Iterable[str], *, institution_id: UUID, member_id: UUID, by: str, at: datetime
) -> list[dict[str, Any]]:
    row = {"institution_id": institution_id, "member_id": member_id, "seen_by": by, "at": at}
    return [{**row, "id": new_id(), "kind": kind} for kind in dict.fromkeys(kinds)]


def consent_rows(
    given: Iterable[wire.Consent], *, institution_id: UUID, member_id: UUID, by: str, at: datetime
) -> list[dict[str, Any]]:
    row = {"institution_id": institution_id, "member_id": member_id, "by": by, "at": at}
    return [
        {
            **row,
            "id": new_id(),
            "purpose": consent.purpose,
            "text_version": consent.text_version,
            "given": consent.given,
            "how": consent.how,
            "by_guardian": consent.by_guardian,
        }
        for consent in given
    ]


def refuse_many_consents(session: Session, member_id: UUID, given: Sequence[wire.Consent]) -> list[Refusal]:
    """A member has at most MOST_CONSENTS answers, and may always withdraw a consent that is valid."""
    if not given:
        return []
    answers = session.execute(
        select(Consent.purpose, Consent.given).where(Consent.member_id == member_id).order_by(Consent.at, Consent.id)
    ).all()
    valid = {row.purpose: row.given for row in answers}
    is_withdrawal = all(not consent.given and valid.get(consent.purpose) for consent in given)
    if len(answers) + len(given) <= MOST_CONSENTS or is_withdrawal:
        return []
    return [Refusal("CONSENTS_TOO_MANY", most=MOST_CONSENTS)]


def write(session: Session, drafts: Sequence[Draft]) -> None:
    """Insert the rows of new members."""
    _insert(session, Member, [draft.member for draft in drafts])
    for table, part, key in (
        (Card, "cards", None), (MemberWord, "words", _WORD_KEY), (MemberLookup, "lookups", _LOOKUP_KEY),
        (Evidence, "evidence", None), (Consent, "consents", None),
    ):  # fmt: skip
        rows = [row for draft in drafts for row in getattr(draft, part)]
        # In the order of the table's key, so that rows beside each other change a page of the file once.
        _insert(session, table, sorted(rows, key=key) if key and len(drafts) > 1 else rows)


_WORD_KEY, _LOOKUP_KEY = itemgetter("word", "name_key"), itemgetter("kind", "hash")


def write_cards(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert rows of cards."""
    _insert(session, Card, rows)


def _insert(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table.__table__), rows)


def plain_values(member: Member) -> dict[str, str]:
    """Return the values of a stored member's fields that are not sealed."""
    return {column: getattr(member, column) for column in COLUMNS} | {
        "guardian_id": str(member.guardian_id or ""),
        "expires_on": member.expires_on.isoformat() if member.expires_on else "",
    }


def all_values(member: Member, master: MasterKey) -> dict[str, str]:
    """Return the values of all fields of a stored member."""
    return plain_values(member) | sealed.open_values(member, master)


def is_sealed(name: str) -> bool:
    return name in SEALED
