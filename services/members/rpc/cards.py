"""RPCs for cards (issue, print, scan), password codes, and the caller's own membership."""

from __future__ import annotations

from dataclasses import replace

import grpc
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context, system
from chassis.database.idempotency import once
from chassis.errors import Invalid, NotFound, Unauthenticated
from chassis.ids import parse_id
from chassis.rpc.client import Stubs
from chassis.rpc.methods import reads, writes, writes_once
from rangkiang.catalog.v1.catalog_pb2 import GetFileRequest, ListBranchesRequest, ListInstitutionsRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.members.v1 import cards_pb2 as wire
from services.members.people import card_pdf, cards, password_codes, store
from services.members.people.events import open_blocks
from services.members.people.names import stored_words
from services.members.rpc.people import PeopleMethods, listed, member_message
from services.members.sign_in import passwords
from services.members.sign_in.accounts import user_name
from services.members.sign_in.attempts import Attempts
from services.members.tables import Institution

PASSWORD_CODES = system("slips")
MOST_PRINTED = 100
LOGO_TYPES = ("image/png", "image/jpeg", "image/webp")
# For 10 mm in print.
LOGO_PIXELS = 240
LAYOUTS = ("card", "sheet")


class CardMethods(PeopleMethods):
    """The part of the servicer for members, their cards and password codes."""

    _stubs: Stubs

    @writes_once
    def IssueCard(self, request: wire.IssueCardRequest, session: Session, caller: Context) -> wire.IssueCardReply:
        alias = (request.alias.kind, request.alias.code)
        member, card_id = cards.issue(session, request.id, request.act, alias=alias, context=caller)
        return wire.IssueCardReply(
            id=str(member.id), number=member.number or "", version=member.version, card_id=str(card_id)
        )

    @writes
    def EndCard(self, request: wire.EndCardRequest, session: Session, caller: Context) -> wire.EndCardReply:
        member = cards.remove(session, request.id, request.card_id, context=caller)
        return wire.EndCardReply(id=str(member.id), version=member.version)

    def PrintCards(self, request: wire.PrintCardsRequest, context: grpc.ServicerContext) -> wire.PrintCardsReply:
        caller, master = rpc.context(context), self._keys.master
        layout = request.layout or "card"
        if layout not in LAYOUTS:
            raise Invalid("MEMBER_FIELD_NOT_A_CHOICE", field="layout", choices=[*LAYOUTS])
        if not 0 < len(request.ids) <= MOST_PRINTED:
            raise Invalid("MEMBER_TOO_MANY", field="ids", most=MOST_PRINTED)
        ids = list(dict.fromkeys(request.ids))
        with self._database.reading(caller) as session:
            printed = [cards.printed_card(session, member_id, master=master) for member_id in ids]
            library = session.get_one(Institution, parse_id(caller.institution)).code
        design = _design(self._stubs.of("catalog", CatalogStub), library)
        for member_id in ids:
            self._access_log.record(caller, "members.print_card", kind="member", object_id=member_id)
        printed.sort(key=lambda card: (stored_words(card.name)[0], card.name, card.number))
        return wire.PrintCardsReply(pdf=card_pdf.print_cards(printed, layout=layout, design=design))

    @reads
    def Scan(self, request: wire.ScanRequest, session: Session, caller: Context) -> wire.ScanReply:
        scanned = cards.scan(session, parse_id(caller.institution), request.code[:300], master=self._keys.master)
        if scanned.member is None:
            return wire.ScanReply(kind="neither", card_state=scanned.card_state, looks_like=scanned.looks_like)
        member = listed(scanned.member, is_blocked=bool(open_blocks(session, [scanned.member.id])))
        self._access_log.record(caller, "members.scan", kind="member", object_id=member.id)
        return wire.ScanReply(kind="member", member=member, card_state=scanned.card_state)

    @reads
    def GetOwnMember(
        self, _request: wire.GetOwnMemberRequest, session: Session, caller: Context
    ) -> wire.GetOwnMemberReply:
        master = self._keys.master
        own = replace(caller, scopes=caller.scopes | {"members.contact"})
        details = store.read(session, caller.actor, context=own, master=master)
        message = member_message(details)
        # The desk's note is for the desk only.
        message.note = ""
        card = next((card for card in details.cards if card.code == details.member.number), None)
        return wire.GetOwnMemberReply(member=message, qr=cards.qr_content(card.qr, master) if card is not None else "")

    def MakeSlip(self, request: wire.MakeSlipRequest, context: grpc.ServicerContext) -> wire.MakeSlipReply:
        caller, master = rpc.context(context), self._keys.master
        with self._database.transaction(caller) as session:

            def act() -> wire.MakeSlipReply:
                if request.send:
                    password_codes.send_password_code(session, request.id, context=caller)
                    return wire.MakeSlipReply(is_sent=True)
                return wire.MakeSlipReply(
                    code=password_codes.make_password_code(session, request.id, context=caller, master=master)
                )

            return once(session, caller, request, wire.MakeSlipReply, act, keep_reply=request.send)

    def UseSlip(self, request: wire.UseSlipRequest, context: grpc.ServicerContext) -> wire.UseSlipReply:
        caller, master = replace(rpc.context(context), institution="*", actor=PASSWORD_CODES.actor), self._keys.master
        number = request.number.strip()[:64]
        passwords.check_new_password(request.password, about=(number,))
        attempts = Attempts(master, "slip", user_name(number), address=request.address)
        with self._database.reading(caller) as session:
            attempts.check(session)
        # Before the code is checked, so that the answer takes the same time for every number; and before the attempt is
        # counted, because hashing can refuse (SIGN_IN_BUSY).
        with passwords.place():
            password_hash = passwords.hash_password(request.password)
        with self._database.transaction(caller) as session:
            attempts.check(session)
            attempts.count_failure(session)
            member_id = password_codes.try_password_code(session, number, request.code, master=master)
        if member_id is None:
            raise Unauthenticated("SLIP_REFUSED")
        with self._database.transaction(caller) as session:
            password_codes.use_password_code(session, member_id, password_hash, context=caller)
            attempts.clear(session)
        return wire.UseSlipReply()


def _design(catalog: CatalogStub, library: str) -> card_pdf.Design:
    """Read the look of a library's cards from the catalogue; the address of its central branch if it has none itself.

    A logo in SVG is left out, because the PDF takes only pixels.
    raises  Unavailable  the catalogue does not answer: cards without the logo would be printed for nothing
    """
    try:
        institution = catalog.ListInstitutions(ListInstitutionsRequest(code=library)).institutions[0]
    except NotFound:
        return card_pdf.Design()
    logo = b""
    contacts = [institution.contact]
    if not institution.contact.address:
        branches = catalog.ListBranches(ListBranchesRequest(institution=library)).branches
        contacts = [branch.contact for branch in branches if branch.kind == "central"] or contacts
    if institution.logo:
        file = catalog.GetFile(GetFileRequest(id=institution.logo, width=LOGO_PIXELS))
        logo = file.content if file.media_type in LOGO_TYPES else b""
    lines = [*contacts[0].address.splitlines(), contacts[0].kelurahan]
    return card_pdf.Design(", ".join(line for line in lines if line), institution.card_colour, logo)
