"""Cards and numbers of other systems: issue, loss and replacement, QR codes, and identification of scanned codes."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Invalid, NotFound, Refused
from chassis.ids import parse_id, parse_or_nil
from chassis.security.encryption import MasterKey
from services.members.people import drafts, events, numbers, store, values
from services.members.people.card_pdf import PrintedCard
from services.members.tables import Account, Card, Category, Institution, Member

ACTS = ("lost", "damaged", "alias")
MOST_CARDS = 50
# A QR code contains this and 32 characters of base32, which fit the compact alphanumeric mode of QR codes.
QR_PREFIX = "RK1"
_MAC_BYTES = 10
_QR = re.compile(rf"{QR_PREFIX}([A-Z2-7]{{32}})")


def issue(
    session: Session, member_id: str, act: str, *, alias: tuple[str, str] = ("", ""), context: Context
) -> tuple[Member, UUID]:
    """Replace a lost or damaged card, or add a number of another system.

    act     "lost": a new number; the old number stays, with the state lost
            "damaged": the same number with a new QR code; the old QR code is revoked
            "alias": adds `alias`
    alias   (kind, code) of the number of another system
    returns the member, and the id of the new or changed card
    raises  NotFound  MEMBER_NOT_FOUND
            Invalid   MEMBER_FIELD_NOT_A_CHOICE, CARD_NUMBER_INVALID
            Refused   MEMBER_MERGED, CARD_NUMBER_IN_USE, CARDS_TOO_MANY
    emits   MembersChanged
    """
    if act not in ACTS:
        raise Invalid("MEMBER_FIELD_NOT_A_CHOICE", field="act", choices=[*ACTS])
    member = store.locked(session, member_id)
    numbers.lock(session, member.institution_id)
    cards = session.scalars(select(Card).where(Card.member_id == member.id)).all()
    if len(cards) >= MOST_CARDS and act != "damaged":
        raise Refused("CARDS_TOO_MANY", most=MOST_CARDS)
    current = next((card for card in cards if card.code == member.number), None)
    if act == "damaged" and current is not None:
        current.qr = os.urandom(drafts.QR_BYTES)
        card_id = current.id
    elif act == "alias":
        card_id = _add(session, member, *_clean_alias(alias))
    else:
        if current is not None:
            current.state, current.ended_at = "lost", clock.now()
        number = numbers.take_numbers(session, member.institution_id, 1)[0]
        card_id = _add(session, member, "card", number, has_qr=True)
        member.number = number
        session.execute(update(Account).where(Account.id == member.id).values(user=number.lower()))
    store.touch(member, ["cards"] if act != "lost" else ["cards", "number"])
    audit.record(
        session, context, f"members.card_{act}", kind="member", object_id=member.id, facts={"version": member.version}
    )
    events.emit_changed(session, [member], context)
    return member, card_id


def remove(session: Session, member_id: str, card_id: str, *, context: Context) -> Member:
    """Remove a card or number that is not the member's current one.

    raises  NotFound  MEMBER_NOT_FOUND, CARD_NOT_FOUND
            Refused   CARD_IS_CURRENT  the current number can only be replaced
    emits   MembersChanged
    """
    member = store.locked(session, member_id)
    card = session.get(Card, parse_or_nil(card_id))
    if card is None or card.member_id != member.id:
        raise NotFound("CARD_NOT_FOUND", id=card_id[:40])
    if card.code == member.number:
        raise Refused("CARD_IS_CURRENT")
    session.delete(card)
    store.touch(member, ["cards"])
    audit.record(
        session, context, "members.card_remove", kind="member", object_id=member.id, facts={"card": str(card.id)}
    )
    events.emit_changed(session, [member], context)
    return member


def _clean_alias(alias: tuple[str, str]) -> tuple[str, str]:
    checks = {"alias.kind": values.choice(values.ALIASES), "alias.code": values.card_number}
    cleaned, problems = values.clean(dict(zip(checks, alias, strict=True)), checks)
    store.raise_all(problems)
    return cleaned["alias.kind"] or "other", cleaned["alias.code"]


def _add(session: Session, member: Member, kind: str, code: str, *, has_qr: bool = False) -> UUID:
    holder = session.execute(
        select(Member.id, Member.number)
        .join(Card, Card.member_id == Member.id)
        .where(Card.institution_id == member.institution_id, Card.code == code)
    ).one_or_none()
    if holder is not None:
        raise Refused("CARD_NUMBER_IN_USE", member=str(holder.id), number=holder.number or "–")
    owner = {"institution_id": member.institution_id, "member_id": member.id}
    row = drafts.card_row(code, kind, at=clock.now(), has_qr=has_qr, **owner)
    session.execute(insert(Card), [row])
    card_id: UUID = row["id"]
    return card_id


def printed_card(session: Session, member_id: str, *, master: MasterKey) -> PrintedCard:
    """Return the content of a member's current card.

    raises  NotFound  MEMBER_NOT_FOUND
            Invalid   CARD_MISSING  the member has no number
    """
    member = store.get(session, member_id)
    card = session.scalars(select(Card).where(Card.member_id == member.id, Card.code == (member.number or ""))).first()
    if card is None:
        raise Invalid("CARD_MISSING", member=str(member.id))
    library = session.get_one(Institution, member.institution_id)
    category = session.get(Category, (member.institution_id, member.category))
    name = " ".join(filter(None, (member.title_before, member.name)))
    return PrintedCard(
        library=library.name_id or library.name_en,
        name=f"{name}, {member.title_after}" if member.title_after else name,
        number=card.code,
        category=category.name_id if category is not None else "",
        ends_on=member.expires_on,
        qr=qr_content(card.qr, master),
    )


def qr_content(qr: bytes, master: MasterKey) -> str:
    """Return the content of a card's QR code: a signed random token. It identifies the card, and is not for sign-in."""
    return QR_PREFIX + base64.b32encode(qr + _mac(qr, master)).decode()


