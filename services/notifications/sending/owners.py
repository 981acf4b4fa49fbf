"""The sender's port to other services: contacts, codes and links from members, and places from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from rangkiang.members.v1.contacts_pb2 import MemberContact

MOST_ASKED = 500


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A link for the service members to sign.

    act, subject  see ActLink in members
    """

    member_id: UUID
    act: str
    subject: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordCode:
    """A code, which is not stored, and the number with which the member signs in."""

    code: str
    number: str


@dataclass(frozen=True, slots=True)
class PlaceQuestion:
    """A query for the place in a message, in a language.

    branch_id  None for the institution
    """

    institution_id: UUID
    branch_id: UUID | None
    language: str


class Owners(Protocol):
    """Other services. Methods are called outside transactions, and raise Unavailable or TooLate without an answer.

    Then notices wait. Only `place` raises nothing.
    """

    def contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, MemberContact]:
        """Return requested id -> contact data, for at most 500 ids; unknown and erased members are left out."""
        ...

    def password_code(self, member_id: UUID, slip_id: str) -> PasswordCode | None:
        """Make a password code; None when it was used or replaced, or has expired."""
        ...

    def links(self, requests: Sequence[LinkRequest]) -> list[str]:
        """Return the token of each link, at most 500; "" for an unknown member."""
        ...

    def place(self, question: PlaceQuestion) -> Mapping[str, str]:
        """Return the known values of address, telephone and opening hours of a branch."""
        ...
