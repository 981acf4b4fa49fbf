"""Letters for members whom no channel can reach: list by class or street, printing, and hand-over."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Invalid
from chassis.ids import new_id
from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.institutions import BranchDirectory, local_day
from services.notifications.notices import settle
from services.notifications.sending.owners import PlaceQuestion
from services.notifications.sending.recipients import PRINT, Recipient
from services.notifications.sending.texts import in_order, letter_facts
from services.notifications.tables import Notice
from services.notifications.templates.kinds import KINDS
from services.notifications.templates.letter_pdf import PAPERS, Paper, PrintedLetter
from services.notifications.templates.store import render

GROUPINGS = ("group", "street")
MOST_LETTERS, MOST_LISTED = 1_000, 4_000  # members, and notices
# The house number and everything after it: " No. 12, RT 3" in "Jl. Bagindo Aziz Chan No. 12, RT 3".
_HOUSE = re.compile(r"\s*(,|\b(no|nomor|number|rt|rw|blok)\b\.?|\d).*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListedLetter:
    """Notices of one member that wait for printing.

    group  class or study programme, or the street
    """

    contact: MemberContact
    recipient: Recipient
    address: str
    group: str
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class FoldedLetter:
    """One printed letter: all loans of a member, or another notice.

    kind   kind of the notice, or of the digest
    place  query for the place in the letter
    """

    listed: ListedLetter
    kind: str
    notices: tuple[Notice, ...]
    place: PlaceQuestion


@dataclass(frozen=True, slots=True)
class Printable:
    """Notices that wait for printing, by member.

    has_more  there are more notices, which have not waited as long
    """

    by_member: dict[UUID, list[Notice]]
    has_more: bool


def printable(session: Session, institution_id: UUID, *, only: Collection[UUID] = ()) -> Printable:
    """Return notices of an institution that wait for printing, the oldest first, for at most MOST_LETTERS members.

    only  only notices of these members; empty for all
    """
    query = select(Notice).where(Notice.institution_id == institution_id, Notice.state == PRINT)
    query = query.where(Notice.member_id.in_(list(only)) if only else Notice.member_id.is_not(None))
    rows = list(session.scalars(query.order_by(Notice.id).limit(MOST_LISTED + 1)))
    groups: dict[UUID, list[Notice]] = defaultdict(list)
    has_more = len(rows) > MOST_LISTED
    for notice in rows[:MOST_LISTED]:
        if notice.member_id is None:
            continue
        if notice.member_id in groups or len(groups) < MOST_LETTERS:
            groups[notice.member_id].append(notice)
        else:
            has_more = True
    return Printable(groups, has_more)


def list_letters(
    notices: Mapping[UUID, Sequence[Notice]], contacts: Mapping[UUID, MemberContact], *, by: str
) -> list[ListedLetter]:
    """Return the letters in order of class or street, then of name.

    A member whose contact data cannot be decrypted gets no letter; the notices wait.

    raises  Invalid  PRINT_ORDER_UNKNOWN
    """
    if (by or GROUPINGS[0]) not in GROUPINGS:
        raise Invalid("PRINT_ORDER_UNKNOWN", by=by[:16], known=[*GROUPINGS])
    letters: list[ListedLetter] = []
    for member_id, of_member in notices.items():
        contact = contacts.get(member_id)
        if contact is None or contact.is_unreadable:
            continue
        guardian = contact.guardian if contact.is_child and contact.HasField("guardian") else None
        name = guardian.name if guardian is not None and guardian.name else contact.name
        address = (guardian.address if guardian is not None else "") or contact.address
        group = _street(address) if by == "street" else _class(contact)
        recipient = Recipient(name, contact.language or "id", ())
        letters.append(ListedLetter(contact, recipient, address, group, in_order(of_member)))
    # Letters without a class or a street are last.
    return sorted(letters, key=lambda item: (not item.group, item.group.casefold(), item.contact.name.casefold()))


def check_paper(paper: str) -> Paper:
    """Check and return the kind of paper. Raises Invalid PAPER_UNKNOWN."""
    for kind in PAPERS:
        if paper == kind:
            return kind
    raise Invalid("PAPER_UNKNOWN", paper=paper[:16])


def fold_letters(institution_id: UUID, letters: Sequence[ListedLetter]) -> list[FoldedLetter]:
    """Return the letters to print: one for all loans of a member, and one for each other notice."""
    return [
        FoldedLetter(
            letter, kind, notices, PlaceQuestion(institution_id, notices[0].branch_id, letter.recipient.language)
        )
        for letter in letters
        for kind, notices in _folded(letter.notices)
    ]


def render_letters(
    session: Session,
    institution_id: UUID,
    letters: Sequence[FoldedLetter],
    *,
    places_named: Mapping[PlaceQuestion, Mapping[str, str]],
) -> list[PrintedLetter]:
    """Render letters for print.

    places_named  answers to the letters' place queries
    """
    places = BranchDirectory(session)
    institution = places.institutions.get(institution_id)
    zone = places.zone_of(institution_id, None)
    today = local_day(clock.now(), zone)
    printed: list[PrintedLetter] = []
    for letter in letters:
        contact, recipient = letter.listed.contact, letter.listed.recipient
        language = recipient.language
        facts = letter_facts(
            institution_id, letter.kind, letter.notices, contact, recipient, zone=zone, today=today, places=places,
            place=places_named[letter.place],
        )  # fmt: skip
        rendered = render(
            session, institution_id=institution_id, kind=letter.kind, channel=PRINT, language=language, facts=facts
        )
        name = (institution.name_en if language == "en" else institution.name_id) if institution else ""
        lines = [contact.group, *letter.listed.address.splitlines()]
        if recipient.name != contact.name:
            lines.insert(0, contact.name)
        printed.append(
            PrintedLetter(
                library=name,
                recipient=recipient.name,
                address=[line for line in lines if line],
                on=today,
                language=language,
                blocks=rendered.blocks,
            )
        )
    return printed


def hand_over(session: Session, institution_id: UUID, ids: Collection[UUID], *, context: Context) -> int:
    """Record that letters were handed over. Returns the number of notices; others are not on the print list."""
    query = select(Notice.id).where(
        Notice.id.in_(list(ids)), Notice.institution_id == institution_id, Notice.state == PRINT
    )
    listed_ids = list(session.scalars(query.with_for_update()))
    settle(session, listed_ids, "printed")
    facts = {"notices": [str(notice_id) for notice_id in listed_ids]}
    audit.record(session, context, "notifications.hand_over", kind="letters", object_id=new_id(), facts=facts)
    return len(listed_ids)


def _folded(notices: Sequence[Notice]) -> list[tuple[str, tuple[Notice, ...]]]:
    """Return (kind, notices) of a member's letters. Notices of one family are one letter."""
    families: dict[str, list[Notice]] = defaultdict(list)
    letters: list[tuple[str, tuple[Notice, ...]]] = []
    for notice in notices:
        if notice.kind not in KINDS:
            continue
        family = KINDS[notice.kind].family
        if family:
            families[family].append(notice)
        else:
            letters.append((notice.kind, (notice,)))
    folded = [(group[0].kind if len(group) == 1 else family, tuple(group)) for family, group in families.items()]
    return [*folded, *letters]


def _class(contact: MemberContact) -> str:
    return " · ".join(part for part in (contact.school, contact.group) if part)


def _street(address: str) -> str:
    first = address.splitlines()[0] if address else ""
    return _HOUSE.sub("", first).strip() or first
