"""Items, their availability, and the holdings of a record by branch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from services.catalog.items.item_maps import STATUSES

__all__ = ["AVAILABILITIES", "STATUSES", "ItemFacts", "availability_of", "holdings", "sort_holdings", "split_branch"]

AVAILABILITIES = ("can_be_borrowed", "read_here_only", "out_until", "not_available")
_READ_HERE = frozenset({"reference", "closed_stacks"})


class ItemFacts(NamedTuple):
    """One item (one physical piece) with coded values.

    barcode      as written, with leading zeros; None without one
    institution  code of its institution; "" for the institution of the source
    branch       code of its branch; "" when the record has none
    collection   circulation, children, reference, closed_stacks, local, thesis, serials, audiovisual, or a code as
                 written in the source; "" when the source has none. An item that may not be lent is in
                 `reference`: until circulation has policies, only the collection says "read here only"
    material     a code of record.codes.material_of; "" for the record's own material
    status       one of STATUSES
    copy         copy number, as written in the source
    room         shelving location in the branch
    enumeration, chronology   "Jilid 2", "Vol. 3 No. 2"; "Mei 2026"
    pieces       accompanying material
    call_sort    sort key of call number, volume and copy; "" without a call number
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


def availability_of(status: str, collection: str) -> str:
    """Return the availability of an item, one of AVAILABILITIES; never "out_until", which only circulation knows."""
    if status != "in_service":
        return "not_available"
    return "read_here_only" if collection in _READ_HERE else "can_be_borrowed"


def holdings(
    items: Iterable[ItemFacts], names: Mapping[tuple[str, str], tuple[str, str]] | None = None, *, institution: str = ""
) -> list[dict[str, Any]]:
    """List one entry per branch, sorted by branch code; withdrawn items are ignored.

    An entry is `{"institution", "branch", "branch_name": {"id", "en"}, "call_number", "items", "available", "answer"}`:
    `available` counts the items that can be borrowed now, `answer` is the best availability of the branch's items.
    names        (institution, branch) -> its name in Indonesian and English; a branch without a name shows its code
    institution  institution of the items that have none
    """
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for item in items:
        if item.status == "withdrawn":
            continue
        key = (item.branch, item.institution or institution)
        entry = entries.get(key)
        if entry is None:
            name = (names or {}).get((key[1], key[0])) or (key[0], key[0])
            entry = entries[key] = {
                "institution": key[1],
                "branch": key[0],
                "branch_name": {"id": name[0] or name[1], "en": name[1] or name[0]},
                "call_number": item.call_number,
                "items": 0,
                "available": 0,
                "answer": "not_available",
            }
        availability = availability_of(item.status, item.collection)
        entry["items"] += 1
        entry["available"] += availability == "can_be_borrowed"
        entry["call_number"] = entry["call_number"] or item.call_number
        entry["answer"] = min(entry["answer"], availability, key=AVAILABILITIES.index)
    return [entries[key] for key in sorted(entries)]


def sort_holdings(holdings_json: bytes, branch: str) -> bytes:
    """Sort holdings: the reader's branch ("INSTITUTION/BRANCH") first, then other branches of its institution.

    holdings_json  JSON of holdings(); returned unchanged when the order does not change
    """
    reader_branch = split_branch(branch)
    if reader_branch is None or len(holdings_json) < 3:
        return holdings_json
    entries = orjson.loads(holdings_json)
    sorted_entries = sorted(
        entries,
        key=lambda entry: (
            entry["institution"] != reader_branch[0],
            (entry["institution"], entry["branch"]) != reader_branch,
        ),
    )
    return holdings_json if sorted_entries == entries else orjson.dumps(sorted_entries)


def split_branch(text: str) -> tuple[str, str] | None:
    """Split "INSTITUTION/BRANCH" into its codes; None for other text: a bookmark of an old address is no error."""
    institution, slash, branch = text.partition("/")
    return (institution, branch) if slash and institution and branch else None
