"""Converts records and holdings from gRPC replies to template data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

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


def hit(result: catalog_pb2.Hit, lang: str) -> dict[str, Any]:
    """Return a hit for templates: the brief record with highlights and holdings, and the reasons for its rank."""
    highlights = {highlight.field: list(highlight.pieces) for highlight in result.highlights}
    return {
        **_template_record(result.id, result.brief, result.holdings, lang, highlights),
        "work": result.work_id,
        "editions": result.editions,
        "reasons": [(local_text(reason.text, lang), round(reason.weight, 2)) for reason in result.reasons],
        "lacks": list(result.lacks),
        "reason": local_text(result.because, lang) if result.HasField("because") else "",
        "is_partial": bool(result.lacks) or result.HasField("because"),
    }


def brief_record(record: browsing_pb2.Shown, lang: str, *, reason: str = "") -> dict[str, Any]:
    """Return a record for templates of other lists, with the reason why it is listed."""
    return {**_template_record(record.id, record.brief, record.holdings, lang, {}), "reason": reason}


def _template_record(
    record_id: str, stored: bytes, holdings_stored: bytes, lang: str, highlights: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    brief = orjson.loads(stored)
    return {
        **ABSENT,
        **_PLAIN,
        **brief,
        "id": record_id,
        "title_pieces": highlights.get("title") or [brief["title"]],
        "summary_pieces": highlights.get("summary") or ([brief["summary"]] if brief.get("summary") else []),
        "shelf": shelf(brief.get("ddc", "")),
        "holdings": holdings(holdings_stored, lang),
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
    """Return the hundreds digit of a class, which selects colour and weave; "x" without a class."""
    return ddc[0] if ddc[:1].isascii() and ddc[:1].isdigit() else "x"


def shelves(hits: Iterable[dict[str, Any]]) -> list[str]:
    """Return the distinct shelves of a list; a page draws each weave once."""
    return sorted({record["shelf"] for record in hits})


def local_text(text: Any, lang: str) -> str:
    """Return a LocalText in this language, else in the other."""
    return str((text.en or text.id) if lang == "en" else (text.id or text.en))
