"""Records as lists show them, and where they can be had: from the wire's bytes to what templates name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from rangkiang.catalog.v1 import browsing_pb2, catalog_pb2

# Keys that a brief or full record may leave out; templates name every one of them.
ABSENT: dict[str, Any] = dict.fromkeys(
    (
        "subtitle", "responsibility", "authors", "publisher", "place", "year", "edition", "language", "material",
        "isbn", "ddc", "series", "summary", "notes", "audience",
    )
)  # fmt: skip
# What a list adds to a brief record, where a page has nothing to say about it.
_PLAIN: dict[str, Any] = {"work": "", "editions": 0, "reasons": [], "reason": "", "rank": 0, "coins": "",
                          "address": ""}  # fmt: skip


def hit(found: catalog_pb2.Hit, speaks: str) -> dict[str, Any]:
    """A hit as templates show it: the brief record, its pieces marked, where it is, and why it ranks there."""
    marked = {highlight.field: list(highlight.pieces) for highlight in found.highlights}
    return {
        **listed(found.id, found.brief, found.holdings, speaks, marked),
        "work": found.work_id,
        "editions": found.editions,
        "reasons": [(said(reason.text, speaks), round(reason.weight, 2)) for reason in found.reasons],
    }


def shown(record: browsing_pb2.Shown, speaks: str, *, reason: str = "") -> dict[str, Any]:
    """A record that another page lists, with the reason why."""
    return {**listed(record.id, record.brief, record.holdings, speaks, {}), "reason": reason}


def listed(
    record_id: str, stored: bytes, holdings_stored: bytes, speaks: str, marked: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    brief = orjson.loads(stored)
    return {
        **ABSENT,
        **_PLAIN,
        **brief,
        "id": record_id,
        "title_pieces": marked.get("title") or [brief["title"]],
        "summary_pieces": marked.get("summary") or ([brief["summary"]] if brief.get("summary") else []),
        "shelf": shelf(brief.get("ddc", "")),
        "holdings": holdings(holdings_stored, speaks),
    }


def holdings(stored: bytes, speaks: str) -> list[dict[str, Any]]:
    """Where a record is, branch by branch, with the branch's name in the reader's language."""
    data: list[dict[str, Any]] = orjson.loads(stored or b"[]")
    for entry in data:
        name = entry.get("branch_name") or {}
        entry["name"] = name.get(speaks) or name.get("id") or name.get("en") or entry["branch"]
    return data


def shelf(ddc: str) -> str:
    """Hundreds digit of a class, which gives a book its colour and its weave; "x" for none."""
    return ddc[0] if ddc[:1].isascii() and ddc[:1].isdigit() else "x"


def shelves(hits: Iterable[dict[str, Any]]) -> list[str]:
    """Shelves that a list shows, each once: their weaves are drawn once a page."""
    return sorted({each["shelf"] for each in hits})


def said(text: Any, speaks: str) -> str:
    """A LocalText in one language, else in the other."""
    return str((text.en or text.id) if speaks == "en" else (text.id or text.en))
