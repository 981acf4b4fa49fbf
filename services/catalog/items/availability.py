"""Items: what one is, and what readers are told about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from services.catalog.items.item_maps import STATUSES

__all__ = ["ANSWERS", "STATUSES", "ItemFacts", "answer", "branch_first", "branch_named", "holdings"]

ANSWERS = ("can_be_borrowed", "read_here_only", "out_until", "not_available")
_READ_HERE = frozenset({"reference", "closed_stacks"})


class ItemFacts(NamedTuple):
    """One physical piece, by codes.

    barcode      as written, leading zeros and all; None when there is none
    institution  code of its institution; "" for the one whose source this is
    branch       code of its branch; "" when the record does not say
    collection   circulation, children, reference, closed_stacks, local, thesis, serials, audiovisual, or a code as
                 the source wrote it; "" when it does not say. What may not be lent is `reference` here: until
                 circulation has its policies, the collection alone says "read here only"
    material     as record_material, "" for the record's own
    status       one of STATUSES
    copy         which copy, as the source wrote it
    room         where in the branch
    enumeration, chronology   "Jilid 2", "Vol. 3 No. 2"; "Mei 2026"
    pieces       what comes with it
    call_sort    sorts its call number, volume and copy on the shelf; "" without a call number
    """

    barcode: str | None = None
    call_number: str = ""
    institution: str = ""
    branch: str = ""
    collection: str = ""
    material: str = ""
    status: str = "in_service"
    copy: str = ""
    room: str = ""
    enumeration: str = ""
    chronology: str = ""
    pieces: str = ""
    call_sort: str = ""


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
