"""Sessions: a secret in a cookie or a program, with which access tokens of five minutes are issued."""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session as DatabaseSession

from chassis import clock
from chassis.errors import Unauthenticated
from chassis.ids import new_id, parse_or_nil
from chassis.security.auth import Principal
from services.members.keys import OVERLAP
from services.members.roles import MEMBER, scopes_of
from services.members.settings import MembersSettings
from services.members.tables import Account, AccountRole, Client, RevokedToken, Session

SECRET_BYTES = 24
KEPT = timedelta(days=30)  # of ended sessions, so that staff can find out who signed in
# `last_seen_at` and `last_used_at` are written at most once in this time.
SEEN_STEP = timedelta(minutes=1)
# Longest time without a request on a shared computer, where browsers may restore the cookie of a closed window.
SHARED_IDLE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session with its account, its roles and the principal of its access tokens."""

    session: Session
    account: Account
    roles: tuple[str, ...]

    @property
    def principal(self) -> Principal:
        return Principal(
            id=str(self.account.id),
            institution=str(self.account.institution_id),
            session=str(self.session.id),
            scopes=scopes_of(self.roles),
        )


def begin_session(session: DatabaseSession, account: Account, *, is_shared: bool = False) -> tuple[str, SignedIn]:
    """Begin a session; return its new secret, of which only the hash is stored, and the session."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    now = clock.now()
    row = Session(
        id=new_id(),
        institution_id=account.institution_id,
        account_id=account.id,
        secret_hash=hash_secret(secret),
        began_at=now,
        last_seen_at=now,
        ended_at=None,
        is_shared=is_shared,
    )
    session.add(row)
    account.last_sign_in_at = now
    session.flush()
    return secret, SignedIn(row, account, roles_of(session, account))


def find_session(session: DatabaseSession, secret: str, settings: MembersSettings) -> SignedIn:
    """Return the open session of a secret.

    raises  Unauthenticated  SESSION_ENDED  also for an unknown secret, and after too long a time without a request
    """
    row = session.scalars(select(Session).where(Session.secret_hash == hash_secret(secret))).first()
    account = None if row is None else session.get(Account, row.account_id)
    if row is None or account is None or row.ended_at is not None or account.closed_at is not None:
        raise Unauthenticated("SESSION_ENDED")
    idle = (
        timedelta(days=settings.member_idle_days)
        if account.is_member
        else timedelta(minutes=settings.staff_idle_minutes)
    )
    if row.is_shared:
        idle = min(idle, SHARED_IDLE)
    if row.last_seen_at + idle <= clock.now():
        raise Unauthenticated("SESSION_ENDED")
    return SignedIn(row, account, roles_of(session, account))


def is_seen_due(row: Session) -> bool:
    """Return whether the time of the last request is old enough to be written again."""
    return row.last_seen_at + SEEN_STEP <= clock.now()


def mark_seen(session: DatabaseSession, session_id: UUID) -> None:
    """Store the time of the session's last request."""
    session.execute(
        update(Session).where(Session.id == session_id, Session.ended_at.is_(None)).values(last_seen_at=clock.now())
    )


def end_session(session: DatabaseSession, secret: str) -> UUID | None:
    """End the session of a secret; return its account, None when no session was open."""
    row = session.scalars(select(Session).where(Session.secret_hash == hash_secret(secret))).first()
    if row is None or row.ended_at is not None:
        return None
    row.ended_at = clock.now()
    session.flush()
    return row.account_id


def end_sessions(session: DatabaseSession, account_id: UUID, *, keep: UUID | None = None) -> None:
    """End the open sessions of an account, except `keep`."""
    open_ones = [Session.account_id == account_id, Session.ended_at.is_(None)]
    if keep is not None:
        open_ones.append(Session.id != keep)
    session.execute(update(Session).where(*open_ones).values(ended_at=clock.now()))


def revoked(session: DatabaseSession) -> list[str]:
    """Return the ids of ended sessions, revoked clients and revoked tokens whose access may not have expired."""
    oldest: datetime = clock.now() - OVERLAP
    ended = session.scalars(select(Session.id).where(Session.ended_at > oldest))
    clients = session.scalars(select(Client.id).where(Client.revoked_at > oldest))
    tokens = session.scalars(select(RevokedToken.id).where(RevokedToken.revoked_at > oldest))
    return [str(row_id) for row_id in (*ended, *clients, *tokens)]


def hash_secret(secret: str) -> bytes:
    """Return the stored form of a random secret. The secret has 192 bits, so a slow hash is not needed."""
    return hashlib.sha256(secret.encode()).digest()


def roles_of(session: DatabaseSession, account: Account) -> tuple[str, ...]:
    """Return the codes of an account's roles, in order."""
    if account.is_member:
        return (MEMBER,)
    codes = session.scalars(
        select(AccountRole.role).where(AccountRole.account_id == account.id).order_by(AccountRole.role)
    )
    return tuple(codes)


def held_scopes(session: DatabaseSession, ids: Iterable[str]) -> dict[UUID, frozenset[str]]:
    """Return the scopes of staff accounts and clients; closed, revoked and unknown ones are left out."""
    holders = [parse_or_nil(holder_id) for holder_id in ids]
    staff = select(AccountRole.account_id, AccountRole.role).join(Account, Account.id == AccountRole.account_id)
    programs = select(Client.id, Client.role).where(Client.id.in_(holders), Client.revoked_at.is_(None))
    roles = defaultdict[UUID, list[str]](list)
    for query in (staff.where(Account.id.in_(holders), Account.closed_at.is_(None)), programs):
        for holder_id, role in session.execute(query):
            roles[holder_id].append(role)
    return {holder_id: scopes_of(codes) for holder_id, codes in roles.items()}


def forget_old(session: DatabaseSession) -> None:
    """Delete sessions that ended a month ago, those without a request for a year, and revoked tokens that expired."""
    now = clock.now()
    session.execute(delete(RevokedToken).where(RevokedToken.revoked_at < now - OVERLAP))
    session.execute(
        delete(Session).where(or_(Session.ended_at < now - KEPT, Session.last_seen_at < now - timedelta(days=366)))
    )
