"""Items from a record's 852/876 or Koha's 952, and what readers are told about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.catalog.document.codes import collection_of, item_material_of
from services.catalog.marc import Field, Record

STATUSES = ("in_process", "in_service", "in_repair", "missing", "proposed_for_withdrawal", "withdrawn")
ANSWERS = ("can_be_borrowed", "read_here_only", "out_until", "not_available")
_READ_HERE = frozenset({"reference", "closed_stacks"})
_FIELD_LIMIT = 64  # characters of a barcode or a code, as the tables keep them


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One physical piece, by codes.

    barcode      as written, leading zeros and all; None when there is none
    institution  code of its institution; "" for the one whose source this is
    branch       code of its branch; "" when the record does not say
    collection   circulation, children, reference, closed_stacks, local, thesis, serials, audiovisual, or a code as
                 the source wrote it; "" when it does not say. What may not be lent is `reference` here: until
                 circulation has its policies, the collection alone says "read here only"
    material     as record_material, "" for the record's own
    status       one of STATUSES
    copy         copy or volume note, as the source wrote it
    """

    barcode: str | None = None
    call_number: str = ""
    institution: str = ""
    branch: str = ""
    collection: str = ""
    material: str = ""
    status: str = "in_service"
    copy: str = ""


def items_of(record: Record) -> list[ItemFacts]:
    """The items a record carries, in its order: Koha's 952 where there are any, else 852 with its 876–878.

    A barcode met again within the record is left out of the second item: it cannot name both.
    """
    koha: list[Field] = []
    holdings: list[Field] = []
    pieces: list[Field] = []
    for each in record.fields:
        tag = each[0]
        if tag == "852":
            holdings.append(each)
        elif tag == "952":
            koha.append(each)
        elif tag in ("876", "877", "878"):
            pieces.append(each)
    found = [item for each in koha if (item := _from_koha(each)) is not None]
    if not found and holdings:
        found = _from_holdings(holdings, pieces)
    return _with_own_barcodes(found)


def answer(status: str, collection: str) -> str:
    """What a reader is told of an item: one of ANSWERS. Until there is circulation, nothing is out."""
    if status != "in_service":
        return "not_available"
    return "read_here_only" if collection in _READ_HERE else "can_be_borrowed"


def holdings(
    items: Iterable[ItemFacts], names: Mapping[tuple[str, str], tuple[str, str]] | None = None, *, institution: str = ""
) -> list[dict[str, Any]]:
    """An entry a branch, by branch code: `{"institution", "branch", "branch_name": {"id", "en"}, "call_number",
    "items", "available", "answer"}`.

    names        (institution, branch) -> its name in Indonesian and English; a branch without one shows its code
    institution  whose items those are that name none
    available    items that can be borrowed now; `answer` is the best one among the items; withdrawn items do not count
    """
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for item in items:
        if item.status == "withdrawn":
            continue
        place = (item.branch, item.institution or institution)
        entry = entries.get(place)
        if entry is None:
            name = (names or {}).get((place[1], place[0])) or (place[0], place[0])
            entry = entries[place] = {
                "institution": place[1],
                "branch": place[0],
                "branch_name": {"id": name[0] or name[1], "en": name[1] or name[0]},
                "call_number": item.call_number,
                "items": 0,
                "available": 0,
                "answer": "not_available",
            }
        said = answer(item.status, item.collection)
        entry["items"] += 1
        entry["available"] += said == "can_be_borrowed"
        entry["call_number"] = entry["call_number"] or item.call_number
        entry["answer"] = min(entry["answer"], said, key=ANSWERS.index)
    return [entries[place] for place in sorted(entries)]


def branch_first(holdings_json: bytes, branch: str) -> bytes:
    """Holdings with the entry of the reader's branch ("INSTITUTION/BRANCH") first, then those of its institution.

    holdings_json  as holdings() makes them, in JSON; given back as it is where that changes nothing
    """
    place = branch_named(branch)
    if place is None or len(holdings_json) < 3:
        return holdings_json
    entries = orjson.loads(holdings_json)
    ordered = sorted(
        entries,
        key=lambda entry: (entry["institution"] != place[0], (entry["institution"], entry["branch"]) != place),
    )
    return holdings_json if ordered == entries else orjson.dumps(ordered)


def branch_named(text: str) -> tuple[str, str] | None:
    """(institution, branch) of "INSTITUTION/BRANCH"; None for what is none: a reader's old bookmark is no error."""
    institution, slash, branch = text.partition("/")
    return (institution, branch) if slash and institution and branch else None


