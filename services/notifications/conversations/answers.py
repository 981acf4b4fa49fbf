"""Automatic answers: to known words about a member's own loans; to other messages that staff will answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound, Refused
from chassis.ids import new_id
from chassis.security.encryption import MasterKey
from chassis.sentences import LocalText, sentence
from services.notifications.channels.limits import NOT_HANDED_OVER
from services.notifications.channels.port import Channel, Message, one_line
from services.notifications.conversations import inbound, store
from services.notifications.conversations.inbound import Pending
from services.notifications.conversations.words import HELP, LOANS, RENEW, STOP, Word, read_word
from services.notifications.members import hash_address
from services.notifications.preferences import ALL, opt_out
from services.notifications.tables import Institution

log = logging.getLogger(__name__)

ANSWERING = system("conversations")
MOST_LOANS = 15
# A person who writes several messages gets the answer "staff will answer" once in this time.
REPEATED_AFTER = timedelta(hours=12)


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

    def institutions_of(self, phone: str) -> set[UUID]:
        """Return the institutions that have a member with this number."""
        ...

    def find_owner(self, phone: str, institution_id: UUID) -> Owner | None:
        """Return the member if the number belongs to exactly one membership of the institution, else None."""
        ...

    def list_loans(self, owner: Owner) -> Sequence[OwnLoan]:
        """Return the member's loans, with a token of that member."""
        ...

    def renew_loans(self, owner: Owner, *, key: str) -> Sequence[OwnLoan]:
        """Renew the loans that can be renewed, with a token of that member, once for each key; return all loans."""
        ...