def _mac(qr: bytes, master: MasterKey) -> bytes:
    return master.lookup("card-qr", qr.hex())[:_MAC_BYTES]


def _read_qr(code: str, master: MasterKey) -> bytes | None:
    """Return the token of one of our QR codes; None for any other code and for a forged one."""
    match = _QR.fullmatch(code)
    if match is None:
        return None
    try:
        decoded = base64.b32decode(match.group(1))
    except binascii.Error:
        return None
    qr, mac = decoded[: drafts.QR_BYTES], decoded[drafts.QR_BYTES :]
    return qr if hmac.compare_digest(mac, _mac(qr, master)) else None


@dataclass(frozen=True, slots=True)
class Scanned:
    """The identity of a scanned code.

    member      None when the code belongs to no member
    card_state  active, lost or replaced; revoked for one of our QR codes that is no longer valid
    looks_like  without a member: see ScanReply.looks_like
    """

    member: Member | None
    card_state: str = ""
    looks_like: str = ""


def scan(session: Session, institution_id: UUID, code: str, *, master: MasterKey) -> Scanned:
    """Identify a scanned code within an institution; codes of other institutions are unknown."""
    code = code.strip(" \r\n\t")
    qr = _read_qr(code, master)
    if qr is not None:
        query = select(Card.member_id, Card.state).where(Card.institution_id == institution_id, Card.qr == qr)
        row = session.execute(query).first()
        if row is None:
            return Scanned(None, "revoked", "card_revoked")
    else:
        query = select(Card.member_id, Card.state).where(Card.institution_id == institution_id, Card.code == code)
        row = session.execute(query).first() if values.is_card_number(code) else None
        if row is None:
            return Scanned(None, looks_like=looks_like(code))
    member = session.get_one(Member, row.member_id)
    return Scanned(member, row.state)


def find(session: Session, institution_id: UUID, code: str, *, master: MasterKey) -> Member:
    """Return the member of an id, or of the number or QR code of a valid card as scanned.

    raises  NotFound  MEMBER_NOT_FOUND  also for a lost card
    """
    try:
        return store.get(session, str(parse_id(code)))
    except Invalid:
        scanned = scan(session, institution_id, code, master=master)
        if scanned.member is None or scanned.card_state != "active":
            raise NotFound("MEMBER_NOT_FOUND", id=code[:40]) from None
        return scanned.member


def looks_like(code: str) -> str:
    """Return the likely kind of an unknown code, for advice to the desk; see ScanReply.looks_like."""
    digits = code.replace("-", "").replace(" ", "")
    is_number = digits.isascii() and digits.isdigit()
    if not code:
        return "empty"
    if re.match(r"https?://", code, re.IGNORECASE):
        return "url"
    if is_number and len(digits) == 13 and digits.startswith(("978", "979")) and _is_ean(digits):
        return "isbn"
    if is_number and len(digits) == 16:
        return "nik"
    if numbers.is_mistyped(code):
        return "card_mistyped"
    return "number" if is_number else "text"


def _is_ean(digits: str) -> bool:
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits)) % 10 == 0