def _from_koha(field: Field) -> ItemFacts | None:
    """Koha's 952 (its default item tag). Others use 952 for other things: then nothing here looks like an item."""
    codes = field[2::2]
    if not ("y" in codes or ("p" in codes and ("o" in codes or not {"0", "1", "2", "7", "8", "c"}.isdisjoint(codes)))):
        return None
    part = dict(zip(reversed(codes), reversed(field[3::2]), strict=True))  # the first of each code counts

    def flag(code: str) -> bool:
        return part.get(code, "").strip() not in ("", "0")

    not_for_loan = part.get("7", "").strip()
    if flag("0"):
        status = "withdrawn"
    elif flag("1"):
        status = "missing"
    elif flag("4"):
        status = "in_repair"
    else:
        status = "in_process" if not_for_loan.startswith("-") else "in_service"
    lent = not_for_loan in ("", "0") or not_for_loan.startswith("-")
    return ItemFacts(
        barcode=_cut(part.get("p", "")) or None,
        call_number=part.get("o", "").strip(),
        branch=_cut(part.get("a") or part.get("b") or ""),
        collection=collection_of(part.get("8") or part.get("c") or "") if lent else "reference",
        material=item_material_of(part.get("y", "")),
        status=status,
        copy=" ".join(each for each in (part.get("h", "").strip(), part.get("t", "").strip()) if each),
    )


def _from_holdings(holdings: list[Field], pieces: list[Field]) -> list[ItemFacts]:
    """852 (MARC 21 Holdings), each with the item information (876–878) whose $8 or $3 names it."""
    found: list[ItemFacts] = []
    for each in holdings:
        place = _from_852(each)
        if place is None:
            continue
        names = _links(each)
        own = [piece for piece in pieces if names & _links(piece)] if names else []
        if not own and len(holdings) == 1:
            own = pieces
        items = [item for piece in own if (item := _from_876(piece, place)) is not None]
        found.extend(items or [place])
    return found


def _from_852(field: Field) -> ItemFacts | None:
    part: dict[str, str] = {}
    item_part = []
    for code, value in zip(field[2::2], field[3::2], strict=True):
        if code == "i":
            item_part.append(value.strip())
        else:
            part.setdefault(code, value.strip())
    if not (part.get("a") or part.get("b") or part.get("p")):
        return None
    call_number = [part.get("k", ""), part.get("h", "") or part.get("j", ""), *item_part, part.get("m", "")]
    institution, branch = part.get("a", ""), part.get("b", "")
    return ItemFacts(
        barcode=_cut(part.get("p", "")) or None,
        call_number=" ".join(each for each in call_number if each),
        institution=_cut(institution) if branch else "",
        branch=_cut(branch or institution),
        collection=collection_of(part.get("c", "")),
        copy=part.get("t", ""),
    )


def _from_876(field: Field, place: ItemFacts) -> ItemFacts | None:
    part = dict(zip(reversed(field[2::2]), reversed(field[3::2]), strict=True))
    barcode = _cut(part.get("p", ""))
    if not barcode and not part.get("a"):
        return None
    return ItemFacts(
        barcode=barcode or None,
        call_number=place.call_number,
        institution=place.institution,
        branch=place.branch,
        collection=place.collection,
        copy=part.get("t", "").strip() or part.get("3", "").strip() or place.copy,
        status=_status(part.get("j", "")),
    )


def _status(said: str) -> str:
    """876 $j is free text; what we do not know is taken for in service."""
    said = said.strip().lower().replace(" ", "_")
    return said if said in STATUSES else "in_service"


def _links(field: Field) -> set[str]:
    """The link numbers of $8 (without sequence) and the materials of $3: either ties an 876 to its 852."""
    return {
        code + (value.partition(".")[0] if code == "8" else value).strip()
        for code, value in zip(field[2::2], field[3::2], strict=True)
        if code in ("8", "3") and value.strip()
    }


def _with_own_barcodes(items: list[ItemFacts]) -> list[ItemFacts]:
    seen: set[str] = set()
    for place, item in enumerate(items):
        if item.barcode is None:
            continue
        if item.barcode in seen:
            items[place] = ItemFacts(
                None,
                item.call_number,
                item.institution,
                item.branch,
                item.collection,
                item.material,
                item.status,
                item.copy,
            )
        seen.add(item.barcode)
    return items


def _cut(text: str) -> str:
    return text.strip()[:_FIELD_LIMIT]
