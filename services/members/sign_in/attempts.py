"""Failed sign-ins: whoever fails repeatedly waits, by account, by address, and by both.

The limits count user names that nobody has in the same way, so an answer does not say whether a name exists.
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
    """After `free` failures each further one doubles the pause, from one second."""

    kind: str
    free: int


# One person at one device mistypes a few times. All devices together have more, so a stranger cannot lock an account
# soon. A school has one address.
BOTH, ACCOUNT, ADDRESS = Limit("both", 5), Limit("account", 20), Limit("address", 60)


class Attempts:
    """The failures that concern one attempt: of this user name, from this address.

    user     as typed, folded
    address  of the browser, "" when it is not known
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
            # Free failures do not pause, not even when the clock was set back since.
            if key in rows and rows[key].count >= limit.free and rows[key].last_at > now - MEMORY
        ]
        latest = max(ends, default=now)
        if latest > now:
            raise TooMany("SIGN_IN_PAUSED", seconds=int((latest - now).total_seconds()) + 1)

    def count_failure(self, session: Session) -> None:
        """Count this attempt as failed, before its password is compared: so attempts at once do not pass together."""
        now = clock.now()
        for key in sorted(self._keys.values()):
            self._count(session, key, now)

    def _count(self, session: Session, key: bytes, now: datetime) -> None:
        row = insert_for(session, FailedAttempts).values(key=key, count=1, last_at=now)
        session.execute(
            row.on_conflict_do_update(index_elements=["key"], set_={"count": FailedAttempts.count + 1, "last_at": now})
        )

    def take_back(self, session: Session) -> None:
        """Take back an attempt whose password was not compared."""
        keys = FailedAttempts.key.in_(self._keys.values())
        session.execute(
            update(FailedAttempts).where(keys, FailedAttempts.count > 0).values(count=FailedAttempts.count - 1)
        )

    def write_again(self, session: Session) -> None:
        """Write what is there already, in place of the audit's row of a known account."""
        key = FailedAttempts.key == self._keys[ACCOUNT]
        session.execute(update(FailedAttempts).where(key).values(count=FailedAttempts.count))

    def clear(self, session: Session) -> None:
        """Forget the failures of this account; of the address take back this attempt alone."""
        keys = [key for limit, key in self._keys.items() if limit is not ADDRESS]
        session.execute(delete(FailedAttempts).where(FailedAttempts.key.in_(keys)))
        address = FailedAttempts.key == self._keys.get(ADDRESS, b"")
        session.execute(update(FailedAttempts).where(address).values(count=FailedAttempts.count - 1))


def forget_old(session: Session) -> None:
    """Delete failures that count no more; for a daily job."""
    session.execute(delete(FailedAttempts).where(FailedAttempts.last_at < clock.now() - MEMORY))


def _pause(failures_beyond: int) -> timedelta:
    if failures_beyond < 0:
        return timedelta(0)
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures_beyond, 20)))
