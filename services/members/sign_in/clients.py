"""Clients: programs of other systems that call the API with an id, a secret and one role."""

from __future__ import annotations

import hmac
import re
import secrets
from contextlib import suppress
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.database.sql import insert_ignore
from chassis.errors import Conflict, Invalid, NotFound, TooMany, Unauthenticated
from chassis.ids import new_id, parse_or_nil
from chassis.institutions import ended_sandboxes
from chassis.security.auth import Principal, read_claims
from services.members import roles
from services.members.keys import OVERLAP, public_keys
from services.members.sign_in.sessions import SECRET_BYTES, SEEN_STEP, hash_secret
from services.members.tables import Client, Institution, RevokedToken

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Of one client in the lifetime of its tokens, because every process reads the ids of all revoked tokens.
MOST_REVOKED = 1_000


def list_clients(session: Session) -> list[Client]:
    """Return the clients of the transaction's institution by name, including revoked ones."""
    return list(session.scalars(select(Client).order_by(Client.name)))


def get_client(session: Session, client_id: str) -> Client:
    """Return a client of the transaction's institution.

    raises  NotFound  CLIENT_NOT_FOUND
    """
    client = session.get(Client, parse_or_nil(client_id))
    if client is None:
        raise NotFound("CLIENT_NOT_FOUND", id=client_id[:80])
    return client


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


def revoke_sandbox_clients(session: Session) -> None:
    """Revoke the clients of the sandboxes that end within an hour."""
    of_sandbox = Client.institution_id.in_(ended_sandboxes(session, Institution))
    session.execute(update(Client).where(of_sandbox, Client.revoked_at.is_(None)).values(revoked_at=clock.now()))


def revoke_client(session: Session, client_id: str) -> Client:
    """Revoke a client by its id; a second call changes nothing.

    raises  NotFound  CLIENT_NOT_FOUND
    """
    client = get_client(session, client_id)
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


def principal_of(client: Client, scope: str = "") -> Principal:
    """Return the principal of an access token of a client.

    scope   scopes of the token, separated by spaces; "": all scopes of the client's role
    raises  Invalid  SCOPE_NOT_HELD
    """
    held = roles.scopes_of([client.role])
    requested = frozenset(scope.split()) or held
    if not requested <= held:
        raise Invalid("SCOPE_NOT_HELD", scopes=[scope[:80] for scope in sorted(requested - held)][:20])
    return Principal(
        id=str(client.id), institution=str(client.institution_id), session=str(client.id), scopes=requested
    )


def revoke_token(session: Session, client: Client, token: str) -> bool:
    """Revoke one access token of a client. Returns False for an invalid or unknown token (RFC 7009 §2.2).

    raises  Invalid  TOKEN_OF_OTHER_CLIENT
            TooMany  TOKENS_REVOKED_OFTEN
    """
    for key in public_keys(session):
        with suppress(Unauthenticated):
            claims = read_claims(token, key.public_key)
            break
    else:
        return False
    if claims["sid"] != str(client.id):
        raise Invalid("TOKEN_OF_OTHER_CLIENT")
    token_id, now = parse_or_nil(str(claims.get("jti", ""))), clock.now()
    if not token_id.int:
        return False
    is_recent = (RevokedToken.client_id == client.id, RevokedToken.revoked_at > now - OVERLAP)
    if (session.scalar(select(func.count()).select_from(RevokedToken).where(*is_recent)) or 0) >= MOST_REVOKED:
        raise TooMany("TOKENS_REVOKED_OFTEN", most=MOST_REVOKED, seconds=int(OVERLAP.total_seconds()))
    row = {"id": token_id, "institution_id": client.institution_id, "client_id": client.id, "revoked_at": now}
    insert_ignore(session, RevokedToken, [row])
    return True


def mark_used(session: Session, client_id: UUID) -> None:
    """Store the time of the client's last use."""
    session.execute(update(Client).where(Client.id == client_id).values(last_used_at=clock.now()))
