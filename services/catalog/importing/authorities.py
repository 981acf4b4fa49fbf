"""Authority records of an import, stored with their forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from chassis.database.sql import in_parts, update_many
from chassis.ids import new_id
from services.catalog.importing.decode import IncomingAuthority, alternative_key
from services.catalog.marc.record import Record as Marc
from services.catalog.record.headings import authority_of, heading_sort
from services.catalog.tables import Authority, AuthorityForm, fresh_numbers

MOST_CACHED_KEYS = 300_000  # keys of one run; a second record under a forgotten key updates the first

DROPPED = b"dropped"  # in the fingerprint of a record that was deleted with its source
_HAS_FORMS = exists().where(AuthorityForm.authority_number == Authority.number)


@dataclass(slots=True)
class AuthorityDecision:
    """The changes of one batch: (key, incoming) of new records; (number, version, incoming) of changed ones.

    deleted  (number, version, fingerprint) of records that their source has marked as deleted
    """

    created: list[tuple[str, IncomingAuthority]] = field(default_factory=list)
    updated: list[tuple[int, int, IncomingAuthority]] = field(default_factory=list)
    deleted: list[tuple[int, int, bytes]] = field(default_factory=list)


def store_authorities(
    session: Session,
    batch: Sequence[IncomingAuthority],
    *,
    source_id: UUID,
    institution_id: UUID,
    met: dict[str, bytes],
    at: datetime,
) -> AuthorityDecision:
    """Store at most 500 authority records of one source with their forms. The caller holds lock_works.

    met  key -> fingerprint of this run: a different record under a key of this run is stored as another record
    """
    decision = decide(session, batch, source_id=source_id, met=met)
    rows: list[dict[str, Any]] = []
    forms: list[dict[str, Any]] = []
    for number, (key, incoming) in zip(
        fresh_numbers(session, Authority.number, len(decision.created)), decision.created, strict=True
    ):
        identity = {"number": number, "id": new_id(), "institution_id": institution_id, "source_id": source_id}
        rows.append({**identity, "control_key": key, "version": 1, **_columns(incoming, at)})
        forms += _forms(number, incoming.kind, incoming.forms)
    if rows:
        session.execute(insert(Authority.__table__), rows)  # type: ignore[arg-type]
    if decision.updated:
        changes = [
            {"number": number, "version": version + 1, **_columns(incoming, at)}
            for number, version, incoming in decision.updated
        ]
        update_many(session, Authority, changes, key="number")
        changed = [number for number, _version, _each in decision.updated]
        session.execute(delete(AuthorityForm).where(AuthorityForm.authority_number.in_(changed)))
        forms += [
            row
            for number, _version, incoming in decision.updated
            for row in _forms(number, incoming.kind, incoming.forms)
        ]
    if forms:
        session.execute(insert(AuthorityForm.__table__), forms)  # type: ignore[arg-type]
    delete_authorities(session, decision.deleted)
    return decision


def delete_authorities(session: Session, rows: Sequence[tuple[int, int, bytes]], *, why: bytes = b"deleted") -> None:
    """Delete the forms of authority records, given as (number, version, fingerprint); a later record restores them."""
    for chunk in in_parts(rows):
        changes = [
            {"number": number, "version": version + 1, "fingerprint": sha256(why + fingerprint).digest()}
            for number, version, fingerprint in chunk
        ]
        update_many(session, Authority, changes, key="number")
        numbers = [number for number, _version, _fingerprint in chunk]
        session.execute(delete(AuthorityForm).where(AuthorityForm.authority_number.in_(numbers)))


def used_authorities(session: Session, source_id: UUID) -> list[tuple[int, int, bytes]]:
    """Return the authority records of a source whose forms are in use: number, version, fingerprint."""
    columns = select(Authority.number, Authority.version, Authority.fingerprint)
    rows = session.execute(columns.where(Authority.source_id == source_id, _HAS_FORMS).order_by(Authority.number))
    return [(row.number, row.version, row.fingerprint) for row in rows]


def restore_authorities(session: Session, source_id: UUID) -> int:
    """Restore the authority records that delete_authorities deleted as DROPPED. Returns their number."""
    columns = select(Authority.number, Authority.version, Authority.fingerprint, Authority.marc)
    forms: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for row in session.execute(columns.where(Authority.source_id == source_id, ~_HAS_FORMS)):
        record = Marc.unpack(row.marc)
        fingerprint = record.fingerprint()
        if row.fingerprint == sha256(DROPPED + fingerprint).digest():
            changes.append({"number": row.number, "version": row.version + 1, "fingerprint": fingerprint})
            authority = authority_of(record)
            forms += _forms(row.number, authority.kind, authority.forms)
    update_many(session, Authority, changes, key="number")
    if forms:
        session.execute(insert(AuthorityForm.__table__), forms)  # type: ignore[arg-type]
    return len(changes)


def decide(
    session: Session, batch: Sequence[IncomingAuthority], *, source_id: UUID | None, met: dict[str, bytes]
) -> AuthorityDecision:
    """Decide for each record whether it is new, changed or unchanged, and add it to `met`. A dry run only decides."""
    keys = [incoming.key for incoming in batch] + [alternative_key(incoming) for incoming in batch]
    rows = session.execute(
        select(
            *(Authority.control_key, Authority.number, Authority.version, Authority.fingerprint),
            _HAS_FORMS.label("has_forms"),
        ).where(Authority.source_id == source_id, Authority.control_key.in_(keys))
    ).all()
    stored = {row.control_key: row for row in rows}
    decision = AuthorityDecision()
    if len(met) > MOST_CACHED_KEYS:
        met.clear()
    for incoming in batch:
        key = incoming.key
        if incoming.deletes:
            met.pop(key, None)
            if (row := stored.get(key)) is not None and row.has_forms:
                decision.deleted.append((row.number, row.version, row.fingerprint))
            continue
        if met.get(key, incoming.fingerprint) != incoming.fingerprint or alternative_key(incoming) in stored:
            key = alternative_key(incoming)
        row = stored.get(key)
        if met.get(key) == incoming.fingerprint:
            continue
        met[key] = incoming.fingerprint
        if row is None:
            decision.created.append((key, incoming))
        elif row.fingerprint != incoming.fingerprint:
            decision.updated.append((row.number, row.version, incoming))
    return decision


def _columns(incoming: IncomingAuthority, at: datetime) -> dict[str, Any]:
    return {
        "kind": incoming.kind,
        "heading": incoming.heading,
        "fingerprint": incoming.fingerprint,
        "marc": incoming.marc,
        "updated_at": at,
    }


def _forms(number: int, kind: str, forms: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "authority_number": number,
            "position": position,
            "kind": kind,
            "relation": relation,
            "text": text,
            "sort": heading_sort(text),
        }
        for position, (relation, text) in enumerate(forms)
    ]
