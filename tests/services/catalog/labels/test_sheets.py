"""Sheets of labels: those of the release, and own ones, whose labels must fit on their paper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Error
from chassis.sentences import LocalText
from services.catalog.cataloguing.labels.sheets import Sheet, find_sheet, get_sheets, put_sheets, released_sheets
from tests.services.catalog.items.test_added_items import refusal
from tests.services.catalog.items.test_edits import caller

__all__ = ["caller"]
STICKERS = Sheet(
    "stiker-40x30", LocalText("Stiker 40 × 30 mm", ""), 200, 150, rows=4, columns=4, left=5, top=5, width=40, height=30,
    pitch_x=48, pitch_y=35,
)  # fmt: skip


def put(database: Database, caller: Context, sheets: list[Sheet], version: int = 0) -> None:
    with database.transaction(caller) as session:
        put_sheets(session, sheets, version=version, context=caller)


def test_own_sheets_come_first_and_replace_earlier_ones(database: Database, caller: Context) -> None:
    put(database, caller, [STICKERS, replace(STICKERS, code="stiker-2")])
    put(database, caller, [STICKERS], 1)
    with database.reading(caller) as session:
        version, sheets = get_sheets(session, context=caller)
        assert find_sheet(session, "stiker-40x30", context=caller) == replace(STICKERS, is_own=True)
        assert find_sheet(session, "", context=caller).code == "a4-3x8"
        unknown = refusal(find_sheet, session, "stiker-2", context=caller)
    assert (version, sheets[0].code, sheets[1:]) == (2, "stiker-40x30", list(released_sheets()))
    assert unknown.reason == "LABEL_SHEET_UNKNOWN"
    assert refusal(put, database, caller, [], 1).reason == "VERSION_OUTDATED"


def test_a_sheet_whose_labels_do_not_fit_is_refused(database: Database, caller: Context) -> None:
    for values, reason, field in (
        ({"columns": 5}, "LABELS_BEYOND_PAPER", "page_width"),
        ({"top": 20}, "LABELS_BEYOND_PAPER", "page_height"),
        ({"pitch_x": 39}, "LABELS_OVERLAP", "pitch_x"),
        ({"pitch_y": 29.5}, "LABELS_OVERLAP", "pitch_y"),
        ({"width": float("nan")}, "LABEL_SHEET_VALUE", "width"),
        ({"height": float("inf")}, "LABEL_SHEET_VALUE", "height"),
        ({"rows": 0}, "LABEL_SHEET_VALUE", "rows"),
        ({"name": LocalText("", "x")}, "LABEL_SHEET_NAME", "name"),
        ({"name": LocalText("a\nb", "")}, "LABEL_SHEET_NAME", "name"),
        ({"code": "../x"}, "LABEL_SHEET_CODE", "code"),
        ({"code": "a4-3x8"}, "LABEL_SHEET_CODE", "code"),
    ):
        wrong: Any = replace(STICKERS, **values)  # type: ignore[arg-type]
        faults = refusal(put, database, caller, [wrong]).refusals
        assert {(fault.reason, fault.facts["field"]) for fault in faults} == {(reason, f"sheets[0].{field}")}


def test_the_sheets_of_the_release_keep_the_rules_of_own_ones(database: Database, caller: Context) -> None:
    put(database, caller, [replace(sheet, code=f"own-{sheet.code}") for sheet in released_sheets()])
    twice: Error = refusal(put, database, caller, [STICKERS, STICKERS], 1)
    assert (twice.reason, twice.facts["field"]) == ("LABEL_SHEET_CODE", "sheets[1].code")
    assert refusal(put, database, caller, [STICKERS] * 21, 1).reason == "LABEL_SHEETS_TOO_MANY"
