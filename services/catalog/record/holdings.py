"""Items, their availability, and the holdings of a record by branch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

STATUSES = ("in_process", "in_service", "in_repair", "missing", "proposed_for_withdrawal", "withdrawn")
# A word of a source may have one of these meanings instead of a status; see ItemFacts.access.
ONLINE, ASK = "online", "ask_the_library"
# Best first: a holding has the best availability of its items.
AVAILABILITIES = ("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available")
# The codes at the beginning of an entry of stored holdings.
_PLACES = re.compile(rb'"institution":"([^"]*)","branch":"')
_READ_HERE = frozenset({"reference", "closed_stacks"})


class Lending(NamedTuple):
    """The lending data of an item, from circulation.

    state         "in", "on_loan" or "transit"
    due_on        day on which it is due, ISO 8601; "" when it is not lent
    is_read_here  True when the policy of the default category allows no loan; None before the first policy
    """

    state: str = "in"
    due_on: str = ""
    is_read_here: bool | None = None


NOT_LENT = Lending()


class ItemFacts(NamedTuple):
    """One item (one physical piece) with coded values.

    barcode      as written, with leading zeros; None without one
    institution  code of its institution; "" for the institution of the source
    branch       code of its branch; "" when the record has none
    collection   circulation, children, reference, closed_stacks, local, thesis, serials, audiovisual, or a code as
                 written in the source; "" when the source has none. An item that may not be lent is in
                 `reference`: before circulation's first policy, only the collection says "read here only"
    material     a code of record.codes.material_of; "" for the record's own material
    status       one of STATUSES
    copy         copy number, as written in the source
    room         shelving location in the branch
    enumeration, chronology   "Jilid 2", "Vol. 3 No. 2"; "Mei 2026"
    pieces       accompanying material
    call_sort    sort key of call number, volume and copy; "" without a call number
    lending      from circulation; sources do not have it
    access       ONLINE: an e-resource, not a piece; ASK: its source has a note, such as a loan in an earlier system,
                 and only the library knows whether the note is still true; "" for all others
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
    lending: Lending = NOT_LENT
    access: str = ""


def availability_of(item: Any, lending: Lending) -> str:
    """Return the availability of an item, one of AVAILABILITIES.

    Circulation's state decides only while the status is "in_service". An item without a barcode cannot be scanned, so
    only the library knows whether it can be borrowed.

    item  ItemFacts, or a row with status, barcode, collection and access
    """
    if item.status != "in_service" or lending.state == "transit":
        return "not_available"
    if lending.state == "on_loan":
        return "out_until"
    if item.access == ONLINE:
        return ONLINE
    if not item.barcode or item.access == ASK:
        return ASK
    read_here = item.collection in _READ_HERE if lending.is_read_here is None else lending.is_read_here
    return "read_here_only" if read_here else "can_be_borrowed"


def is_read_here(rules: Mapping[tuple[str, str], bool] | None, collection: str, branch_id: str) -> bool | None:
    """Return whether an item may only be read in the library; None without rules. The most specific rule decides.

    rules  (collection, branch id) -> whether its items are only read in the library; "" means any
    """
    if rules is None:
        return None
    for key in ((collection, branch_id), (collection, ""), ("", branch_id), ("", "")):
        if key in rules:
            return rules[key]
    return False


def holdings(
    items: Iterable[ItemFacts], names: Mapping[tuple[str, str], tuple[str, str]] | None = None, *, institution: str = ""
) -> list[dict[str, Any]]:
    """Return the holdings of these items: one entry per branch, by branch code; withdrawn items are ignored.

    An entry is `{"institution", "branch", "branch_name": {"id", "en"}, "call_number", "items", "available", "answer"}`:
    `available` counts the items that can be borrowed now, `answer` is the best availability of the branch's items. With
    the answer "out_until", `due_on` is the earliest day on which a lent item is due.

    names        (institution, branch) -> name in Indonesian and English; a branch without a name has its code as name
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
        availability = availability_of(item, item.lending)
        entry["items"] += 1
        entry["available"] += availability == "can_be_borrowed"
        entry["call_number"] = entry["call_number"] or item.call_number
        entry["answer"] = min(entry["answer"], availability, key=AVAILABILITIES.index)
        if availability == "out_until" and item.lending.due_on:
            entry["due_on"] = min(entry.get("due_on", item.lending.due_on), item.lending.due_on)
    for entry in entries.values():
        if entry["answer"] != "out_until":
            entry.pop("due_on", None)
    return [entries[key] for key in sorted(entries)]


def can_be_borrowed(holdings_json: bytes) -> bool:
    """Return whether any item of these holdings can be borrowed now."""
    return any(entry["available"] for entry in orjson.loads(holdings_json))


def sort_holdings(
    holdings_json: bytes, branch: str, filters: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> bytes:
    """Sort holdings: branches in the filters first, then the reader's branch, then others of its institution.

    holdings_json  JSON of holdings(); returned unchanged when the order does not change
    branch         the reader's branch, "INSTITUTION/BRANCH"
    filters        of the search: `branch`, then `institution`, then `availability` decide
    """
    branches, institutions, answers = (filters.get(name, ()) for name in ("branch", "institution", "availability"))
    if len(holdings_json) < 3 or not (branch or branches or institutions or answers):
        return holdings_json
    own_institution = branch.partition("/")[0] if "/" in branch else ""
    entries = orjson.loads(holdings_json)
    sorted_entries = sorted(
        entries,
        key=lambda entry: (
            bool(branches) and f"{entry['institution']}/{entry['branch']}" not in branches,
            bool(institutions) and entry["institution"] not in institutions,
            bool(answers) and entry["answer"] not in answers,
            bool(own_institution) and entry["institution"] != own_institution,
            f"{entry['institution']}/{entry['branch']}" != branch,
        ),
    )
    return holdings_json if sorted_entries == entries else orjson.dumps(sorted_entries)


def with_full_codes(holdings_json: bytes) -> bytes:
    """Return stored holdings with the full codes of branches, as clients get them.

    Every hit of a search has holdings, so they are not parsed: a value has no quotation mark before its end.
    """
    return _PLACES.sub(rb"\g<0>\1/", holdings_json)
