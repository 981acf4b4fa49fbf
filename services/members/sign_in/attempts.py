"""Limits of failed sign-ins, and the devices that have signed in to an account, which have limits of their own.

Unknown user names have the same limits, so an answer does not show whether a user name exists.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.errors import TooMany
from chassis.security.encryption import MasterKey
from services.members.tables import Account, FailedAttempts

SECOND, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=15)
# Failures are forgotten this long after the last one.
MEMORY = timedelta(hours=1)

_attempts: Any = FailedAttempts.__table__


@dataclass(frozen=True, slots=True)
class Limit:
    """After `free` failures there is a pause of `first`; each further failure doubles it, up to `longest`."""

    name: str
    free: int
    first: timedelta = SECOND
    longest: timedelta = LONGEST_PAUSE


# A person at one device mistypes a few times. All devices of a school have one address.
BOTH, ADDRESS = Limit("both", 5), Limit("address", 60)
# For all devices together. A stranger who fails again and again can only delay others.
ACCOUNT = Limit("account", 20, longest=timedelta(seconds=30))
# Whoever guesses codes of the second factor knows the password.
ACCOUNT_CODES = Limit("account", 20)
# Of a device that has signed in to the account before: 20 tries in an hour, and none of the other limits.
DEVICE = Limit("device", 20, first=MEMORY, longest=MEMORY)


class Attempts:
    """The failure counters of one attempt: of the name, of the address, and of both; or of a known device alone.

    kind      password, code, change or slip (a password code); each kind has counters of its own
    name      what is tried: a user name, an id of an account, or a card number
    address   IP address of the browser; "" when it is not known
    device    result of `known_device`
    accounts  number of accounts that have the name
    compared  number of these whose password is compared
    """

    def __init__(
        self, master: MasterKey, kind: str, name: str, *, address: str, device: str = "", accounts: int = 1,
        compared: int = 1,
    ) -> None:  # fmt: skip
        account = ACCOUNT_CODES if kind == "code" else ACCOUNT
        parts = {account: (name,), BOTH: (name, address), ADDRESS: (address,)}
        if device:
            parts = {DEVICE: (name, device)}
        elif not address:
            del parts[ADDRESS]
        self._accounts, self._compared = accounts, compared
        self._keys = {
            limit: master.lookup(f"attempts/{kind}/{limit.name}", "\0".join(part)) for limit, part in parts.items()
        }

    def check(self, session: Session) -> None:
        """Refuse an attempt during a pause. Raises TooMany SIGN_IN_PAUSED, with the seconds left."""
        now = clock.now()
        columns = select(_attempts.c.key, _attempts.c.last_at, _attempts.c.count.label("failures"))
        query = columns.where(_attempts.c.key.in_(self._keys.values()))
        rows = {row.key: row for row in session.execute(query)}
        ends = [
            rows[key].last_at + min(limit.longest, limit.first * 2 ** min(rows[key].failures - limit.free, 20))
            for limit, key in self._keys.items()
            # Free failures cause no pause, even if the clock was set back later.
            if key in rows and rows[key].failures >= limit.free and rows[key].last_at > now - MEMORY
        ]
        latest = max(ends, default=now)
        if latest > now:
            raise TooMany("SIGN_IN_PAUSED", seconds=int((latest - now).total_seconds()) + 1)

    def count_failure(self, session: Session) -> None:
        """Count this attempt as failed before its password is compared: so parallel attempts cannot exceed limits."""
        now = clock.now()
        insert = insert_for(session, _attempts)
        count = case((_attempts.c.last_at <= now - MEMORY, 1), else_=_attempts.c.count + 1)
        changes = {"count": count, "last_at": insert.excluded.last_at}
        rows = [{"key": key, "count": 1, "last_at": now} for key in sorted(self._keys.values())]
        session.execute(insert.on_conflict_do_update(index_elements=["key"], set_=changes), rows)

    def take_back(self, session: Session) -> None:
        """Undo the count of an attempt whose password was not compared."""
        self._take_back(session, self._keys.keys())

    def write_again(self, session: Session) -> None:
        """Write the counter again without a change, instead of the audit row that a known account gets."""
        key = FailedAttempts.key == next(iter(self._keys.values()))
        session.execute(update(FailedAttempts).where(key).values(count=FailedAttempts.count))

    def clear(self, session: Session) -> None:
        """Delete the failures of this name; for the address undo only the count of this attempt.

        A name of several accounts keeps its failures, because the password of one shows nothing about the others. If
        the passwords of several were compared, this attempt counts as a failure too: otherwise the owner of one account
        could try any number of passwords of another, by a change of the own password before each sign-in.
        """
        names = self._keys.keys() - {ADDRESS}
        deleted = names if self._accounts <= 1 else set()
        taken_back = self._keys.keys() - (deleted if self._compared <= 1 else names)
        session.execute(delete(_attempts).where(_attempts.c.key.in_([self._keys[limit] for limit in deleted])))
        self._take_back(session, taken_back)

    def _take_back(self, session: Session, limits: Iterable[Limit]) -> None:
        is_counted = (_attempts.c.key.in_([self._keys[limit] for limit in limits]), _attempts.c.count > 0)
        session.execute(update(_attempts).where(*is_counted).values(count=_attempts.c.count - 1))


# A device is a random number and, for each account that has signed in with it, a keyed hash of the number, the account
# and the time of its password: the value of a cookie, or of the field `device` of the API. Who knew the last password,
# and has signed in with it on any number of devices, must not get 20 tries an hour on each of them after a change.
_DEVICE = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{20}){1,8}")
_MOST_ACCOUNTS = 8


def known_device(master: MasterKey, device: str, accounts: Iterable[Account]) -> str:
    """Return the number of a device that has signed in to all these accounts with their passwords of now; else ""."""
    number, proofs = _parts(device)
    expected = {_proof(master, number, account) for account in accounts}
    return number if expected and expected <= proofs.keys() else ""


def add_account(master: MasterKey, device: str, account: Account) -> str:
    """Return a device with this account too; of too many, the one before all others is dropped. "" makes a new one."""
    number, proofs = _parts(device)
    number = number or secrets.token_urlsafe(16)
    own = _proof(master, number, account)
    others = [proof for proof in proofs if proof != own]
    return ".".join((number, own, *others[: _MOST_ACCOUNTS - 1]))


def _parts(device: str) -> tuple[str, dict[str, None]]:
    """Return the number and the hashes in their order; "" for a text that is no device."""
    number, *proofs = device.split(".") if _DEVICE.fullmatch(device) else [""]
    return number, dict.fromkeys(proofs)


def _proof(master: MasterKey, number: str, account: Account) -> str:
    password_at = account.password_at.timestamp() if account.password_at is not None else 0
    return base64.urlsafe_b64encode(master.lookup("device", f"{number}\0{account.id}\0{password_at}")[:15]).decode()


def forget_old(session: Session) -> None:
    """Delete failures that no longer count; for a daily job."""
    session.execute(delete(FailedAttempts).where(FailedAttempts.last_at < clock.now() - MEMORY))
