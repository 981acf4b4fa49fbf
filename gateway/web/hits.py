"""Converts records and holdings from gRPC replies to template data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import orjson

from gateway.web.covers.cover_svg import small_cover
from rangkiang.catalog.v1 import browsing_pb2, catalog_pb2

# Keys that a brief or full record may leave out; templates use all of them.
ABSENT: dict[str, Any] = dict.fromkeys(
    (
        "subtitle", "responsibility", "authors", "publisher", "place", "year", "edition", "language", "material",
        "isbn", "ddc", "series", "summary", "notes", "audience",
    )
)  # fmt: skip
# Defaults of the keys that some pages add to a brief record.
_PLAIN: dict[str, Any] = {"work": "", "editions": 0, "reasons": [], "reason": "", "rank": 0, "coins": "",
                          "address": "", "lacks": [], "is_partial": False}  # fmt: skip


# Best first, as in the catalogue.
ANSWERS = ("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available")


@dataclass(frozen=True, slots=True)
class Nearness:
    """What decides which branch the one line of a hit names; where a reader is, nobody knows.

    is_filtered    filters name branches or institutions: the first branch is one of them
    reader_branch  the reader's own branch, "INSTITUTION/BRANCH"; "" without a choice
    main_branch    the main branch of the library whose site this is; "" when unknown
    kilometres     from the reader's own branch to the others whose position is known, in a straight line
    """

    is_filtered: bool = False
    reader_branch: str = ""
    main_branch: str = ""
    kilometres: Mapping[str, float] = field(default_factory=dict)


def hit(result: catalog_pb2.Hit, lang: str, nearness: Nearness = Nearness()) -> dict[str, Any]:
    """Return a hit for templates: the brief record with highlights and holdings, and the reasons for its rank."""
    highlights = {highlight.field: list(highlight.pieces) for highlight in result.highlights}
    return {
        **_template_record(result.id, result.brief, result.holdings, lang, highlights, nearness),
        "work": result.work_id,
        "editions": result.editions,
        "reasons": [(local_text(reason.text, lang), round(reason.weight, 2)) for reason in result.reasons],
        "lacks": list(result.lacks),
        "reason": local_text(result.because, lang) if result.HasField("because") else "",
        "is_partial": bool(result.lacks) or result.HasField("because"),
    }


def brief_record(
    record: browsing_pb2.Shown, lang: str, *, reason: str = "", nearness: Nearness = Nearness()
) -> dict[str, Any]:
    """Return a record for templates of other lists, with the reason why it is listed."""
    return {**_template_record(record.id, record.brief, record.holdings, lang, {}, nearness), "reason": reason}


def _template_record(
    record_id: str,
    stored: bytes,
    holdings_stored: bytes,
    lang: str,
    highlights: Mapping[str, Sequence[str]],
    nearness: Nearness = Nearness(),
) -> dict[str, Any]:
    brief = orjson.loads(stored)
    entries = [
        {**entry, "is_own": place_of(entry) == nearness.reader_branch, "is_nearest": False}
        for entry in holdings(holdings_stored, lang)
    ]
    return {
        **ABSENT,
        **_PLAIN,
        **brief,
        "id": record_id,
        "title_pieces": highlights.get("title") or [brief["title"]],
        "summary_pieces": highlights.get("summary") or ([brief["summary"]] if brief.get("summary") else []),
        "shelf": shelf(brief.get("ddc", "")),
        "holdings": entries,
        "lead": lead_holding(entries, nearness),
        "small_cover": small_cover(brief["title"]),
        "picture": "",
    }


def lead_holding(entries: Sequence[dict[str, Any]], nearness: Nearness) -> dict[str, Any] | None:
    """Choose the branch that the one line of a hit names, and count the branches with the same answer.

    A branch that filters ask for; else among those with the best answer the reader's own, then the nearest to it, then
    one of its institution, then the main branch of the library whose site this is, then another of its branches, then
    the first by code.
    """
    if not entries:
        return None
    own_institution = nearness.main_branch.partition("/")[0]

    def order(entry: dict[str, Any]) -> tuple[float, ...]:
        place, answer = place_of(entry), ANSWERS.index(entry["answer"])
        if nearness.reader_branch:  # the catalogue has sorted by it
            return answer, place != nearness.reader_branch, nearness.kilometres.get(place, inf)
        return answer, place != nearness.main_branch, entry["institution"] != own_institution

    lead = entries[0] if nearness.is_filtered else min(entries, key=order)
    is_chosen = not nearness.is_filtered and len(entries) > 1
    return {
        **lead,
        "branches": sum(entry["answer"] == lead["answer"] for entry in entries),
        "is_nearest": is_chosen and place_of(lead) in nearness.kilometres,
    }


def place_of(entry: Mapping[str, Any]) -> str:
    """Return the branch of a holding, "INSTITUTION/BRANCH"."""
    return f"{entry['institution']}/{entry['branch']}"


def holdings(stored: bytes, lang: str) -> list[dict[str, Any]]:
    """Return a record's holdings by branch, with the branch's name in the reader's language."""
    data: list[dict[str, Any]] = orjson.loads(stored or b"[]")
    for entry in data:
        name = entry.get("branch_name") or {}
        entry["name"] = name.get(lang) or name.get("id") or name.get("en") or entry["branch"]
        entry.setdefault("due_on", "")
    return data


def shelf(ddc: str) -> str:
    """Return the hundreds digit of a class, which selects colour and weave; "x" without a class."""
    return ddc[0] if ddc[:1].isascii() and ddc[:1].isdigit() else "x"


def shelves(hits: Iterable[dict[str, Any]]) -> list[str]:
    """Return the distinct shelves of a list; a page draws each weave once."""
    return sorted({record["shelf"] for record in hits})


def local_text(text: Any, lang: str) -> str:
    """Return a LocalText in this language, else in the other."""
    return str((text.en or text.id) if lang == "en" else (text.id or text.en))
