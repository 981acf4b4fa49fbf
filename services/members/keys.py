"""The keys of the installation: the master key of this database, and the keys that sign access tokens."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection
from datetime import timedelta
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.security.auth import TOKEN_SECONDS, Principal, sign_token
from chassis.security.encryption import (
    MasterKey,
    make_master_key,
    read_master_key,
    refuse_other_key,
    require_master_key,
)
from services.members import tables
from services.members.settings import MembersSettings

KEYS = system("keys")
# A rotated key verifies tokens for this time: the lifetime of a token, and a minute for differences between clocks.
OVERLAP = timedelta(seconds=TOKEN_SECONDS + 60)


class Keys:
    """The keys of one process. They are read at their first use, so `migrate` needs no key."""

    def __init__(self, database: Database, settings: MembersSettings) -> None:
        self._database, self._settings = database, settings
        self._lock = threading.Lock()
        self._signer: tuple[str, bytes] | None = None

    @cached_property
    def master(self) -> MasterKey:
        """The master key; its first use in a new installation makes it.

        raises  Unavailable  MASTER_KEY_MISSING, MASTER_KEY_OTHER  the database was sealed with another key
                Invalid      MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED
        """
        path = self._settings.master_key
        with self._database.reading(KEYS) as session:
            fingerprint = session.scalar(select(tables.MasterKey.fingerprint))
        is_new = fingerprint is None
        master = read_master_key(path) or make_master_key(path) if is_new else require_master_key(path)
        if fingerprint is None:
            with self._database.transaction(KEYS) as session:
                fingerprint = session.scalar(select(tables.MasterKey.fingerprint))
                if fingerprint is None:
                    row = {"fingerprint": master.fingerprint, "made_at": clock.now(), "printed_at": None}
                    insert_ignore(session, tables.MasterKey, [row])
                    fingerprint = master.fingerprint
        refuse_other_key(master, fingerprint, path)
        return master

    def sign(self, principal: Principal) -> str:
        """Return an access token that is valid for five minutes."""
        key_id, private_key = self.signing_key()
        return sign_token(principal, key_id=key_id, private_key=private_key)

    def forget_retired(self, current: Collection[str]) -> None:
        """Forget the signing key if another process has rotated it. The next token reads the new one.

        current  ids of the keys that sign now
        """
        signer = self._signer
        if signer is not None and signer[0] not in current:
            self._signer = None

    def signing_key(self) -> tuple[str, bytes]:
        signer = self._signer
        if signer is None:
            with self._lock:
                signer = self._signer = self._signer or self._read_or_make_signer()
        return signer

    def _read_or_make_signer(self) -> tuple[str, bytes]:
        master = self.master
        with self._database.reading(KEYS) as session:
            row = _newest(session)
        if row is None:
            with self._database.transaction(KEYS) as session:
                row = _newest(session) or add_signing_key(session, master)
        return row.id, master.open(row.private_key, use=f"signing/{row.id}")


def add_signing_key(session: Session, master: MasterKey) -> tables.SigningKey:
    """Add a key that signs from now on."""
    private = Ed25519PrivateKey.generate()
    key_id = secrets.token_hex(8)
    row = tables.SigningKey(
        id=key_id,
        public_key=private.public_key().public_bytes_raw(),
        private_key=master.seal(private.private_bytes_raw(), use=f"signing/{key_id}"),
        made_at=clock.now(),
        retired_at=None,
    )
    session.add(row)
    session.flush()
    return row


def rotate_signing_key(session: Session, master: MasterKey) -> tables.SigningKey:
    """Add a key that signs from now on; the other keys verify tokens until these have expired."""
    session.execute(
        update(tables.SigningKey).where(tables.SigningKey.retired_at.is_(None)).values(retired_at=clock.now())
    )
    return add_signing_key(session, master)


def public_keys(session: Session) -> list[tables.SigningKey]:
    """Return the keys with tokens that may not have expired."""
    key = tables.SigningKey
    oldest = clock.now() - OVERLAP
    return list(session.scalars(select(key).where(or_(key.retired_at.is_(None), key.retired_at > oldest))))


def _newest(session: Session) -> tables.SigningKey | None:
    key = tables.SigningKey
    return session.scalars(select(key).where(key.retired_at.is_(None)).order_by(key.made_at.desc(), key.id)).first()
