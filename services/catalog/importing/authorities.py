"""Authority records of an import: each is stored with the forms it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chassis.ids import new_id
from chassis.sql import update_many
from services.catalog.importing.decode import IncomingAuthority, alternative_key
from services.catalog.record.headings import heading_sort
from services.catalog.tables import Authority, AuthorityForm, fresh_numbers

REMEMBERED = 300_000  # keys of one run; a forgotten key would be updated instead of stored a second time


@dataclass(slots=True)
class AuthorityCounts:
    """The changes of one batch: (key, incoming) of new records; (number, version, incoming) of changed ones."""

    created: list[tuple[str, IncomingAuthority]] = field(default_factory=list)
    updated: list[tuple[int, int, IncomingAuthority]] = field(default_factory=list)


def store_authorities(
    session: Session,
    batch: Sequence[IncomingAuthority],
    *,
    source_id: UUID,
    institution_id: UUID,
    met: dict[str, bytes],
    at: datetime,
) -> AuthorityCounts:
    """Store at most 500 authority records of one source with their forms. The caller holds lock_works.

    met  keys of this run with their fingerprints: a second, different record under one key is another record
    """
    decided = decide(session, batch, source_id=source_id, met=met)
    rows: list[dict[str, Any]] = []
    forms: list[dict[str, Any]] = []
    for number, (key, each) in zip(
        fresh_numbers(session, Authority.number, len(decided.created)), decided.created, strict=True
    ):
        identity = {"number": number, "id": new_id(), "institution_id": institution_id, "source_id": source_id}
        rows.append({**identity, "control_key": key, "version": 1, **_said(each, at)})
        forms += _forms(number, each)
    if rows:
        session.execute(insert(Authority.__table__), rows)  # type: ignore[arg-type]
    if decided.updated:
        changes = [
            {"number": number, "version": version + 1, **_said(each, at)} for number, version, each in decided.updated
        ]
        update_many(session, Authority, changes, key="number")
        changed = [number for number, _version, _each in decided.updated]
        session.execute(delete(AuthorityForm).where(AuthorityForm.authority_number.in_(changed)))
        forms += [row for number, _version, each in decided.updated for row in _forms(number, each)]
    if forms:
        session.execute(insert(AuthorityForm.__table__), forms)  # type: ignore[arg-type]
    return decided


def decide(
    session: Session, batch: Sequence[IncomingAuthority], *, source_id: UUID | None, met: dict[str, bytes]
) -> AuthorityCounts:
    """Decide for each record whether it is new, changed or unchanged; add it to `met`. A dry run calls only this."""
    keys = [each.key for each in batch] + [alternative_key(each) for each in batch]
    rows = session.execute(
        select(Authority.control_key, Authority.number, Authority.version, Authority.fingerprint).where(
            Authority.source_id == source_id, Authority.control_key.in_(keys)
        )
    ).all()
    there = {row.control_key: row for row in rows}
    decided = AuthorityCounts()
    if len(met) > REMEMBERED:
        met.clear()
    for each in batch:
        key = each.key
        if met.get(key, each.fingerprint) != each.fingerprint or alternative_key(each) in there:
            key = alternative_key(each)
        known = there.get(key)
        if met.get(key) == each.fingerprint:
            continue
        met[key] = each.fingerprint
        if known is None:
            decided.created.append((key, each))
        elif known.fingerprint != each.fingerprint:
            decided.updated.append((known.number, known.version, each))
    return decided


def _said(incoming: IncomingAuthority, at: datetime) -> dict[str, Any]:
    return {
        "kind": incoming.kind,
        "heading": incoming.heading,
        "fingerprint": incoming.fingerprint,
        "marc": incoming.marc,
        "updated_at": at,
    }


def _forms(number: int, incoming: IncomingAuthority) -> list[dict[str, Any]]:
    return [
        {
            "authority_number": number,
            "position": position,
            "kind": incoming.kind,
            "relation": relation,
            "text": text,
            "sort": heading_sort(text),
        }
        for position, (relation, text) in enumerate(incoming.forms)
    ]
