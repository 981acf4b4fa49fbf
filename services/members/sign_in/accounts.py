"""Accounts of staff, with roles and a one-time link for the first password. Members have password codes instead."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import Context
from chassis.errors import Conflict, Forbidden, Invalid, NotFound, Outdated
from chassis.ids import new_id, parse_or_nil
from chassis.security.encryption import MasterKey
from services.members import roles
from services.members.settings import MembersSettings
from services.members.sign_in import passwords, second_factor
from services.members.sign_in.sessions import end_sessions, roles_of
from services.members.tables import Account, AccountRole, Link, Member

LINK_LIFE = timedelta(hours=24)
LINKS_KEPT = timedelta(days=30)  # after their end
LONGEST_NAME = 120
MOST_NAMES = 200  # of one call
_USER = re.compile(r"[a-z][a-z0-9._-]{2,31}")


@dataclass(frozen=True, slots=True)
class Staff:
    """An account of staff with its roles."""

    account: Account
    roles: tuple[str, ...]


def list_staff(session: Session) -> list[Staff]:
    """Return the staff of the transaction's institution by name; closed accounts are not listed."""
    rows = session.execute(
        select(Account, AccountRole.role)
        .outerjoin(AccountRole, AccountRole.account_id == Account.id)
        .where(~Account.is_member, Account.closed_at.is_(None))
        .order_by(func.lower(Account.name), Account.user, AccountRole.role)
    )
    people: dict[UUID, tuple[Account, list[str]]] = {}
    for account, role in rows:
        people.setdefault(account.id, (account, []))[1].extend([role] if role else [])
    return [Staff(account, tuple(codes)) for account, codes in people.values()]


def names_of_staff(session: Session, account_ids: Sequence[str]) -> dict[str, str]:
    """Return id -> name of staff of the institution, also with closed accounts; of the first MOST_NAMES ids."""
    ids = {parse_or_nil(account_id) for account_id in account_ids[:MOST_NAMES]}
    query = select(Account.id, Account.name).where(Account.id.in_(ids), ~Account.is_member)
    return {str(account_id): name for account_id, name in session.execute(query)}


def get_staff(session: Session, account_id: str) -> Staff:
    """Return a member of staff of the transaction's institution, also one whose account is closed.

    raises  NotFound  STAFF_NOT_FOUND
    """
    account = staff_account(session, account_id)
    return Staff(account, roles_of(session, account))


def add_staff(
    session: Session, *, institution_id: UUID, user: str, name: str, role_codes: Sequence[str], context: Context,
    granter: frozenset[str] | None,
) -> Staff:  # fmt: skip
    """Add a member of staff, without a password.

    granter  scopes of the person who adds them; None for the operator
    raises   Invalid    USER_NAME_INVALID, NAME_INVALID, ROLE_UNKNOWN, ROLE_MISSING
             Forbidden  ROLE_NOT_YOURS
             Conflict   USER_NAME_TAKEN  in the session's institutions; `refuse_taken_name` looks in all
    """
    user = user_name(user)
    if not _USER.fullmatch(user):
        raise Invalid("USER_NAME_INVALID", given=user[:40])
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise Invalid("NAME_INVALID", longest=LONGEST_NAME)
    if not role_codes:
        raise Invalid("ROLE_MISSING")
    roles.check_grant(role_codes, granter=granter)
    refuse_taken_name(session, user)
    account = Account(
        id=new_id(),
        institution_id=institution_id,
        user=user,
        name=name,
        is_member=False,
        password_hash="",
        password_at=None,
        totp_secret=b"",
        totp_counter=0,
        created_at=clock.now(),
        last_sign_in_at=None,
        closed_at=None,
        roles_version=1,
        roles_at=None,
    )
    session.add(account)
    session.flush()
    _store_roles(session, account, role_codes, context)
    return Staff(account, tuple(sorted(set(role_codes))))


def set_roles(session: Session, account_id: str, role_codes: Sequence[str], *, version: int, context: Context) -> Staff:
    """Replace the roles of a member of staff and end their sessions; without roles the account is closed.

    version  version of the roles that the caller has read
    raises   NotFound   STAFF_NOT_FOUND  also for staff of another institution
             Outdated   VERSION_OUTDATED
             Invalid    ROLE_UNKNOWN
             Forbidden  ROLE_NOT_YOURS, ROLES_ARE_YOUR_OWN
    """
    account = staff_account(session, account_id, lock=True)
    if str(account.id) == context.actor:
        raise Forbidden("ROLES_ARE_YOUR_OWN")
    if version != account.roles_version:
        changed_at = account.roles_at or account.created_at
        raise Outdated.at_version(account.roles_version, given=version, changed=["roles"], changed_at=changed_at)
    roles.check_grant([*role_codes, *roles_of(session, account)], granter=context.scopes)
    session.execute(delete(AccountRole).where(AccountRole.account_id == account.id))
    _store_roles(session, account, role_codes, context)
    account.closed_at = None if role_codes else clock.now()
    account.roles_version, account.roles_at = account.roles_version + 1, clock.now()
    session.flush()
    end_sessions(session, account.id)
    return Staff(account, tuple(sorted(set(role_codes))))


