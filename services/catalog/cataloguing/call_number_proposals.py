"""Call numbers proposed from a record (domain.md, "Call numbers"), with their neighbours on the shelf."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.ids import parse_id
from services.catalog.items.branches import find_branch
from services.catalog.items.edits import find_record
from services.catalog.items.item_values import shelf_sort
from services.catalog.items.shelves import PAGE, items_along_shelf
from services.catalog.marc.record import Record, Tags, by_tag, subfields
from services.catalog.record.classes import class_of
from services.catalog.record.headings import non_filing
from services.catalog.texts import normalize

# Collection -> prefix of its call numbers.
PREFIXES = {"reference": "R", "children": "A", "fiction": "F", "thesis": "SKR"}
MOST_NEIGHBOURS = 3  # on each side


@dataclass(frozen=True, slots=True)
class Proposal:
    """A call number, "" when the record has neither class nor main entry, and those on both sides of its place."""

    call_number: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def propose(session: Session, record_id: str, *, branch: str, collection: str, context: Context) -> Proposal:
    """Propose a call number for a record of the caller's institution.

    branch   whose shelf the neighbours stand on; "" for none
    raises   NotFound  RECORD_UNKNOWN
             Invalid   BRANCH_UNKNOWN
    """
    institution_id = parse_id(context.institution)
    record = find_record(session, record_id, institution_id)
    call_number = call_number_of(by_tag(Record.unpack(record.marc).fields), prefix=PREFIXES.get(collection, ""))
    if not branch or not call_number:
        return Proposal(call_number)
    branch_id = find_branch(session, branch, institution_id)
    at = shelf_sort(call_number, "", ""), record.record_number
    left, right = (_others(session, branch_id, at, call_number, leftwards=leftwards) for leftwards in (True, False))
    return Proposal(call_number, left[::-1], right)


def call_number_of(tags: Tags, *, prefix: str = "") -> str:
    """Build a call number: prefix, class of 082, three letters of the main entry, first letter of the title.

    The main entry is 1XX, or without one the title without its non-filing characters.
    """
    title_field = next(iter(tags.get("245", ())), None)
    title = "" if title_field is None else _first_text(title_field)
    # Most of "Si Malin Kundang" with 4 in the indicator; all of a title that is shorter than the indicator says.
    title = title[0 if title_field is None else non_filing(title_field) :] or title
    entry_field = next((entry for tag in ("100", "110", "111", "130") for entry in tags.get(tag, ())), None)
    entry = title if entry_field is None else _first_text(entry_field)
    parts = [class_of(tags), _letters(entry)[:3].upper(), _letters(title)[:1].lower()]
    written = " ".join(part for part in parts if part)
    return f"{prefix} {written}" if prefix and written else written


def _others(session: Session, branch_id: UUID, at: tuple[str, int], call_number: str, *, leftwards: bool) -> list[str]:
    """Return the nearest other call numbers in one direction; copies of a book have one of them."""
    items = items_along_shelf(session, branch_id, at, leftwards=leftwards, limit=PAGE)
    return [other for other in dict.fromkeys(item[2] for item in items) if other != call_number][:MOST_NEIGHBOURS]


def _first_text(field: list[str]) -> str:
    return next((value for code, value in subfields(field) if code == "a"), "")


def _letters(text: str) -> str:
    """Return the letters and digits of a text without accents; letters of other scripts stay."""
    folded = normalize("NFKD", text[:200])
    return "".join(character for character in folded if _is_letter(unicodedata.category(character)))


def _is_letter(category: str) -> bool:
    """Return whether characters of a category are letters or digits; signs such as ʻ (ayn) are "Lm"."""
    return category[0] in "LN" and category != "Lm"
