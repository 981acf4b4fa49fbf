"""Codes with which members set a first or a forgotten password. The desk prints a code or sends it."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Refused, Unauthenticated
from chassis.ids import new_id, parse_id
from chassis.security.encryption import MasterKey
from services.members.people import events, store
from services.members.people.values import is_card_number
from services.members.sign_in.accounts import store_password, user_name
from services.members.tables import Account, Card, Member, PasswordCode

LIFE = timedelta(hours=24)
TRIES = 5
CODE_LENGTH = 8
NO_CODE = b""  # of a code that the sender has not requested yet; no code has this hash
# Without letters and digits that look similar on paper.
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def make_password_code(session: Session, member_id: str, *, context: Context, master: MasterKey) -> str:
    """Make a code that is valid once, for 24 hours and five attempts, and replaces an earlier code.

    Only the hash of the code is stored.

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MEMBER_MERGED
    """
    member = store.locked(session, member_id)
    code = _new_code()
    _replace(session, member, _hash(member.id, code, master), context)
    audit.record(session, context, "members.make_slip", kind="member", object_id=member.id)
    return code


def send_password_code(session: Session, member_id: str, *, context: Context) -> PasswordCode:
    """Replace the code of a member by one that is sent. It is made when the sender requests it (`make_sent_code`).

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MEMBER_MERGED
    emits   SlipIssued
    """
    member = store.locked(session, member_id)
    row = _replace(session, member, NO_CODE, context)
    audit.record(session, context, "members.send_slip", kind="member", object_id=member.id)
    events.emit_slip_issued(session, row, context)
    return row


def make_sent_code(
    session: Session, member_id: str, code_id: str, *, context: Context, master: MasterKey
) -> tuple[str, PasswordCode, str]:
    """Make the code that is sent; it replaces an earlier code. The attempts left and the end do not change.

    returns  the code, of which only the hash is stored; its row; the card number with which the member signs in
    raises   Refused  SLIP_ENDED  the code was used, has expired, or was replaced
    """
    key = parse_id(member_id)
    row = session.get(PasswordCode, key, with_for_update=True)
    member = session.get(Member, key)
    is_open = row is not None and row.id == parse_id(code_id) and row.expires_at > clock.now() and row.tries_left > 0
    if row is None or member is None or not is_open:
        raise Refused("SLIP_ENDED")
    code = _new_code()
    row.code_hash = _hash(member.id, code, master)
    session.flush()
    own = replace(context, institution=str(member.institution_id))
    audit.record(session, own, "members.make_slip_code", kind="member", object_id=member.id)
    return code, row, member.number or ""


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))


def _replace(session: Session, member: Member, code_hash: bytes, context: Context) -> PasswordCode:
    now = clock.now()
    session.execute(delete(PasswordCode).where(PasswordCode.member_id == member.id))
    row = PasswordCode(
        member_id=member.id,
        institution_id=member.institution_id,
        id=new_id(),
        code_hash=code_hash,
        made_by=context.actor,
        made_at=now,
        expires_at=now + LIFE,
        tries_left=TRIES,
    )
    session.add(row)
    session.flush()
    return row


def try_password_code(session: Session, number: str, code: str, *, master: MasterKey) -> UUID | None:
    """Count one attempt at a code; return its member if the code is right, else None, also for an unknown number.

    session  of a system context, because the institution of the number is not known yet
    """
    if not is_card_number(number.strip()):
        return None
    # From the codes, which are few: no index has card numbers in lower case.
    members = session.scalars(
        select(PasswordCode.member_id)
        .join(Member, Member.id == PasswordCode.member_id)
        .join(Card, (Card.member_id == Member.id) & (Card.code == Member.number))
        .where(func.lower(Card.code) == user_name(number), Card.state == "active")
        .limit(20)
    ).all()
    right = None
    for member_id in members:
        row = session.get(PasswordCode, member_id, with_for_update=True)
        expected = row.code_hash if row is not None else b""
        is_right = hmac.compare_digest(expected, _hash(member_id, code, master))
        if row is not None and row.tries_left > 0 and row.expires_at > clock.now():
            session.execute(
                update(PasswordCode).where(PasswordCode.member_id == member_id).values(tries_left=row.tries_left - 1)
            )
            right = member_id if is_right else right
    return right


def use_password_code(session: Session, member_id: UUID, password_hash: str, *, context: Context) -> Account:
    """Make or reopen the account of a member with a password, and delete the code. All sessions of the account end.

    raises  Unauthenticated  SLIP_REFUSED     another call has used the code
            Refused          USER_NAME_TAKEN  staff, or another member of the institution, has this user name
    """
    used = session.execute(
        delete(PasswordCode).where(PasswordCode.member_id == member_id).returning(PasswordCode.member_id)
    ).first()
    if used is None:
        raise Unauthenticated("SLIP_REFUSED")
    member = session.get_one(Member, member_id)
    user = user_name(member.number or "")
    others = select(Account.id).where(Account.user == user, Account.id != member.id)
    taken = session.scalar(others.where((~Account.is_member) | (Account.institution_id == member.institution_id)))
    if taken is not None:
        raise Refused("USER_NAME_TAKEN", given=user)
    account = session.get(Account, member.id)
    if account is None:
        account = Account(
            id=member.id,
            institution_id=member.institution_id,
            user=user,
            name=member.name,
            is_member=True,
            password_hash="",
            password_at=None,
            totp_secret=b"",
            totp_counter=0,
            created_at=clock.now(),
            last_sign_in_at=None,
            closed_at=None,
        )
        session.add(account)
    account.user, account.name, account.closed_at = user, member.name, None
    store_password(session, account, password_hash)
    audit.record(session, context, "members.use_slip", kind="member", object_id=member.id)
    return account


def _hash(member_id: UUID, code: str, master: MasterKey) -> bytes:
    typed = code.upper().replace(" ", "").replace("-", "")[:64]
    return master.lookup(f"slip/{member_id}", typed)
