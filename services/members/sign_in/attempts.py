"""Limits of failed sign-ins: repeated failures cause a pause, counted by account, by address, and by both together.

Unknown user names have the same limits, so an answer does not show whether a user name exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import TooMany
from chassis.prepared import Prepared
from chassis.sealing import MasterKey
from services.members.tables import FailedAttempts

LONGEST_PAUSE = timedelta(minutes=15)
# Failures are forgotten this long after the last one.
MEMORY = timedelta(hours=1)

_attempts: Any = FailedAttempts.__table__
_COUNT = {
    name: Prepared(
        insert.on_conflict_do_update(
            index_elements=["key"], set_={"count": _attempts.c.count + 1, "last_at": insert.excluded.last_at}
        )
    )
    for name, insert in (("sqlite", sqlite.insert(_attempts)), ("postgresql", postgresql.insert(_attempts)))
}
# Three keys at most; without an address the last one is asked for twice.
_COUNTS = Prepared(select(_attempts).where(_attempts.c.key.in_([bindparam(name) for name in ("a", "b", "c")])))
_CLEAR = Prepared(delete(_attempts).where(_attempts.c.key == bindparam("one")))
_TAKE_BACK = Prepared(
    update(_attempts)
    .where(_attempts.c.key == bindparam("one"), _attempts.c.count > 0)
    .values(count=_attempts.c.count - 1)
)
_WRITE_AGAIN = Prepared(update(_attempts).where(_attempts.c.key == bindparam("one")).values(count=_attempts.c.count))


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
        keys = list(self._keys.values())
        rows = {row.key: row for row in _COUNTS.rows(session, {"a": keys[0], "b": keys[1], "c": keys[-1]})}
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
        rows = [{"key": key, "count": 1, "last_at": now} for key in sorted(self._keys.values())]
        _COUNT[session.get_bind().dialect.name].execute_many(session, rows)

    def take_back(self, session: Session) -> None:
        """Undo the count of an attempt whose password was not compared."""
        _TAKE_BACK.execute_many(session, [{"one": key} for key in sorted(self._keys.values())])

    def write_again(self, session: Session) -> None:
        """Write the counter again without a change, instead of the audit row that a known account gets.

        Not by a prepared statement, which would take less time than the audit row.
        """
        key = FailedAttempts.key == self._keys[ACCOUNT]
        session.execute(update(FailedAttempts).where(key).values(count=FailedAttempts.count))

    def clear(self, session: Session) -> None:
        """Delete the failures of this account; for the address undo only the count of this attempt."""
        keys = sorted(key for limit, key in self._keys.items() if limit is not ADDRESS)
        _CLEAR.execute_many(session, [{"one": key} for key in keys])
        if ADDRESS in self._keys:
            _TAKE_BACK.execute(session, {"one": self._keys[ADDRESS]})


def forget_old(session: Session) -> None:
    """Delete failures that no longer count; for a daily job."""
    session.execute(delete(FailedAttempts).where(FailedAttempts.last_at < clock.now() - MEMORY))


def _pause(failures_beyond: int) -> timedelta:
    if failures_beyond < 0:
        return timedelta(0)
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(failures_beyond, 20)))
