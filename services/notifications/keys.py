"""The master key of this database. Another key is refused before anything is sealed with it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.security.encryption import MasterKey, refuse_other_key, require_master_key
from services.notifications.tables import StoredMasterKey

KEYS = system("keys")


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
                fingerprint = master.fingerprint
                insert_ignore(session, StoredMasterKey, [{"fingerprint": fingerprint, "seen_at": clock.now()}])
    refuse_other_key(master, fingerprint, path)
    return master


def stored_fingerprint(session: Session) -> str | None:
    """Return the fingerprint of this database's master key; None before the first use."""
    return session.scalar(select(StoredMasterKey.fingerprint).order_by(StoredMasterKey.seen_at).limit(1))
