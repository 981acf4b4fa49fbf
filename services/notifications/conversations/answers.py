"""Automatic answers: to known words about a member's own loans; to other messages that staff will answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.db import Database
from chassis.errors import Invalid, NotFound, Refused
from chassis.sealing import MasterKey
from chassis.sentences import LocalText, sentence
from services.notifications.channels.port import one_line
from services.notifications.conversations import store
from services.notifications.conversations.store import Pending
from services.notifications.conversations.words import HELP, LOANS, RENEW, STOP, Word, read_word
from services.notifications.members import hash_address
from services.notifications.preferences import ALL, opt_out

log = logging.getLogger(__name__)

ANSWERING = system("conversations")
MOST_LOANS = 15
# A person who writes several messages gets the answer "staff will answer" once in this time.
TOLD_AGAIN = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Owner:
    """The member with the phone number of a message."""

    member_id: UUID
    institution_id: UUID
    language: str


@dataclass(frozen=True, slots=True)
class OwnLoan:
    """A loan of the member. refused: why it was not renewed; None if it was renewed, or no renewal was requested."""

    title: str
    due_on: date
    refused: LocalText | None = None


class Circulation(Protocol):
    """The port to members and circulation. Each method raises Unavailable or TooLate if a service does not answer."""

    def find_owner(self, phone: str) -> Owner | None:
        """Return the member if the number belongs to exactly one membership, else None."""
        ...

    def list_loans(self, owner: Owner) -> Sequence[OwnLoan]:
        """Return the member's loans, with a token of that member."""
        ...

    def renew_loans(self, owner: Owner, *, key: str) -> Sequence[OwnLoan]:
        """Renew the loans that can be renewed, with a token of that member, once for each key; return all loans."""
        ...


class Answerer:
    """Answers waiting messages."""

    def __init__(self, database: Database, circulation: Circulation, master: MasterKey) -> None:
        self._database = database
        self._circulation = circulation
        self._master = master

    def run_round(self) -> int:
        """Answer waiting messages, each in a separate transaction. Returns their number."""
        with self._database.reading(ANSWERING) as session:
            pending = store.read_pending(session, self._master)
        return sum(self._answer(message) for message in pending)

    def _answer(self, message: Pending) -> bool:
        if message.is_unreadable:
            return self._show_unreadable(message)
        word = read_word(message.text)
        owner, text = self._owner_and_text(message, word)
        with self._database.transaction(ANSWERING) as session:
            known = owner.institution_id if owner else store.find_institution(session, self._master, message.address)
            # Without any institution from the catalogue, messages wait.
            if known is None or not store.end_pending(session, message.provider_id):
                return False
            if owner and word and word.name == STOP:
                # For every kind; this replaces earlier preferences for WhatsApp.
                opt_out(session, owner.member_id, owner.institution_id, kind=ALL, channel="whatsapp")
            self._store(session, message, known, owner, word, text)
        return True

    def _show_unreadable(self, message: Pending) -> bool:
        """Show an unreadable message to staff, in a conversation without a number, which nobody can answer."""
        shown = sentence("CONVERSATION_UNREADABLE")
        with self._database.transaction(ANSWERING) as session:
            institution_id = store.find_institution(session, self._master, message.address)
            if institution_id is None or not store.end_pending(session, message.provider_id):
                return False
            text = replace(message, text=f"{shown.id}\n{shown.en}")
            store.add_message(
                session, self._master, text, institution_id=institution_id, member_id=None, language="id",
                address_hash=hash_address(self._master, institution_id, message.address), is_answered=False,
            )  # fmt: skip
        log.warning("message_unreadable", extra={"provider_id": message.provider_id})
        return True

    def _owner_and_text(self, message: Pending, word: Word | None) -> tuple[Owner | None, LocalText | None]:
        """Return the member and the answer. Messages for which members or circulation refuse a call go to staff."""
        owner: Owner | None = None
        try:
            owner = self._circulation.find_owner(message.address)
            return owner, self._text_for(message, owner, word)
        except (Invalid, NotFound, Refused):
            # A repeated call would be refused again and would block all later messages.
            return owner, None

    def _store(
        self,
        session: Session,
        message: Pending,
        institution_id: UUID,
        owner: Owner | None,
        word: Word | None,
        text: LocalText | None,
    ) -> None:
        language = word.language if word else owner.language if owner else "id"
        row = store.add_message(
            session,
            self._master,
            message,
            institution_id=institution_id,
            address_hash=hash_address(self._master, institution_id, message.address),
            member_id=owner.member_id if owner else None,
            language=language,
            is_answered=text is not None,
        )
        now = clock.now()
        if not store.is_window_open(message.at, now):
            return
        if text is None:
            if row.told_at is not None and now - row.told_at < TOLD_AGAIN:
                return
            row.told_at = now
            text = sentence("CONVERSATION_HANDED_OVER")
        store.add_answer(session, self._master, row, text.in_language(language))

    def _text_for(self, message: Pending, owner: Owner | None, word: Word | None) -> LocalText | None:
        """Return the answer to a word; None when staff should read the message."""
        if owner and word and word.name == STOP:
            return sentence("CONVERSATION_STOPPED")
        # WhatsApp accepts no free text a day after the message, and the idempotency key is kept for only two days.
        if word is None or not store.is_window_open(message.at, clock.now()):
            return None
        if word.name == HELP:
            return sentence("CONVERSATION_HELP")
        if owner is None:
            return None
        if word.name == LOANS:
            return loans_text(self._circulation.list_loans(owner))
        assert word.name == RENEW
        return renewals_text(self._circulation.renew_loans(owner, key=f"whatsapp-{message.provider_id[-50:]}"))


def loans_text(loans: Sequence[OwnLoan]) -> LocalText:
    """Return the text that lists the loans, in the given order."""
    if not loans:
        return sentence("CONVERSATION_NO_LOANS")
    lines = [sentence("CONVERSATION_LOAN", title=one_line(loan.title, 80), due=loan.due_on) for loan in loans]
    return _listed(sentence("CONVERSATION_LOANS", count=len(loans)), lines)


def renewals_text(loans: Sequence[OwnLoan]) -> LocalText:
    """Return the text that lists loans after a renewal, with reasons for those that were not renewed."""
    if not loans:
        return sentence("CONVERSATION_NO_LOANS")
    lines = [
        sentence("CONVERSATION_RENEWED", title=one_line(loan.title, 80), due=loan.due_on)
        if loan.refused is None
        else sentence("CONVERSATION_NOT_RENEWED", title=one_line(loan.title, 80), due=loan.due_on, why=loan.refused)
        for loan in loans
    ]
    count = sum(loan.refused is None for loan in loans)
    return _listed(sentence("CONVERSATION_RENEWALS", count=count, total=len(loans)), lines)


def _listed(head: LocalText, lines: Sequence[LocalText]) -> LocalText:
    shown = [head, *lines[:MOST_LOANS]]
    more = "\n…" if len(lines) > MOST_LOANS else ""
    return LocalText("\n".join(line.id for line in shown) + more, "\n".join(line.en for line in shown) + more)
