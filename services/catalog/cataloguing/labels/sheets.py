"""Sheets of labels: those of the release, in sheets.toml, and those of an institution."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import Invalid, Outdated, Refusal
from chassis.ids import parse_id
from chassis.sentences import LocalText
from services.catalog.tables import LabelSheets
from services.catalog.texts import without_controls

USUAL = "a4-3x8"
MOST_OWN, LONGEST_NAME = 20, 80
_FILE = Path(__file__).with_name("sheets.toml")
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# Field -> its smallest and largest value.
_BOUNDS = {
    "page_width": (10, 500), "page_height": (10, 500), "rows": (1, 40), "columns": (1, 10), "left": (0, 500),
    "top": (0, 500), "width": (10, 500), "height": (10, 500), "pitch_x": (0, 500), "pitch_y": (0, 500),
}  # fmt: skip
_ROUNDING = 0.001


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of labels; sizes in millimetres.

    left, top         from the edge of the paper to the first label
    pitch_x, pitch_y  from an edge of a label to that of the next one
    is_measured       somebody has compared a print with the sheet
    """

    code: str
    name: LocalText
    page_width: float
    page_height: float
    rows: int
    columns: int
    left: float
    top: float
    width: float
    height: float
    pitch_x: float
    pitch_y: float
    is_own: bool = False
    is_measured: bool = True

    @property
    def labels(self) -> int:
        return self.rows * self.columns


def get_sheets(session: Session, *, context: Context) -> tuple[int, list[Sheet]]:
    """Return the version of the institution's own sheets, and all sheets, own ones first."""
    row = session.execute(
        select(LabelSheets.version, LabelSheets.sheets).where(
            LabelSheets.institution_id == parse_id(context.institution)
        )
    ).first()
    own = [] if row is None else [_stored(values) for values in orjson.loads(row.sheets)]
    return (0 if row is None else row.version), [*own, *released_sheets()]


def find_sheet(session: Session, code: str, *, context: Context) -> Sheet:
    """Return a sheet by code; "" for the usual one.

    raises  Invalid  LABEL_SHEET_UNKNOWN
    """
    _, sheets = get_sheets(session, context=context)
    for sheet in sheets:
        if sheet.code == (code or USUAL):
            return sheet
    raise Invalid("LABEL_SHEET_UNKNOWN", given=code[:40], known=[sheet.code for sheet in sheets])


def put_sheets(session: Session, sheets: Sequence[Sheet], *, version: int, context: Context) -> None:
    """Replace the institution's own sheets.

    version  the version that the caller has read
    raises   Invalid   LABEL_SHEET_VALUE, LABELS_BEYOND_PAPER, LABELS_OVERLAP, LABEL_SHEET_CODE, LABEL_SHEETS_TOO_MANY
             Outdated  VERSION_OUTDATED
    """
    institution_id = parse_id(context.institution)
    if len(sheets) > MOST_OWN:
        raise Invalid("LABEL_SHEETS_TOO_MANY", given=len(sheets), most=MOST_OWN)
    faults = [fault for place, sheet in enumerate(sheets) for fault in _faults(sheet, f"sheets[{place}]")]
    codes = [sheet.code for sheet in released_sheets()]
    for place, sheet in enumerate(sheets):
        if not _CODE.fullmatch(sheet.code) or sheet.code in codes:
            faults.append(Refusal("LABEL_SHEET_CODE", field=f"sheets[{place}].code", given=sheet.code[:40]))
        codes.append(sheet.code)
    if faults:
        raise Invalid(refusals=faults)
    row = _locked(session, institution_id)
    if row.version != version:
        raise Outdated.at_version(row.version, given=version, changed=["sheets"], changed_at=row.changed_at)
    stored = orjson.dumps([_storable(sheet) for sheet in sheets]).decode()
    if stored != row.sheets:
        row.sheets, row.version, row.changed_at = stored, version + 1, clock.now()
        facts = {"sheets": [sheet.code for sheet in sheets]}
        audit.record(
            session, context, "catalog.put_label_sheets", kind="institution", object_id=institution_id, facts=facts
        )
        session.flush()


def _faults(sheet: Sheet, field: str) -> list[Refusal]:
    faults = [
        Refusal("LABEL_SHEET_VALUE", field=f"{field}.{name}", least=least, most=most)
        for name, (least, most) in _BOUNDS.items()
        if not (math.isfinite(getattr(sheet, name)) and least <= getattr(sheet, name) <= most)
    ]
    names = (sheet.name.id, sheet.name.en)
    if not sheet.name.id.strip() or any(len(name) > LONGEST_NAME or without_controls(name) != name for name in names):
        faults.append(Refusal("LABEL_SHEET_NAME", field=f"{field}.name", most=LONGEST_NAME))
    if faults:
        return faults
    across = ("page_width", "pitch_x", sheet.columns, sheet.left, sheet.width, sheet.pitch_x, sheet.page_width)
    down = ("page_height", "pitch_y", sheet.rows, sheet.top, sheet.height, sheet.pitch_y, sheet.page_height)
    for paper, pitch_name, count, margin, size, pitch, has in (across, down):
        needs = round(margin + (count - 1) * pitch + size, 2)
        if needs > has + _ROUNDING:
            faults.append(Refusal("LABELS_BEYOND_PAPER", field=f"{field}.{paper}", needs=needs, has=has))
        if count > 1 and pitch < size - _ROUNDING:
            faults.append(Refusal("LABELS_OVERLAP", field=f"{field}.{pitch_name}", pitch=pitch, size=size))
    return faults


def _locked(session: Session, institution_id: UUID) -> LabelSheets:
    """Return the row of the institution, which exists afterwards and stays locked until the end of the transaction."""
    first = {"version": 0, "sheets": "[]", "changed_at": clock.now()}
    insert = insert_for(session, LabelSheets).values(institution_id=institution_id, **first)
    keep = {"institution_id": institution_id}
    session.execute(insert.on_conflict_do_update(index_elements=["institution_id"], set_=keep))
    return session.get_one(LabelSheets, institution_id)


@cache
def released_sheets() -> tuple[Sheet, ...]:
    with _FILE.open("rb") as file:
        rows = tomllib.load(file)["sheet"]
    return tuple(Sheet(**(row | {"name": LocalText(**row["name"])})) for row in rows)


def _stored(values: dict[str, Any]) -> Sheet:
    return Sheet(**(values | {"name": LocalText(**values["name"]), "is_own": True}))


def _storable(sheet: Sheet) -> dict[str, Any]:
    values = asdict(sheet)
    return {name: value for name, value in values.items() if name not in ("is_own", "is_measured")}
