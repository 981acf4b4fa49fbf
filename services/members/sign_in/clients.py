"""Clients: programs of other systems that call the API with an id, a secret and one role."""

from __future__ import annotations

import hmac
import re
import secrets
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.errors import Conflict, Invalid, NotFound, Unauthenticated
from chassis.ids import new_id, parse_or_nil
from chassis.security.auth import Principal
from services.members import roles
from services.members.sign_in.sessions import SECRET_BYTES, SEEN_STEP, hash_secret
from services.members.tables import Client

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def list_clients(session: Session) -> list[Client]:
    """Return the clients of the transaction's institution by name, including revoked ones."""
    return list(session.scalars(select(Client).order_by(Client.name)))


def add_client(
    session: Session, *, institution_id: UUID, name: str, role: str, context: Context, granter: frozenset[str] | None
) -> tuple[Client, str]:
    """Add a client; return it and its secret, of which only the hash is stored.

    granter  scopes of the person who adds it; None for the operator
    raises   Invalid    CLIENT_NAME_INVALID, ROLE_UNKNOWN
             Forbidden  ROLE_NOT_YOURS
             Conflict   CLIENT_EXISTS
    """
    if not _NAME.fullmatch(name):
        raise Invalid("CLIENT_NAME_INVALID", given=name[:80])
    roles.check_grant([role], granter=granter)
    exists = select(Client.id).where(Client.institution_id == institution_id, Client.name == name)
    if session.scalar(exists) is not None:
        raise Conflict("CLIENT_EXISTS", name=name)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    client = Client(
        id=new_id(),
        institution_id=institution_id,
        name=name,
        role=role,
        secret_hash=hash_secret(secret),
        added_by=context.actor,
        added_at=clock.now(),
        last_used_at=None,
        revoked_at=None,
    )
    session.add(client)
    session.flush()
    return client, secret


def revoke_client(session: Session, client_id: str) -> Client:
    """Revoke a client by its id; a second call changes nothing.

    raises  NotFound  CLIENT_NOT_FOUND
    """
    client = session.get(Client, parse_or_nil(client_id))
    if client is None:
        raise NotFound("CLIENT_NOT_FOUND", id=client_id[:80])
    if client.revoked_at is None:
        client.revoked_at = clock.now()
        session.flush()
    return client


def check_client(session: Session, client_id: str, secret: str) -> Client:
    """Return the client that has this secret. Raises Unauthenticated CLIENT_REFUSED."""
    client = session.get(Client, parse_or_nil(client_id))
    stored = client.secret_hash if client is not None else b""
    matches = hmac.compare_digest(stored, hash_secret(secret))
    if client is None or not matches or client.revoked_at is not None:
        raise Unauthenticated("CLIENT_REFUSED")
    return client


def is_use_due(client: Client) -> bool:
    """Return whether the time of the last use is old enough to be written again."""
    return client.last_used_at is None or client.last_used_at + SEEN_STEP <= clock.now()


def principal_of(client: Client) -> Principal:
    """Return the principal of a client's access tokens."""
    return Principal(
        id=str(client.id),
        institution=str(client.institution_id),
        session=str(client.id),
        scopes=roles.scopes_of([client.role]),
    )


def mark_used(session: Session, client_id: UUID) -> None:
    """Store the time of the client's last use."""
    session.execute(update(Client).where(Client.id == client_id).values(last_used_at=clock.now()))
