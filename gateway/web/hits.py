"""Conversion of records and holdings from gRPC replies to template data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import orjson

from gateway.web.covers.cover_svg import initials
from rangkiang.catalog.v1 import browsing_pb2, catalog_pb2

# Keys that a brief or full record may lack; templates need all of them.
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
    """What `lead_holding` needs to choose the branch that a hit names. The reader's location is not known.

    is_filtered    True when filters name branches or institutions; the first holding is then one of them
    reader_branch  the branch that the reader has chosen, "INSTITUTION/BRANCH"; "" without a choice
    main_branch    the main branch of the library whose site this is; "" when unknown
    kilometres     distance from the reader's branch, in a straight line, by branch with a known position
    """

    is_filtered: bool = False
    reader_branch: str = ""
    main_branch: str = ""
    kilometres: Mapping[str, float] = field(default_factory=dict)


def hit(result: catalog_pb2.Hit, lang: str, nearness: Nearness = Nearness()) -> dict[str, Any]:
    """Return a hit for templates: the brief record with highlights, holdings and reasons for its rank."""
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
    """Return a record for templates of other lists, with the reason why the list has it."""
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
        {**entry, "is_own": entry["branch"] == nearness.reader_branch, "is_nearest": False}
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
        "initials": initials(brief["title"]),
        "picture": "",
    }


def lead_holding(entries: Sequence[dict[str, Any]], nearness: Nearness) -> dict[str, Any] | None:
    """Choose the holding whose branch a hit names, and count the branches with the same availability answer.

    With filters by branch or institution, it is the first holding. Otherwise the best answer decides. Among equal
    answers: when the reader has chosen a branch, that branch, then the nearest one, then the catalogue's order;
    without a choice, the main branch of the library whose site this is, then its other branches, then the code.
    """
    if not entries:
        return None
    own_institution = nearness.main_branch.partition("/")[0]

    def order(entry: dict[str, Any]) -> tuple[float, ...]:
        place, answer = entry["branch"], ANSWERS.index(entry["answer"])
        if nearness.reader_branch:  # the catalogue has sorted holdings by this branch and its institution
            return answer, place != nearness.reader_branch, nearness.kilometres.get(place, inf)
        return answer, place != nearness.main_branch, entry["institution"] != own_institution

    lead = entries[0] if nearness.is_filtered else min(entries, key=order)
    is_chosen = not nearness.is_filtered and len(entries) > 1
    return {
        **lead,
        "branches": sum(entry["answer"] == lead["answer"] for entry in entries),
        "is_nearest": is_chosen and lead["branch"] in nearness.kilometres,
    }


def holdings(stored: bytes, lang: str) -> list[dict[str, Any]]:
    """Return a record's holdings by branch, with the branch's name in the reader's language."""
    data: list[dict[str, Any]] = orjson.loads(stored or b"[]")
    for entry in data:
        name = entry.get("branch_name") or {}
        entry["name"] = name.get(lang) or name.get("id") or name.get("en") or entry["branch"]
        entry.setdefault("due_on", "")
    return data


def shelf(ddc: str) -> str:
    """Return the hundreds digit of a class, which selects the colour; "x" without a class."""
    return ddc[0] if ddc[:1].isascii() and ddc[:1].isdigit() else "x"


def local_text(text: Any, lang: str) -> str:
    """Return the text of a LocalText in a language, or in the other language when it is empty."""
    return str((text.en or text.id) if lang == "en" else (text.id or text.en))