class Answerer:
    """Answers waiting messages.

    channels  by name: a channel of one institution decides the institution of its messages. The sender of a message to
              another channel is asked, if the message may be for several institutions
    """

    def __init__(
        self, database: Database, circulation: Circulation, master: MasterKey, channels: Mapping[str, Channel]
    ) -> None:
        self._database = database
        self._circulation = circulation
        self._master = master
        self._channels = channels
        self._institutions: list[Institution] = []
        self._away: set[str] = set()

    def run_round(self) -> int:
        """Answer waiting messages, each in a separate transaction. Returns their number.

        A page of messages of which none can be answered now holds no later ones.
        """
        page = self._read_page(None)
        while page:
            if count := sum(map(self._answer, page)):
                return count
            page = self._read_page(page[-1])
        return 0

    def _read_page(self, after: Pending | None) -> list[Pending]:
        with self._database.reading(ANSWERING) as session:
            self._institutions = inbound.read_institutions(session)
            session.expunge_all()
            codes = {institution.code for institution in self._institutions}
            # Messages wait for an institution that the catalogue has not sent yet.
            unknown = [name for name, channel in self._channels.items() if channel.institution not in ("", *codes)]
            return inbound.read_pending(session, self._master, without=unknown, after=after) if codes else []

    def _answer(self, message: Pending) -> bool:
        if message.is_unreadable:
            return self._show_unreadable(message)
        candidates = self._candidates(message)
        if len(candidates) > 1:
            return self._find_or_ask(message, candidates)
        return self._process(message, candidates[0])

    def _find_or_ask(self, message: Pending, candidates: Sequence[Institution]) -> bool:
        """Process a message that may be for several institutions, if its sender named one lately; else ask."""
        named = next((institution for institution in candidates if _is_code(message.text, institution)), None)
        if named is not None:
            # The next round processes it after the earlier messages of the sender.
            with self._database.transaction(ANSWERING) as session:
                inbound.name_institution(session, self._master, message, named.id)
            return True
        ids = [institution.id for institution in candidates]
        with self._database.reading(ANSWERING) as session:
            last = inbound.last_institution(session, self._master, message.channel, message.address, ids)
        latest = next((institution for institution in candidates if institution.id == last), None)
        return self._ask(message, candidates) if latest is None else self._process(message, latest)

    def _candidates(self, message: Pending) -> list[Institution]:
        """Return the institutions that a message may be for, in order of code; at least one.

        These are the institution of its channel, or the one that the sender named; else those with a member who has
        the number, and those that wrote to it; else all.
        """
        own = self._own_institutions(message)
        if len(own) == 1:
            return own
        try:
            ids = self._circulation.institutions_of(message.address)
        except (Invalid, NotFound, Refused):
            ids = set()
        with self._database.reading(ANSWERING) as session:
            ids |= inbound.institutions_that_wrote(
                session, self._master, message.channel, message.address, [institution.id for institution in own]
            )
        return [institution for institution in own if institution.id in ids] or own

    def _own_institutions(self, message: Pending) -> list[Institution]:
        channel = self._channels.get(message.channel)
        if channel is not None and channel.institution:
            return [institution for institution in self._institutions if institution.code == channel.institution]
        named = [institution for institution in self._institutions if institution.id == message.institution_id]
        return named or self._institutions

    def _ask(self, message: Pending, candidates: Sequence[Institution]) -> bool:
        """Ask the sender for the institution. Until then the message waits, and no institution sees it."""
        channel = self._channels.get(message.channel)
        if message.channel in self._away:
            return False
        with self._database.transaction(ANSWERING) as session:
            is_wanted = inbound.set_aside(session, self._master, message)
        if is_wanted is None:
            return False
        if not is_wanted or channel is None or not store.is_window_open(message.at, clock.now()):
            return True
        word = read_word(message.text)
        language = word.language if word else "id"
        lines = [
            sentence("CONVERSATION_LIBRARY", code=institution.code, name=_name_of(institution))
            for institution in candidates
        ]
        text = _listed(sentence("CONVERSATION_WHICH_LIBRARY"), lines).in_language(language)
        outcome = channel.send(
            Message(
                id=str(new_id()),
                kind="conversation",
                address=message.address,
                language=language,
                subject="",
                text=text,
                is_in_window=True,
            )
        )
        if outcome.state == "temporary" and (outcome.is_channel_down or outcome.reason in NOT_HANDED_OVER):
            self._away.add(message.channel)
            with self._database.transaction(ANSWERING) as session:
                inbound.ask_again(session, message.provider_id)
            return False
        return True

    def _process(self, message: Pending, institution: Institution) -> bool:
        word = read_word(message.text)
        owner, text = self._owner_and_text(message, word, institution)
        with self._database.transaction(ANSWERING) as session:
            if not inbound.end_pending(session, message.provider_id):
                return False
            if owner and word and word.name == STOP:
                # For every kind; this replaces earlier preferences for WhatsApp.
                opt_out(session, owner.member_id, owner.institution_id, kind=ALL, channel="whatsapp")
            self._store(session, message, institution.id, owner, word, text)
        return True

    def _show_unreadable(self, message: Pending) -> bool:
        """Show an unreadable message to staff, in a conversation without a number, which nobody can answer.

        If its institution is not known, only the log reports it.
        """
        institutions = self._own_institutions(message)
        shown = sentence("CONVERSATION_UNREADABLE")
        with self._database.transaction(ANSWERING) as session:
            if not inbound.end_pending(session, message.provider_id):
                return False
            if len(institutions) == 1:
                institution_id = institutions[0].id
                text = replace(message, text=f"{shown.id}\n{shown.en}")
                store.add_message(
                    session, self._master, text, institution_id=institution_id, member_id=None, language="id",
                    address_hash=hash_address(self._master, institution_id, message.address), is_answered=False,
                )  # fmt: skip
        log.warning("message_unreadable", extra={"provider_id": message.provider_id})
        return True

    def _owner_and_text(
        self, message: Pending, word: Word | None, institution: Institution
    ) -> tuple[Owner | None, LocalText | None]:
        """Return the member and the answer. Messages for which members or circulation refuse a call go to staff."""
        owner: Owner | None = None
        try:
            owner = self._circulation.find_owner(message.address, institution.id)
            if message.institution_id is not None and _is_code(message.text, institution):
                return owner, sentence("CONVERSATION_LIBRARY_NAMED", name=_name_of(institution))
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
            if row.handed_over_at is not None and now - row.handed_over_at < REPEATED_AFTER:
                return
            row.handed_over_at = now
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


def _is_code(text: str, institution: Institution) -> bool:
    return text.strip(" \t\n.").casefold() == institution.code.casefold()


def _name_of(institution: Institution) -> LocalText:
    name = institution.name_id or institution.code
    return LocalText(one_line(name, 80), one_line(institution.name_en or name, 80))


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
