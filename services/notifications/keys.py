"""The master key of this database. Another key is refused before anything is sealed with it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.db import Database
from chassis.errors import Unavailable
from chassis.sealing import MasterKey, MemberKey, refuse_other_key, require_master_key
from chassis.sql import insert_ignore
from services.notifications.members import text_key_owner
from services.notifications.tables import Member, StoredMasterKey

KEYS = system("keys")
# Keys of members that are tried when an earlier release stored no fingerprint; some keys may be damaged.
KEYS_TRIED = 20


def read_own_master(database: Database, path: Path) -> MasterKey:
    """Return the master key of this database; its first use stores the fingerprint.

    path    file of the master key
    raises  Unavailable  MASTER_KEY_MISSING, MASTER_KEY_OTHER  the database was sealed with another key
            Invalid      MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED
    """
    master = require_master_key(path)
    with database.reading(KEYS) as session:
        fingerprint = stored_fingerprint(session)
    if fingerprint is None:
        with database.transaction(KEYS) as session:
            fingerprint = stored_fingerprint(session)
            if fingerprint is None:
                if not _opens_a_key(session, master):
                    raise Unavailable("MASTER_KEY_OTHER", file=str(path))
                fingerprint = master.fingerprint
                insert_ignore(session, StoredMasterKey, [{"fingerprint": fingerprint, "seen_at": clock.now()}])
    refuse_other_key(master, fingerprint, path)
    return master


def stored_fingerprint(session: Session) -> str | None:
    """Return the fingerprint of this database's master key; None before the first use."""
    return session.scalar(select(StoredMasterKey.fingerprint).order_by(StoredMasterKey.seen_at).limit(1))


def _opens_a_key(session: Session, master: MasterKey) -> bool:
    """Return whether a master key opens one of the members' keys; True when there are no keys."""
    query = select(Member.id, Member.wrapped_key).where(Member.wrapped_key.is_not(None)).limit(KEYS_TRIED)
    rows = session.execute(query).all()
    for row in rows:
        try:
            MemberKey.unwrap(master, row.wrapped_key, member=text_key_owner(row.id))
        except Unavailable:
            continue
        return True
    return not rows
