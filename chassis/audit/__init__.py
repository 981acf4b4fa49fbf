"""The audit: who did what, and when. Rows are only added; a job seals them into a chain of digests (`hash_chain`).

A row is written in the transaction of its act, but not chained there: a chain head that every act locks would serialise
lending. Rows name people by id. Personal values before and after an act are ciphertext from the caller. Digests cover
the ciphertext, so that a key can be destroyed without a change of the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, LargeBinary, String, Table, Text, insert
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.column_types import BigNumber, Id, UtcTime
from chassis.database.db import chassis_tables
from chassis.ids import new_id

acts = Table(
    "audit_acts",
    chassis_tables,
    # On SQLite the order of commits. On PostgreSQL assigned after the transaction has its id; see `hash_chain`.
    Column("number", BigNumber, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("at", UtcTime, nullable=False),
    Column("institution", String(64), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("session", String(64), nullable=False),
    Column("act", String(100), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("object", String(128), nullable=False),
    Column("facts", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=True),
    Column("request_id", String(64), nullable=False),
    sqlite_autoincrement=True,
)
Index("audit_acts_object", acts.c.kind, acts.c.object)
Index("audit_acts_actor", acts.c.actor)

seals = Table(
    "audit_seals",
    chassis_tables,
    Column("number", BigNumber, primary_key=True, autoincrement=False),
    Column("first", BigNumber, nullable=False),
    Column("last", BigNumber, nullable=False),
    Column("count", BigNumber, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("at", UtcTime, nullable=False),
)

_RECORD = insert(acts)  # built once, because every act runs it
APPEND_ONLY = (acts.name, seals.name)
NO_FACTS: Mapping[str, Any] = MappingProxyType({})


def record(
    session: Session,
    context: Context,
    act: str,
    *,
    kind: str,
    object_id: object,
    facts: Mapping[str, Any] = NO_FACTS,
    sealed: bytes | None = None,
) -> UUID:
    """Record an act in its own transaction. Returns the id of the row.

    act        "<service>.<verb>": members.register
    kind       kind of the object: member
    object_id  id of the object; stored as text
    facts      values of JSON types, without personal data
    sealed     ciphertext of personal values before and after the act
    """
    row = row_of(context, act, kind=kind, object_id=object_id, facts=facts, sealed=sealed)
    session.connection().execute(_RECORD, row)
    row_id: UUID = row["id"]
    return row_id


def row_of(
    context: Context,
    act: str,
    *,
    kind: str,
    object_id: object,
    facts: Mapping[str, Any] = NO_FACTS,
    sealed: bytes | None = None,
) -> dict[str, Any]:
    """Build the row of an act at this moment. Arguments as for `record`."""
    return {
        "id": new_id(),
        "at": clock.now(),
        "institution": context.institution,
        "actor": context.actor,
        "session": context.session,
        "act": act,
        "kind": kind,
        "object": str(object_id),
        "facts": json.dumps(dict(facts), ensure_ascii=True, sort_keys=True, separators=(",", ":")),
        "sealed": sealed,
        "request_id": context.request_id,
    }


def digest_of(
    previous: bytes, *, number: int, first: int, last: int, count: int, at: datetime, rows: Iterable[Sequence[Any]]
) -> bytes:
    """Return the digest of a seal: SHA-256 of the previous digest, the seal's own values, and its rows in order.

    The seal and each row is one line of JSON: numbers, texts, times in microseconds since 1970, ids and bytes in
    hexadecimal.

    previous  digest of the seal before; b"" for the first
    rows      in the order of the table's columns
    """
    digest = hashlib.sha256()
    for values in ((previous, number, first, last, count, at), *rows):
        digest.update(json.dumps([_plain(value) for value in values], separators=(",", ":")).encode() + b"\n")
    return digest.digest()


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case UUID():
            return value.hex
        case datetime():
            return round(value.timestamp() * 1_000_000)
        case _:
            return value
