"""Accounts of staff with a password, in the members of `tests.fakes.running`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from uuid import UUID

import pyotp

from chassis import clock
from chassis.context import system
from services.members.keys import Keys
from services.members.settings import MembersSettings
from services.members.sign_in import accounts, passwords
from services.members.tables import Account, Institution
from tests.fakes.running import running

TEST = system("test")
PKS = UUID(int=0xA1)
PASSWORD = "kopi jendela sungai"


@dataclass(frozen=True)
class Staff:
    """An account with PASSWORD; `totp` is the secret of its authenticator, "" without one."""

    id: str
    user: str
    totp: str

    def code(self) -> str:
        """What the authenticator shows now."""
        return pyotp.TOTP(self.totp).at(clock.now()) if self.totp else ""


def add_institution(institution: UUID = PKS, code: str = "PKS") -> None:
    with running["members"].database.transaction(TEST) as session:
        if session.get(Institution, institution) is None:
            values = {"name_id": code, "name_en": code, "kind": "public", "zone": "Asia/Jakarta", "version": 1}
            session.add(Institution(id=institution, code=code, **values))


def add_staff(user: str, *roles: str, name: str = "", institution: UUID = PKS) -> Staff:
    """Add a person of staff who has set the password, and the authenticator where the role needs one.

    institution  another than PKS is there already
    """
    if institution == PKS:
        add_institution()
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    secret = pyotp.random_base32() if "administrator" in roles else ""
    with members.database.transaction(TEST) as session:
        person = accounts.add_staff(
            session, institution_id=institution, user=user, name=name or user.title(), role_codes=roles, context=TEST,
            granter=None,
        )  # fmt: skip
        accounts.store_password(session, person.account, passwords.hash_password(PASSWORD))
        account_id = str(person.account.id)
    master = keys.master
    if secret:
        sealed = master.seal(secret.encode(), use=f"totp/{account_id}")
        with members.database.transaction(TEST) as session:
            session.get_one(Account, UUID(account_id)).totp_secret = sealed
    return Staff(account_id, user, secret)


def new_user(prefix: str) -> str:
    """Return a user name that no other test has."""
    return f"{prefix}-{os.urandom(4).hex()}"
