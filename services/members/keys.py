"""The keys of the installation: the master key of this database, and the keys that sign access tokens."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import timedelta
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from chassis.security.auth import OUTAGE_SECONDS, STATE_SECONDS, TOKEN_SECONDS, Principal, sign_token
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
# A rotated key verifies tokens for this time: the lifetime of a token, and a minute for differences between clocks and
# for processes that still sign with it.
OVERLAP = timedelta(seconds=TOKEN_SECONDS + 60)
# Tokens are valid for longer while members does not answer, so their keys are too.
KEY_OVERLAP = OVERLAP + timedelta(seconds=OUTAGE_SECONDS)
# A new key is published for this time before it signs, so that every process has read it.
PUBLISHED_FIRST = timedelta(seconds=2 * STATE_SECONDS)
# Time after which a process reads again which key signs.
SIGNER_SECONDS = 10.0


class Keys:
    """The keys of one process. They are read at their first use, so `migrate` needs no key."""

    def __init__(self, database: Database, settings: MembersSettings) -> None:
        self._database, self._settings = database, settings
        self._lock = threading.Lock()
        self._signer: tuple[str, bytes] | None = None
        self._signer_read_at = float("-inf")

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

    def signing_key(self) -> tuple[str, bytes]:
        """Return the id and the private key that sign now. Another process may have rotated the key."""
        signer = self._signer
        if signer is None or time.monotonic() - self._signer_read_at > SIGNER_SECONDS:
            with self._lock:
                if self._signer is None or time.monotonic() - self._signer_read_at > SIGNER_SECONDS:
                    self._signer, self._signer_read_at = self._read_or_make_signer(), time.monotonic()
                signer = self._signer
        return signer

    def _read_or_make_signer(self) -> tuple[str, bytes]:
        master = self.master
        with self._database.reading(KEYS) as session:
            row = _signing(session)
        if row is None:
            with self._database.transaction(KEYS) as session:
                row = _signing(session) or add_signing_key(session, master)
        return row.id, master.open(row.private_key, use=f"signing/{row.id}")


def add_signing_key(session: Session, master: MasterKey) -> tables.SigningKey:
    """Add a key that signs when no older key does."""
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
    """Add a key, which signs as soon as every process knows it. Tokens of older keys stay valid until they expire."""
    key = tables.SigningKey
    # Of two rotations at once the second waits, so that it also retires the key of the first.
    session.execute(select(key.id).where(key.retired_at.is_(None)).with_for_update())
    session.execute(update(key).where(key.retired_at.is_(None)).values(retired_at=clock.now() + PUBLISHED_FIRST))
    return add_signing_key(session, master)


def public_keys(session: Session) -> list[tables.SigningKey]:
    """Return the keys that sign or will sign, and those with tokens that may not have expired."""
    key = tables.SigningKey
    oldest = clock.now() - KEY_OVERLAP
    return list(session.scalars(select(key).where(or_(key.retired_at.is_(None), key.retired_at > oldest))))


def _signing(session: Session) -> tables.SigningKey | None:
    """Return the key that signs now: the oldest that is not retired, which every process knows."""
    key = tables.SigningKey
    is_active = or_(key.retired_at.is_(None), key.retired_at > clock.now())
    return session.scalars(select(key).where(is_active).order_by(key.made_at, key.id)).first()
