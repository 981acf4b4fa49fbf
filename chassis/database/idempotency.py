"""Writes that run once: the reply to an Idempotency-Key is stored in the transaction of its effect.

A method declares the option `keyed`, and its servicer runs the act through `once`. Only successful acts are stored: a
refusal rolls back, and a repeated call is decided again. Keys and requests are stored as digests. Replies are stored in
plain form, so a reply names people by id, and a reply with a secret is not kept.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, LargeBinary, String, Table, bindparam, delete, insert, select, text
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import REPLAYED, Context
from chassis.database.column_types import UtcTime
from chassis.database.db import chassis_tables
from chassis.errors import Conflict, KeyReused, Refused

if TYPE_CHECKING:
    from google.protobuf.message import Message

RETENTION = timedelta(hours=48)

effects = Table(
    "effects",
    chassis_tables,
    # SHA-256 of client, method and key
    Column("scope", LargeBinary(32), primary_key=True),
    Column("method", String(200), nullable=False),
    # HMAC-SHA-256 of the request under the key
    Column("request", LargeBinary(32), nullable=False),
    # NULL if the reply is not kept
    Column("reply", LargeBinary, nullable=True),
    Column("at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False, index=True),
)

# Built once, because every act at a desk runs them.
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_EFFECT = select(effects).where(effects.c.scope == bindparam("key_scope"))
_FORGET = delete(effects).where(effects.c.scope == bindparam("key_scope"))
_STORE = insert(effects).inline()

Reply = TypeVar("Reply", bound="Message")


def once(
    session: Session,
    caller: Context,
    request: Message,
    reply_type: type[Reply],
    act: Callable[[], Reply],
    *,
    keep_reply: bool = True,
    retention: timedelta = RETENTION,
) -> Reply:
    """Run an act and store its reply; for a repeated call, return the stored reply without running the act.

    A key is valid for one client (the session, else the actor; readers without sign-in are one client) and one method.
    On SQLite a repeated call waits for the transaction of the first.

    session     session of the act's transaction, at its beginning; on PostgreSQL the key is locked until its end
    act         runs in that transaction; a refusal stores nothing
    keep_reply  False for a reply with a secret: a repeated call is then refused, because the secret is not stored
    retention   how long the key is stored
    raises      KeyReused  IDEMPOTENCY_KEY_REUSED  the key belongs to another request
                Conflict   IDEMPOTENCY_KEY_IN_USE  PostgreSQL: the first call still runs
                Refused    REPLY_NOT_KEPT          the act was done, without a stored reply
    """
    if not caller.key:
        raise ValueError(f"{caller.method}: a method that stores its replies has the option `keyed`")
    scope = _scope(caller)
    body = _body(caller, request)
    connection = session.connection()
    is_locked = (
        connection.dialect.name != "postgresql" or connection.execute(_TRY_LOCK, {"lock": _lock(scope)}).scalar_one()
    )
    if not is_locked:
        raise Conflict("IDEMPOTENCY_KEY_IN_USE")
    row = connection.execute(_EFFECT, {"key_scope": scope}).first()
    now = clock.now()
    if row is not None and row.until > now:
        return _replay(row, body, caller, reply_type)
    if row is not None:
        connection.execute(_FORGET, {"key_scope": scope})
    reply = act()
    stored = {"scope": scope, "method": caller.method, "request": body, "at": now, "until": now + retention}
    stored_reply = reply.SerializeToString() if keep_reply else None
    connection.execute(_STORE, {**stored, "reply": stored_reply})
    return reply


def _replay(row: Any, body: bytes, caller: Context, reply_type: type[Reply]) -> Reply:
    if row.request != body:
        raise KeyReused("IDEMPOTENCY_KEY_REUSED", used_at=clock.utc_text(row.at))
    if row.reply is None:
        raise Refused("REPLY_NOT_KEPT", done_at=clock.utc_text(row.at))
    caller.trailers[REPLAYED] = "1"
    return reply_type.FromString(row.reply)


def _body(caller: Context, request: Message) -> bytes:
    return hmac.digest(caller.key.encode(), request.SerializeToString(deterministic=True), "sha256")


def _scope(caller: Context) -> bytes:
    return _digest(caller.session or caller.actor, caller.method, caller.key)


def _lock(scope: bytes) -> int:
    return int.from_bytes(scope[:8], signed=True)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