def staff_account(session: Session, account_id: str, *, lock: bool = False) -> Account:
    """Return an account of staff in the transaction's institution. Raises NotFound STAFF_NOT_FOUND."""
    account = session.get(Account, parse_or_nil(account_id), with_for_update=lock or None)
    if account is None or account.is_member:
        raise NotFound("STAFF_NOT_FOUND", id=account_id[:40])
    return account


def user_name(typed: str) -> str:
    """Return a typed user name or card number in the form that `Account.user` has."""
    return typed.strip().lower()


def accounts_of_user(session: Session, user: str) -> list[Account]:
    """Return the open accounts of a user name or card number; institutions may have the same card number."""
    query = select(Account).where(Account.user == user, Account.closed_at.is_(None)).order_by(Account.id)
    return list(session.scalars(query))


def refuse_taken_name(session: Session, user: str) -> None:
    """Refuse a user name of staff that an account or a card has.

    session  of a system context, which sees all institutions
    raises   Conflict  USER_NAME_TAKEN
    """
    account = select(Account.id).where(Account.user == user)
    member = select(Member.id).where(func.lower(Member.number) == user)
    if session.scalar(account) is not None or session.scalar(member) is not None:
        raise Conflict("USER_NAME_TAKEN", given=user)


def _store_roles(session: Session, account: Account, role_codes: Sequence[str], context: Context) -> None:
    for code in sorted(set(role_codes)):
        session.add(
            AccountRole(
                account_id=account.id,
                role=code,
                institution_id=account.institution_id,
                granted_by=context.actor,
                granted_at=clock.now(),
            )
        )
    session.flush()


def renew_link(session: Session, account_id: str, *, context: Context) -> tuple[Staff, str]:
    """Make a new one-time link for a member of staff, whose password stays valid until the link is used.

    raises  NotFound   STAFF_NOT_FOUND  also for a closed account
            Forbidden  ROLE_NOT_YOURS, LINK_IS_YOUR_OWN
    """
    account = staff_account(session, account_id)
    if account.closed_at is not None:
        raise NotFound("STAFF_NOT_FOUND", id=account_id[:40])
    # Otherwise anybody at an open session could set a password without knowing the current one.
    if str(account.id) == context.actor:
        raise Forbidden("LINK_IS_YOUR_OWN")
    codes = roles_of(session, account)
    roles.check_grant(codes, granter=context.scopes)
    return Staff(account, codes), make_link(session, account)


def make_link(session: Session, account: Account) -> str:
    """Make a one-time link for a new password, valid for 24 hours, and invalidate earlier links. Return its secret."""
    session.execute(
        update(Link).where(Link.account_id == account.id, Link.used_at.is_(None)).values(used_at=clock.now())
    )
    secret = secrets.token_urlsafe(24)
    now = clock.now()
    session.add(
        Link(
            secret_hash=hashlib.sha256(secret.encode()).digest(),
            institution_id=account.institution_id,
            account_id=account.id,
            totp_secret=b"",
            made_at=now,
            expires_at=now + LINK_LIFE,
            used_at=None,
        )
    )
    session.flush()
    return secret


def open_link(session: Session, secret: str, *, lock: bool = False) -> tuple[Link, Account]:
    """Return an unused link and its account; `lock` locks the link for its use. Raises NotFound LINK_INVALID."""
    link = session.get(Link, hashlib.sha256(secret.encode()).digest(), with_for_update=lock or None)
    account = None if link is None else session.get(Account, link.account_id)
    if link is None or account is None or link.used_at or account.closed_at or link.expires_at <= clock.now():
        raise NotFound("LINK_INVALID")
    return link, account


def offer_second_factor(session: Session, link: Link, account: Account, *, master: MasterKey) -> str:
    """Make the second factor of a link; return its URI for an authenticator. One that was offered before is void."""
    secret = second_factor.new_secret()
    link.totp_secret = master.seal(secret, use=f"totp/{account.id}")
    session.flush()
    return second_factor.uri(secret, user=account.user)


def forget_old_links(session: Session) -> None:
    """Delete links that ended a month ago; for a daily job."""
    session.execute(delete(Link).where(Link.expires_at < clock.now() - LINKS_KEPT))


def use_link(
    session: Session, secret: str, *, password_hash: str, totp: str, master: MasterKey, settings: MembersSettings
) -> Account:
    """Set the password of a link's account, and its second factor if the roles need one. All sessions end.

    raises  NotFound  LINK_INVALID
            Invalid   TOTP_WRONG  the code is not that of the offered second factor
    """
    link, account = open_link(session, secret, lock=True)
    if link.totp_secret or roles.needs_second_factor(roles_of(session, account), settings):
        counter = None
        if link.totp_secret:
            offered = master.open(link.totp_secret, use=f"totp/{account.id}")
            counter = second_factor.matching_counter(offered, totp, after=0)
        if counter is None:
            raise Invalid("TOTP_WRONG")
        account.totp_secret, account.totp_counter = link.totp_secret, counter
    link.used_at = clock.now()
    store_password(session, account, password_hash)
    return account


def store_password(session: Session, account: Account, password_hash: str, *, keep: UUID | None = None) -> None:
    """Set a password; the sessions of the account end, except `keep`."""
    account.password_hash, account.password_at = password_hash, clock.now()
    session.flush()
    end_sessions(session, account.id, keep=keep)


def check_password_for(account: Account, password: str) -> None:
    """Check a new password of an account. Raises Invalid like `passwords.check_new_password`."""
    passwords.check_new_password(password, about=(account.user, account.name))
