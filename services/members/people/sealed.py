"""Sealed values: one ciphertext for each member, under the member's own key, and keyed hashes for searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from chassis.security.encryption import MasterKey, MemberKey
from services.members.people.values import SEALED

_USE = "member"


def seal(values: Mapping[str, str], key: MemberKey) -> bytes:
    """Seal the values of the sealed fields; other fields are ignored."""
    sealed = {field: values[field] for field in SEALED if values.get(field)}
    return key.seal(json.dumps(sealed, ensure_ascii=False).encode(), use=_USE)


class Sealed(Protocol):
    """A member with sealed values: a row of the table, or some of its columns."""

    @property
    def id(self) -> UUID: ...

    @property
    def wrapped_key(self) -> bytes: ...

    @property
    def sealed(self) -> bytes: ...


def open_values(member: Sealed, master: MasterKey) -> dict[str, str]:
    """Return the values of all sealed fields; "" for empty ones. Raises Unavailable SEALED_UNREADABLE."""
    if not member.wrapped_key:
        return dict.fromkeys(SEALED, "")
    opened = json.loads(key_of(member, master).open(member.sealed, use=_USE))
    return {field: opened.get(field, "") for field in SEALED}


def key_of(member: Sealed, master: MasterKey) -> MemberKey:
    """Return the key of a member's sealed values."""
    return MemberKey.unwrap(master, member.wrapped_key, member=str(member.id))


def hash_of(kind: str, value: str, *, institution_id: UUID, master: MasterKey) -> bytes:
    """Return the keyed hash with which a value is found in one institution.

    kind  nik, phone, email, birth_date or import
    """
    return master.lookup(_purpose(kind, institution_id), value.casefold())


@lru_cache(maxsize=64)
def _purpose(kind: str, institution_id: UUID) -> str:
    return f"{kind}/{institution_id}"


def hashes_of(values: Mapping[str, str], *, institution_id: UUID, master: MasterKey) -> dict[str, bytes]:
    """Return kind -> keyed hash for the sealed values that can be searched."""
    return {
        kind: hash_of(kind, values[field], institution_id=institution_id, master=master)
        for field, kind in SEALED.items()
        if kind and values.get(field)
    }
