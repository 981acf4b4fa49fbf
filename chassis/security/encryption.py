"""Sealing: AES-256-GCM with a key for each member, which the master key wraps; keyed hashes to find sealed values.

The master key is a file outside the databases and their backups. Without it no sealed value can be read, so a copy of
the database alone discloses none. When a member's wrapped key is deleted, all copies of the sealed values are useless.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.errors import Invalid, Unavailable

KEY_BYTES = 32
NONCE_BYTES = 12
MASTER_KEY_PREFIX = "rangkiang-master-key-1:"


class MasterKey:
    """The key of an installation. A key is derived from it for each purpose (HKDF, RFC 5869)."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a key of another length")
        self._key = key
        self._wrapping = AESGCM(self._derive(b"wrapping"))
        self._lookup = self._derive(b"lookup")
        # identifies the key without disclosing it
        self.fingerprint = hashlib.sha256(self._derive(b"fingerprint")).hexdigest()[:16]

    @classmethod
    def new(cls) -> MasterKey:
        """Make a random key."""
        return cls(os.urandom(KEY_BYTES))

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"rangkiang/" + purpose).derive(self._key)

    def seal(self, data: bytes, *, use: str) -> bytes:
        """Seal a small secret of the installation, such as a signing key.

        use  purpose of the secret; a value that is sealed for one purpose cannot be opened for another
        """
        return _encrypt(self._wrapping, data, use)

    def open(self, sealed: bytes, *, use: str) -> bytes:
        """Decrypt the output of `seal`. Raises Unavailable SEALED_UNREADABLE."""
        return _decrypt(self._wrapping, sealed, use)

    def lookup(self, kind: str, value: str) -> bytes:
        """Return the keyed hash by which a sealed value is found; equal for equal kind and value."""
        return hmac.digest(self._lookup, f"{kind}\0{value}".encode(), "sha256")

    def text(self) -> str:
        """Return the key in the form of its file, for `keys paper`."""
        return MASTER_KEY_PREFIX + base64.b32encode(self._key).decode().rstrip("=")


class MemberKey:
    """The key of one member's sealed values."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def new(cls, master: MasterKey, *, member: str) -> tuple[MemberKey, bytes]:
        """Make a key. Returns it and, for the table, its wrapped form."""
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return cls(key), master.seal(key, use=f"member/{member}")

    @classmethod
    def unwrap(cls, master: MasterKey, wrapped: bytes, *, member: str) -> MemberKey:
        """Return the key of a member. Raises Unavailable SEALED_UNREADABLE."""
        return cls(master.open(wrapped, use=f"member/{member}"))

    def seal(self, data: bytes, *, use: str) -> bytes:
        return _encrypt(self._cipher, data, use)

    def open(self, sealed: bytes, *, use: str) -> bytes:
        """Decrypt the output of `seal`. Raises Unavailable SEALED_UNREADABLE."""
        return _decrypt(self._cipher, sealed, use)


def _encrypt(cipher: AESGCM, data: bytes, use: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, use.encode())


def _decrypt(cipher: AESGCM, sealed: bytes, use: str) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], use.encode())
    except (InvalidTag, ValueError) as problem:
        raise Unavailable("SEALED_UNREADABLE") from problem


def read_master_key(path: Path) -> MasterKey | None:
    """Read the file of the master key; None if it does not exist.

    raises  Invalid  MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED  others may read the file
    """
    try:
        text = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise Invalid("MASTER_KEY_UNREADABLE", file=str(path)) from problem
    # The group may read it, because Kubernetes gives the files of secrets to the group of the pod.
    if mode & stat.S_IRWXO:
        raise Invalid("MASTER_KEY_EXPOSED", file=str(path))
    encoded = text.removeprefix(MASTER_KEY_PREFIX)
    try:
        return MasterKey(base64.b32decode(encoded + "=" * (-len(encoded) % 8)))
    except ValueError as problem:
        raise Invalid("MASTER_KEY_UNREADABLE", file=str(path)) from problem


def require_master_key(path: Path) -> MasterKey:
    """Read the file of the master key, to open values that are already sealed.

    raises  Unavailable  MASTER_KEY_MISSING
            Invalid      MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED
    """
    master = read_master_key(path)
    if master is None:
        raise Unavailable("MASTER_KEY_MISSING", file=str(path))
    return master


def refuse_other_key(master: MasterKey, fingerprint: str, path: Path) -> None:
    """Compare a master key with the fingerprint that a database has stored. Raises Unavailable MASTER_KEY_OTHER."""
    if master.fingerprint != fingerprint:
        raise Unavailable("MASTER_KEY_OTHER", file=str(path))


def make_master_key(path: Path) -> MasterKey:
    """Write a new master key that only the owner can read. If another process was first, return its key.

    raises  Unavailable  FOLDER_UNUSABLE
    """
    master = MasterKey.new()
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(master.text() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, which fails if the file exists, because a rename would replace the key of another process.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(path.parent), why=problem.strerror) from None
    return read_master_key(path) or master
