"""Doubles of notifications: members who answer, channels that behave, and events of circulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from chassis import clock
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.port import AddressKind, Message, Outcome
from services.notifications.sending.owners import LinkRequest, PasswordCode, PlaceQuestion

ACCEPTED = Outcome("accepted", provider_id="p")
AWAY = Outcome("temporary", reason="PROVIDER_AWAY", is_channel_down=True)


@dataclass(eq=False)
class FakeChannel:
    """A channel that remembers what it got and answers as it is told.

    answers     by address, else `outcome`
    remembered  it can be asked what became of a message
    """

    name: str = "smtp"
    address_kind: AddressKind = "email"
    institution: str = ""
    deduplicates: bool = False
    outcome: Outcome = ACCEPTED
    remembers: bool = False
    answers: dict[str, Outcome] = field(default_factory=dict)
    sent: list[tuple[datetime, Message]] = field(default_factory=list)
    tried: list[tuple[datetime, Message]] = field(default_factory=list)
    taken: dict[str, Outcome] = field(default_factory=dict)

    def send(self, message: Message) -> Outcome:
        self.tried.append((clock.now(), message))
        outcome = self.answers.get(message.address, self.outcome)
        if outcome.state == "accepted":
            if self.deduplicates and message.id in self.taken:
                return outcome
            self.sent.append((clock.now(), message))
            self.taken[message.id] = outcome
        return outcome

    def ask(self, message_id: str) -> Outcome | None:
        return self.taken.get(message_id) if self.remembers else None

    def close(self) -> None:
        pass


@dataclass
class FakeOwners:
    """Members and the catalogue as the sender asks them.

    database  of the sender: while it has a connection in use, there is no answer
    """

    people: dict[UUID, MemberContact] = field(default_factory=dict)
    is_away: bool = False
    database: Database | None = None
    codes: dict[str, PasswordCode] = field(default_factory=dict)

    def add(self, **values: Any) -> UUID:
        """Add a member with an e-mail address; values as in MemberContact."""
        member_id = new_id()
        usual = {"name": "Siti Rahmawati", "language": "id", "email": f"{member_id.hex[-8:]}@example.org"}
        self.people[member_id] = MemberContact(id=str(member_id), **{**usual, **values})
        return member_id

    def contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, MemberContact]:
        self._answer()
        return {member_id: self.people[member_id] for member_id in ids if member_id in self.people}

    def password_code(self, member_id: UUID, slip_id: str) -> PasswordCode | None:
        self._answer()
        return self.codes.get(slip_id)

    def links(self, requests: Sequence[LinkRequest]) -> list[str]:
        self._answer()
        return [f"token-{number}" for number, _ in enumerate(requests)]

    def list_contacts(self, ids: Sequence[UUID], _metadata: Sequence[tuple[str, str]]) -> Mapping[UUID, MemberContact]:
        return self.contacts(ids)

    def place(self, _question: PlaceQuestion) -> Mapping[str, str]:
        self._refuse_in_transaction()
        return {"phone": "(0751) 123456"}

    def _refuse_in_transaction(self) -> None:
        if self.database is not None:
            pools = {self.database.writer.pool, self.database.reader.pool}  # one on PostgreSQL
            assert not sum(pool.checkedout() for pool in pools), "a call inside a transaction"

    def _answer(self) -> None:
        self._refuse_in_transaction()
        if self.is_away:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members", code="UNAVAILABLE")


def loan_copy(
    member_id: UUID,
    institution_id: UUID,
    *,
    loan_id: UUID | None = None,
    version: int = 1,
    due_on: date = date(2026, 11, 24),
    branch_id: UUID | None = None,
    title: str = "Merantau ke Deli",
    state: str = "on_loan",
) -> LoanCopy:
    """Make a loan as circulation's events name it."""
    loan = LoanCopy(
        loan_id=str(loan_id or new_id()),
        institution_id=str(institution_id),
        item_id=str(new_id()),
        state_version=version,
        state=state,
        member_id=str(member_id),
        due_on=due_on.isoformat(),
        branch_id=str(branch_id) if branch_id is not None else "",
        title=title,
    )
    loan.due_at.FromDatetime(datetime(due_on.year, due_on.month, due_on.day, 10, tzinfo=UTC))
    return loan
