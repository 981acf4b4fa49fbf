"""The port of the sender to other services: contacts, codes and links of members, and places of the catalogue."""

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
    """A link that members signs.

    act, subject  as in members' ActLink
    """

    member_id: UUID
    act: str
    subject: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SlipCode:
    """A code, which is not stored, and the number with which the member signs in."""

    code: str
    number: str


@dataclass(frozen=True, slots=True)
class PlaceQuestion:
    """Which place a message names, and in which language.

    branch_id  None for the institution
    """

    institution_id: UUID
    branch_id: UUID | None
    language: str


class Owners(Protocol):
    """Called outside transactions. Each method but `place` raises Unavailable or TooLate without an answer; then
    notices wait.
    """

    def contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, MemberContact]:
        """Return how to reach members, at most 500, by the id asked for; unknown and erased ones are left out."""
        ...

    def slip_code(self, member_id: UUID, slip_id: str) -> SlipCode | None:
        """Make the code of a slip; None when the slip is used, void or expired."""
        ...

    def links(self, requests: Sequence[LinkRequest]) -> list[str]:
        """Return the last part of each link, at most 500; "" for an unknown member."""
        ...

    def place(self, question: PlaceQuestion) -> Mapping[str, str]:
        """Return address, telephone and opening hours of a branch, as far as they are known."""
        ...
