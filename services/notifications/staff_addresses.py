"""Addresses of staff accounts, for tests of templates. An address is used after its owner typed the code sent to it."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.errors import Invalid
from chassis.security.encryption import MasterKey
from services.notifications.tables import StaffAddress

CODE_LIVES = timedelta(minutes=15)
MOST_TRIES = 5
# A confirmed address that was not used for this long is deleted; one that was not confirmed is deleted after a day.
UNUSED_KEPT, UNCONFIRMED_KEPT = timedelta(days=180), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The row of an account for one kind of addresses.

    account  id of the account, or of the client with an API key
    kind     "email" or "phone"
    """

    institution_id: UUID
    account: str
    kind: str

    def row(self, session: Session, *, locks: bool = False) -> StaffAddress | None:
        return session.get(StaffAddress, (self.institution_id, self.account, self.kind), with_for_update=locks or None)

    def is_row(self) -> tuple[Any, ...]:
        return (
            StaffAddress.institution_id == self.institution_id,
            StaffAddress.account == self.account,
            StaffAddress.kind == self.kind,
        )

    @property
    def use(self) -> str:
        return f"staff address {self.account} {self.kind}"


def address_state(session: Session, key: AccountKey) -> str:
    """Return "confirmed", "asked" while a code is valid, or ""."""
    row = key.row(session)
    if row is None:
        return ""
    if row.is_confirmed:
        return "confirmed"
    return "asked" if clock.now() - row.at < CODE_LIVES else ""


def confirmed_address(session: Session, master: MasterKey, key: AccountKey) -> str:
    """Return the confirmed address and note its use; "" without one."""
    row = key.row(session, locks=True)
    if row is None or not row.is_confirmed:
        return ""
    row.at = clock.now()
    return str(_open(master, key, row)["address"])


def ask_code(session: Session, master: MasterKey, key: AccountKey, address: str) -> str:
    """Store an address that replaces the account's earlier one. Returns the code that confirms it."""
    code = f"{secrets.randbelow(1_000_000):06d}"
    sealed = master.seal(json.dumps({"address": address, "code": code}).encode(), use=key.use)
    values = {"sealed": sealed, "tries": 0, "is_confirmed": False, "at": clock.now()}
    insert = insert_for(session, StaffAddress).values(
        institution_id=key.institution_id, account=key.account, kind=key.kind, **values
    )
    session.execute(insert.on_conflict_do_update(index_elements=["institution_id", "account", "kind"], set_=values))
    return code


def count_try(session: Session, key: AccountKey) -> None:
    """Count a typed code, in a transaction of its own: the transaction of a wrong code is rolled back."""
    session.execute(
        update(StaffAddress).where(*key.is_row(), ~StaffAddress.is_confirmed).values(tries=StaffAddress.tries + 1)
    )


def confirm(session: Session, master: MasterKey, key: AccountKey, code: str) -> str:
    """Confirm an address by the code that was sent to it. Returns the address.

    raises  Invalid  NOTICE_TEST_CODE  the code is wrong, older than CODE_LIVES, or was tried too often
    """
    row = key.row(session, locks=True)
    if row is None or row.is_confirmed or row.tries > MOST_TRIES or clock.now() - row.at >= CODE_LIVES:
        raise Invalid("NOTICE_TEST_CODE", field="code")
    opened = _open(master, key, row)
    if not hmac.compare_digest(code.encode(), str(opened["code"]).encode()):
        raise Invalid("NOTICE_TEST_CODE", field="code")
    row.is_confirmed, row.at = True, clock.now()
    row.sealed = master.seal(json.dumps({"address": opened["address"]}).encode(), use=key.use)
    return str(opened["address"])


def _open(master: MasterKey, key: AccountKey, row: StaffAddress) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(master.open(row.sealed, use=key.use))
    return opened
