"""Acts of the desk: identify a scan, perform the act, and describe the outcome for the page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
from starlette.requests import Request

from chassis.errors import Conflict, Error, Forbidden, Invalid, NotFound, Refused, TooLate, Unavailable
from chassis.models import enum_values
from gateway.clients import call, catalog, circulation, members
from gateway.sessions import may
from gateway.web.desk.lending import due_words, error_sentences, names_of, sentences
from gateway.web.forms import Fields
from gateway.web.hits import local_text
from gateway.web.texts import words_of
from rangkiang.catalog.v1 import catalog_pb2, facets_pb2, items_pb2
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.members.v1 import cards_pb2, people_pb2

LEND, RETURN, READ_HERE = "lend", "return", "read_here"
# Refusals that cannot be waived.
FINAL = frozenset(reason.upper() for reason, _ in enum_values(wire.FinalRefusal))
# Tones in which the page shows an outcome.
DONE, LOOK, REFUSED = "done", "look", "refused"
_LONGEST_CODE = 300
_MOST_CHOICES = 8
_NO_ANSWER = (Unavailable, TooLate)


@dataclass(slots=True)
class Choice:
    """One of several meanings of a typed text. Its button sends `fields`."""

    label: str
    detail: str
    fields: dict[str, str]


@dataclass(slots=True)
class Outcome:
    """The outcome of a scan or a button.

    tone       DONE, LOOK (something to read or to choose) or REFUSED
    lines      sentences below the heading
    item       the item of the act
    choices    buttons, of which staff choose one
    waivable   reasons of refusals that the caller may waive
    fast_add   barcode, title and author for the form that adds an unknown item
    """

    tone: str
    heading: str
    code: str = ""
    lines: list[str] = field(default_factory=list)
    item: wire.Item | None = None
    choices: list[Choice] = field(default_factory=list)
    waivable: list[str] = field(default_factory=list)
    fast_add: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """One request of a desk.

    institution  code of the institution
    branch       full code of the desk's branch
    branches     names of all branches, by full code
    member       id of the current borrower; "" between borrowers
    is_without_members  True when members was not available, or the caller may not use it
    """

    request: Request
    mode: str
    institution: str
    branch: str
    branches: Mapping[str, str]
    member: str = ""
    is_without_members: bool = False

    def say(self, key: str, **facts: Any) -> str:
        return words_of(self.request).say(key, **facts)

    async def act(self, fields: Fields) -> Outcome:
        """Perform the act of a form, and return its outcome.

        raises  Unavailable, TooLate  it is unknown whether the act was done
        """
        act, code = fields.text("act"), fields.get("code", "").strip()[:_LONGEST_CODE]
        if act == "finish":
            return self._finish()
        if act == "member":
            return await self._open(code)
        if act == "record":
            return await self._items_of(code)
        if act in ("renew", "renew_all"):
            return await self._try(self._renew(act, code), code)
        if act in ("fast_add", "find_record"):
            return await self._fast_add(fields, code, is_search=act == "find_record")
        if act in ("item", "override", "exchange"):
            item = await self._item(code)
            return await self._handle(act, fields, code, item)
        if not code:
            return Outcome(LOOK, self.say("lending.nothing_scanned"))
        return await self._scan(fields, code)

    async def _scan(self, fields: Fields, code: str) -> Outcome:
        """Identify a code, and act on it: a card opens a borrower; an item is lent, returned or counted."""
        for form in _forms_of(code):
            card, item = await asyncio.gather(self._card(form), self._item(form))
            if card is not None and item is not None:
                return self._ask_which(form, card, item)
            if card is not None:
                return await self._opened(card, code)
            if item is not None:
                return await self._handle("item", fields, form, item)
        if _is_number(code):
            if self.mode != LEND or self.member:
                # Circulation refuses an unknown number with a precise reason.
                return await self._handle("item", fields, code, None)
            return self._unknown(code)
        return await self._search(code)

    async def _handle(self, act: str, fields: Fields, code: str, found: wire.FindItemReply | None) -> Outcome:
        """Lend, return or count an item."""
        item = found.item if found is not None else None
        number = item.id if item is not None else code
        if self.mode == RETURN:
            return await self._try(self._return(number, code), code, item)
        if self.mode == READ_HERE:
            return await self._try(self._count(number, code), code, item)
        if not self.member:
            return await self._show(code, found) if found is not None else self._unknown(code)
        message = wire.CheckOutRequest(member=self.member, item=number, branch=self.branch)
        if act == "override":
            message.override.extend(fields.many("waived"))
            message.reason = fields.text("reason")
        outcome = await self._try(self._lend(message, code, is_exchange=act == "exchange"), code, item)
        if act == "override" and outcome.tone == REFUSED and not outcome.waivable:
            outcome.waivable = fields.many("waived")
        return outcome

    async def _lend(self, message: wire.CheckOutRequest, code: str, *, is_exchange: bool) -> Outcome:
        if is_exchange:
            back = wire.CheckInRequest(item=message.item, branch=self.branch)
            await call(self.request, circulation(self.request).CheckIn, back)
        reply = await call(self.request, circulation(self.request).CheckOut, message)
        due = self.say("lending.until", day=due_words(reply.loan, words_of(self.request)))
        heading = self.say("lending.lent_before" if reply.repeated else "lending.lent")
        return Outcome(DONE, heading, code, [due], reply.loan.item)

    async def _return(self, number: str, code: str) -> Outcome:
        message = wire.CheckInRequest(item=number, branch=self.branch)
        reply = await call(self.request, circulation(self.request).CheckIn, message)
        words, lines = words_of(self.request), []
        if reply.next == "transit":
            lines.append(self.say("lending.to_branch", branch=self.branches.get(reply.to, reply.to)))
        if reply.HasField("loan") and reply.loan.member_id:
            names = await names_of(self.request, [reply.loan.member_id])
            name = (names or {}).get(reply.loan.member_id, reply.loan.card)
            lines.append(self.say("lending.from_borrower", name=name))
        if reply.HasField("suspension"):
            until = words.weekday(date.fromisoformat(reply.suspension.ends_on))
            lines.append(self.say("lending.suspended", until=until))
        lines += sentences(reply.notes, words.language)
        heading = self.say(f"lending.next.{reply.next if reply.next in ('shelve', 'transit') else 'nothing'}")
        is_plain = reply.HasField("loan") and reply.next == "shelve" and not reply.notes
        return Outcome(DONE if is_plain else LOOK, heading, code, lines, reply.item)

    async def _count(self, number: str, code: str) -> Outcome:
        message = wire.UseInLibraryRequest(item=number, branch=self.branch)
        reply = await call(self.request, circulation(self.request).UseInLibrary, message)
        return Outcome(
            DONE, self.say("lending.counted_before" if reply.repeated else "lending.counted"), code, [], reply.item
        )

    async def _renew(self, act: str, code: str) -> Outcome:
        words, stub = words_of(self.request), circulation(self.request)
        if act == "renew":
            loan = (await call(self.request, stub.RenewLoan, wire.RenewLoanRequest(id=code))).loan
            until = self.say("lending.until", day=due_words(loan, words))
            return Outcome(DONE, self.say("lending.renewed"), "", [until], loan.item)
        renewals = (await call(self.request, stub.RenewAll, wire.RenewAllRequest(member=self.member))).renewals
        renewed = sum(renewal.is_renewed for renewal in renewals)
        lines = [
            f"{renewal.loan.item.title}: {' '.join(sentences(renewal.refusals, words.language))}"
            for renewal in renewals
            if not renewal.is_renewed
        ]
        return Outcome(REFUSED if lines else DONE, words.count("lending.renewed_some", renewed), "", lines)

    async def _try(self, act: Awaitable[Outcome], code: str, item: wire.Item | None = None) -> Outcome:
        """Await an act. A refusal becomes an outcome with its sentences and the possible next acts."""
        try:
            return await act
        except (Refused, NotFound, Invalid, Forbidden, Conflict) as problem:
            outcome = Outcome(
                REFUSED, self.say(f"lending.refused.{self.mode}"), code, error_sentences(self.request, problem), item
            )
            if isinstance(problem, Refused) and self.mode == LEND and item is not None:
                if problem.reasons == {"ITEM_ON_LOAN"}:
                    label = self.say("lending.exchange")
                    outcome.choices.append(Choice(label, "", {"act": "exchange", "code": code, "member": self.member}))
                elif not problem.reasons & FINAL and may(self.request, "loans.override"):
                    outcome.waivable = sorted(problem.reasons)
            if item is None and "COPY_UNKNOWN" in problem.reasons:
                self._offer_fast_add(outcome, code)
            return outcome

    def _offer_fast_add(self, outcome: Outcome, code: str, title: str = "", author: str = "") -> None:
        """Offer the form that adds an unknown item, if the text looks like a scanned number."""
        if _is_number(code) and may(self.request, "items.fast_add"):
            outcome.fast_add = {"code": code, "title": title, "author": author}

    async def _fast_add(self, fields: Fields, code: str, *, is_search: bool) -> Outcome:
        """Add an item to a record or to a new record, and then lend, return or count it. A search offers records."""
        title, author = fields.text("title"), fields.text("author")
        if is_search:
            choices = await self._titles(title, is_own=True)
            for choice in choices:
                choice.fields = {**choice.fields, "act": "fast_add", "code": code, "record": choice.fields["code"]}
            heading = self.say("lending.which_record" if choices else "lending.no_record")
            outcome = Outcome(LOOK, heading, code, [], choices=choices)
            self._offer_fast_add(outcome, code, title, author)
            return outcome
        record = fields.text("record")
        message = items_pb2.FastAddRequest(
            barcode=code,
            branch=self.branch,
            record_id=record,
            title="" if record else title,
            author="" if record else author,
        )
        try:
            await call(self.request, catalog(self.request).FastAdd, message)
        except (Refused, NotFound, Invalid, Forbidden, Conflict) as problem:
            lines = error_sentences(self.request, problem)
            outcome = Outcome(REFUSED, self.say("lending.not_added"), code, lines)
            if "BARCODE_TAKEN" not in problem.reasons:
                self._offer_fast_add(outcome, code, title, author)
            return outcome
        return await self._handle("item", fields, code, await self._added(code))

    async def _added(self, code: str) -> wire.FindItemReply | None:
        """Return an item that the catalogue has just added; None when circulation does not find it three times."""
        for pause in (0.0, 0.2, 0.5):
            await asyncio.sleep(pause)
            if (found := await self._item(code)) is not None:
                return found
        return None

    def _finish(self) -> Outcome:
        self.member = ""
        return Outcome(DONE, self.say("lending.finished"))

    async def _open(self, member: str) -> Outcome:
        self.member, self.mode = member, LEND
        return Outcome(DONE, self.say("lending.opened"))

    async def _opened(self, card: cards_pb2.ScanReply | wire.GetBorrowerReply, code: str) -> Outcome:
        """Open the borrower of a card. For a card that is no longer valid, the page offers the member as a choice."""
        if isinstance(card, cards_pb2.ScanReply):
            if card.card_state not in ("", "active"):
                state = words_of(self.request).code("card_state", card.card_state)
                choice = Choice(card.member.name, card.member.number, {"act": "member", "code": card.member.id})
                return Outcome(REFUSED, self.say("lending.card_invalid", state=state), code, [], choices=[choice])
            self.member = card.member.id
        else:
            self.member = card.member_id
        self.mode = LEND
        return Outcome(DONE, self.say("lending.opened"), code)

    async def _card(self, code: str) -> cards_pb2.ScanReply | wire.GetBorrowerReply | None:
        """Return the member of a card. When members is unavailable or forbidden, ask circulation by the card number."""
        try:
            scanned = await call(self.request, members(self.request).Scan, cards_pb2.ScanRequest(code=code))
        except (*_NO_ANSWER, Forbidden):
            self.is_without_members = True
            try:
                return await call(
                    self.request, circulation(self.request).GetBorrower, wire.GetBorrowerRequest(member=code)
                )
            except (NotFound, Invalid, Refused):
                return None
        return scanned if scanned.kind == "member" else None

    async def _item(self, code: str) -> wire.FindItemReply | None:
        try:
            return await call(self.request, circulation(self.request).FindItem, wire.FindItemRequest(item=code))
        except (NotFound, Invalid, Refused):
            return None

    def _ask_which(self, code: str, card: Any, found: wire.FindItemReply) -> Outcome:
        is_scan = isinstance(card, cards_pb2.ScanReply)
        member, name = (card.member.id, card.member.name) if is_scan else (card.member_id, card.card)
        choices = [
            Choice(name, self.say("lending.as_card"), {"act": "member", "code": member}),
            Choice(found.item.title, self.say("lending.as_item"), self._item_fields(found.item.id)),
        ]
        return Outcome(LOOK, self.say("lending.which"), code, [], choices=choices)

    async def _show(self, code: str, found: wire.FindItemReply) -> Outcome:
        """Show the state of an item that was scanned without a borrower."""
        lines = [self.say(f"lending.state.{found.state}") if found.state else ""]
        choices = []
        if found.HasField("loan"):
            lines = [self.say("lending.out_until", day=due_words(found.loan, words_of(self.request)))]
            if found.loan.member_id:
                names = await names_of(self.request, [found.loan.member_id])
                name = (names or {}).get(found.loan.member_id, found.loan.card)
                choices.append(
                    Choice(name, self.say("lending.open_borrower"), {"act": "member", "code": found.loan.member_id})
                )
        lines.append(self.say("lending.card_first"))
        return Outcome(LOOK, self.say("lending.item"), code, list(filter(None, lines)), found.item, choices)

    def _unknown(self, code: str) -> Outcome:
        lines = [self.say("lending.names_missing")] if self.is_without_members else []
        outcome = Outcome(REFUSED, self.say("lending.unknown"), code, [*lines, self.say("lending.unknown_how")])
        self._offer_fast_add(outcome, code)
        return outcome

    async def _search(self, text: str) -> Outcome:
        """Offer members whose name matches, and records whose title matches."""
        people, titles = await asyncio.gather(self._people(text), self._titles(text))
        choices = [*(people or []), *titles]
        if not choices:
            lines = [self.say("lending.names_missing")] if people is None else [self.say("lending.unknown_how")]
            return Outcome(REFUSED, self.say("lending.unknown"), text, lines)
        return Outcome(LOOK, self.say("lending.choose"), text, [], choices=choices)

    async def _people(self, text: str) -> list[Choice] | None:
        message = people_pb2.SearchMembersRequest(q=text[:200], limit=_MOST_CHOICES)
        try:
            reply = await call(self.request, members(self.request).SearchMembers, message)
        except (*_NO_ANSWER, Forbidden):
            return None
        return [
            Choice(
                member.name,
                ", ".join(filter(None, (member.number, member.group, member.school))),
                {"act": "member", "code": member.id},
            )
            for member in reply.members
        ]

    async def _titles(self, text: str, *, is_own: bool = False) -> list[Choice]:
        """Return the records that match a title; `is_own` restricts them to records with items of the institution."""
        own = [facets_pb2.Filter(facet="institution", values=[self.institution])]
        message = catalog_pb2.SearchRequest(query=text[:200], limit=_MOST_CHOICES, filters=own if is_own else [])
        try:
            reply = await call(self.request, catalog(self.request).Search, message)
        except Error:
            return []
        choices = []
        for hit in reply.hits:
            brief = orjson.loads(hit.brief)
            detail = ", ".join(filter(None, (*brief.get("authors", [])[:1], str(brief.get("year") or ""))))
            choices.append(Choice(brief["title"], detail, {"act": "record", "code": hit.id, "member": self.member}))
        return choices

    async def _items_of(self, record: str) -> Outcome:
        """Offer the institution's items of a record."""
        reply = await call(
            self.request, catalog(self.request).ListItems, catalog_pb2.ListItemsRequest(record_id=record)
        )
        words, choices = words_of(self.request), []
        for item in reply.items:
            if item.barcode and item.institution == self.institution:
                branch = local_text(item.branch_name, words.language)
                state = words.code("answer", item.availability)
                detail = ", ".join(filter(None, (branch, item.call_number, item.enumeration, item.copy, state)))
                choices.append(Choice(item.barcode, detail, self._item_fields(item.barcode)))
        heading = self.say("lending.choose_item" if choices else "lending.no_items")
        return Outcome(LOOK, heading, "", [], choices=choices[: 5 * _MOST_CHOICES])

    def _item_fields(self, code: str) -> dict[str, str]:
        return {"act": "item", "code": code, "member": self.member}


def _forms_of(code: str) -> list[str]:
    """Return a code as scanned, and for a number also the forms that Caps Lock may have changed."""
    if not _is_number(code):
        return [code]
    return list(dict.fromkeys((code, code.upper(), code.swapcase())))


def _is_number(code: str) -> bool:
    """Return whether a text looks like a number from a scanner, not like a name or a title."""
    return " " not in code and any(letter.isdigit() for letter in code)
