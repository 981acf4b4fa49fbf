"""Limits of failed sign-ins: repeated failures cause a pause, counted by account, by address, and by both together.

Unknown user names have the same limits, so an answer does not show whether a user name exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import TooMany
from chassis.sealing import MasterKey
from chassis.sql import insert_for
from services.members.tables import FailedAttempts

LONGEST_PAUSE = timedelta(minutes=15)
# Failures are forgotten this long after the last one.
MEMORY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """After `free` failures there is a pause of one second; each further failure doubles it."""

    kind: str
    free: int


# A person at one device mistypes a few times. The limit for all devices is higher, so that a stranger cannot easily
# block an account. All devices of a school have one address.
BOTH, ACCOUNT, ADDRESS = Limit("both", 5), Limit("account", 20), Limit("address", 60)


class Attempts:
    """The failure counters of one attempt: of the user name, of the address, and of both.

    user     the user name in lower case
    address  IP address of the browser; "" when it is not known
    """

    def __init__(self, master: MasterKey, *, user: str, address: str) -> None:
        self._keys = {
            BOTH: master.lookup("attempts/both", f"{user}\0{address}"),
            ACCOUNT: master.lookup("attempts/account", user),
        }
        if address:
            self._keys[ADDRESS] = master.lookup("attempts/address", address)

    def check(self, session: Session) -> None:
        """Refuse an attempt during a pause. Raises TooMany SIGN_IN_PAUSED, with the seconds left."""
        now = clock.now()
        rows = {
            row.key: row
            for row in session.scalars(select(FailedAttempts).where(FailedAttempts.key.in_(self._keys.values())))
        }
        ends = [
            rows[key].last_at + _pause(rows[key].count - limit.free)
            for limit, key in self._keys.items()
            # Free failures cause no pause, even if the clock was set back later.
            if key in rows and rows[key].count >= limit.free and rows[key].last_at > now - MEMORY
        ]
        latest = max(ends, default=now)
        if latest > now:
            raise TooMany("SIGN_IN_PAUSED", seconds=int((latest - now).total_seconds()) + 1)

    def count_failure(self, session: Session) -> None:
        """Count this attempt as failed before its password is compared: so parallel attempts cannot exceed limits."""
        now = clock.now()
        for key in sorted(self._keys.values()):
            self._count(session, key, now)

    def _count(self, session: Session, key: bytes, now: datetime) -> None:
        row = insert_for(session, FailedAttempts).values(key=key, count=1, last_at=now)
        session.execute(
            row.on_conflict_do_update(index_elements=["key"], set_={"count": FailedAttempts.count + 1, "last_at": now})
        )

    def take_back(self, session: Session) -> None:
        """Undo the count of an attempt whose password was not compared."""
        keys = FailedAttempts.key.in_(self._keys.values())
        session.execute(
            update(FailedAttempts).where(keys, FailedAttempts.count > 0).values(count=FailedAttempts.count - 1)
        )

    def write_again(self, session: Session) -> None:
        """Write the counter again without a change, instead of the audit row that a known account gets."""
        key = FailedAttempts.key == self._keys[ACCOUNT]
        session.execute(update(FailedAttempts).where(key).values(count=FailedAttempts.count))

    def clear(self, session: Session) -> None:
        """Delete the failures of this account; for the address undo only the count of this attempt."""
        keys = [key for limit, key in self._keys.items() if limit is not ADDRESS]
        session.execute(delete(FailedAttempts).where(FailedAttempts.key.in_(keys)))
        address = FailedAttempts.key == self._keys.get(ADDRESS, b"")
        session.execute(update(FailedAttempts).where(address).values(count=FailedAttempts.count - 1))


def forget_old(session: Session) -> None:
    """Delete failures that no longer count; for a daily job."""
    session.execute(delete(FailedAttempts).where(FailedAttempts.last_at < clock.now() - MEMORY))


def _pause(failures_beyond: int) -> timedelta:
    if failures_beyond < 0:
        return timedelta(0)
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures_beyond, 20)))
