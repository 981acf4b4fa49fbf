"""Slips: codes with which members set a first or a forgotten password. The desk prints a slip or sends it."""

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
from services.members.people import facts, store
from services.members.people.values import is_card_number
from services.members.sign_in.accounts import store_password, user_name
from services.members.tables import Account, Card, Member, Slip

LIFE = timedelta(hours=24)
TRIES = 5
CODE_LENGTH = 8
NO_CODE = b""  # of a slip whose code the sender has not requested yet; no code has this hash
# Without letters and digits that look similar on paper.
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def make_slip(session: Session, member_id: str, *, context: Context, master: MasterKey) -> str:
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


def send_slip(session: Session, member_id: str, *, context: Context) -> Slip:
    """Make a slip that is sent to a member. Its code is made when the sender requests it (`make_code`).

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MEMBER_MERGED
    emits   SlipIssued
    """
    member = store.locked(session, member_id)
    slip = _replace(session, member, NO_CODE, context)
    audit.record(session, context, "members.send_slip", kind="member", object_id=member.id)
    facts.tell_slip(session, slip, context)
    return slip


def make_code(
    session: Session, member_id: str, slip_id: str, *, context: Context, master: MasterKey
) -> tuple[str, Slip, str]:
    """Make the code of a slip that is sent; it replaces an earlier code. The attempts left and the end do not change.

    returns  the code, of which only the hash is stored; the slip; the card number with which the member signs in
    raises   Refused  SLIP_ENDED  the slip was used, has expired, or was replaced
    """
    key, slip_key = parse_id(member_id), parse_id(slip_id)
    slip = session.get(Slip, key, with_for_update=True)
    member = session.get(Member, key)
    is_open = slip is not None and slip.id == slip_key and slip.expires_at > clock.now() and slip.tries_left > 0
    if slip is None or member is None or not is_open:
        raise Refused("SLIP_ENDED")
    code = _new_code()
    slip.code_hash = _hash(member.id, code, master)
    session.flush()
    own = replace(context, institution=str(member.institution_id))
    audit.record(session, own, "members.make_slip_code", kind="member", object_id=member.id)
    return code, slip, member.number or ""


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))


def _replace(session: Session, member: Member, code_hash: bytes, context: Context) -> Slip:
    now = clock.now()
    session.execute(delete(Slip).where(Slip.member_id == member.id))
    slip = Slip(
        member_id=member.id,
        institution_id=member.institution_id,
        id=new_id(),
        code_hash=code_hash,
        made_by=context.actor,
        made_at=now,
        expires_at=now + LIFE,
        tries_left=TRIES,
    )
    session.add(slip)
    session.flush()
    return slip


def try_slip(session: Session, number: str, code: str, *, master: MasterKey) -> UUID | None:
    """Count one attempt at a slip; return its member if the code is right, else None, also for an unknown number.

    session  of a system context, because the institution of the number is not known yet
    """
    if not is_card_number(number.strip()):
        return None
    # From the slips, which are few: no index has card numbers in lower case.
    members = session.scalars(
        select(Slip.member_id)
        .join(Member, Member.id == Slip.member_id)
        .join(Card, (Card.member_id == Member.id) & (Card.code == Member.number))
        .where(func.lower(Card.code) == user_name(number), Card.state == "active")
        .limit(20)
    ).all()
    right = None
    for member_id in members:
        slip = session.get(Slip, member_id, with_for_update=True)
        expected = slip.code_hash if slip is not None else b""
        is_right = hmac.compare_digest(expected, _hash(member_id, code, master))
        if slip is not None and slip.tries_left > 0 and slip.expires_at > clock.now():
            session.execute(update(Slip).where(Slip.member_id == member_id).values(tries_left=slip.tries_left - 1))
            right = member_id if is_right else right
    return right


def use_slip(session: Session, member_id: UUID, password_hash: str, *, context: Context) -> Account:
    """Make or reopen the account of a member with a password, and delete the slip. All sessions of the account end.

    raises  Unauthenticated  SLIP_REFUSED     another call has used the slip
            Refused          USER_NAME_TAKEN  staff, or another member of the institution, has this user name
    """
    used = session.execute(delete(Slip).where(Slip.member_id == member_id).returning(Slip.member_id)).first()
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
