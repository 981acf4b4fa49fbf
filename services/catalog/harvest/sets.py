"""Sets of records for harvesters: by institution and branch, by material, and by main class."""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.sentences import LocalText
from services.catalog.marc.record import Record as Marc
from services.catalog.marc.record import by_tag
from services.catalog.queries import IS_NO_SANDBOX, place_names
from services.catalog.record.captions import CAPTIONS, caption
from services.catalog.record.classes import class_of
from services.catalog.record.codes import main_classes, material_of
from services.catalog.tables import Institution

INSTITUTION, MATERIAL, CLASS = "institution", "material", "class"
MAIN_CLASSES = (*(f"{digit}00" for digit in range(10)), "2X")
_ESCAPED = re.compile(r"[^A-Za-z0-9\-_.!*'()]")


def spec_of(*parts: str) -> str:
    """Return the name of a set: parts joined by colons, with ~XX for each byte that OAI-PMH 2.0 §2.6 does not allow."""
    return ":".join(_ESCAPED.sub(lambda match: "".join(f"~{b:02X}" for b in match[0].encode()), part) for part in parts)


def sets_of(marc: bytes, holdings: bytes, institution: str) -> list[str]:
    """Return the narrowest sets of a record; it is also in those whose names its sets begin with.

    marc, holdings  as in the table of records
    institution     code of the institution that owns its source
    """
    record = Marc.unpack(marc)
    tags, entries = by_tag(record.fields), orjson.loads(holdings or b"[]")
    branches = sorted({(entry["institution"], entry["branch"]) for entry in entries if entry["branch"]})
    places = [spec_of(INSTITUTION, *place) for place in branches] or [spec_of(INSTITUTION, institution)]
    classes = main_classes(class_of(tags, (entry["call_number"] for entry in entries)))
    return [*places, spec_of(MATERIAL, material_of(record.leader, tags)), *(spec_of(CLASS, name) for name in classes)]


def list_sets(session: Session) -> Iterable[tuple[str, LocalText]]:
    """List all sets, with their names: a set comes before those that it contains."""
    yield INSTITUTION, LocalText("Semua perpustakaan", "All libraries")
    names = place_names(session)
    for code in session.scalars(select(Institution.code).where(IS_NO_SANDBOX).order_by(Institution.code)):
        yield spec_of(INSTITUTION, code), names["institution", code]
        for (kind, place), name in sorted(names.items()):
            if kind == "branch" and place.startswith(f"{code}/"):
                yield spec_of(INSTITUTION, code, place.removeprefix(f"{code}/")), name
    yield MATERIAL, LocalText("Semua bahan", "All materials")
    for material, name in sorted(CAPTIONS["material"].items()):
        yield spec_of(MATERIAL, material), name
    yield CLASS, LocalText("Semua golongan", "All classes")
    for number in MAIN_CLASSES:
        name = caption("ddc", number) or LocalText("", "")
        yield spec_of(CLASS, number), LocalText(f"{number} {name.id}", f"{number} {name.en}")
