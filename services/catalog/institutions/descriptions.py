"""Reads and changes the fields of an institution or a branch, in columns of their own or in `details`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from services.catalog.institutions.fields import COLUMNS
from services.catalog.tables import Branch, Institution

Place = Institution | Branch

_LISTS = ("links", "services", "accessibility", "photos")
_LOCAL_TEXTS = ("short_name", "motto", "photo_alt")


def value_of(place: Place, field: str) -> Any:
    """Return the value of a field; the field's empty value when it was never set."""
    if field == "name":
        return {"id": place.name_id, "en": place.name_en}
    if field in COLUMNS or field == "zone":
        return getattr(place, field)
    return details_of(place).get(field, _empty(field))


def details_of(place: Place) -> dict[str, Any]:
    details: dict[str, Any] = orjson.loads(place.details or "{}")
    return details


def edited_fields(place: Place) -> list[str]:
    """Return the sorted names of the fields that staff have edited on a page and no later load has replaced."""
    return sorted(orjson.loads(place.edits or "{}"))


def version_of(place: Place) -> int:
    """Return the version that an edit must name."""
    return (place.own_version if isinstance(place, Institution) else place.version) or 0


def change_fields(place: Place, values: Mapping[str, Any], *, at: datetime, edited: bool) -> dict[str, list[Any]]:
    """Set fields, and give the place a new version if a value changed.

    values   field -> value, as fields.check_field returns it; a new photo of a branch without a new description deletes
             the old description
    edited   staff edited them on a page, so later loads of the file keep them
    returns  field -> [old value, new value], for each field that changed
    """
    if "photo" in values and "photo_alt" not in values and value_of(place, "photo") not in ("", values["photo"]):
        values = {**values, "photo_alt": _empty("photo_alt")}
    changes = {field: [before, value] for field, value in values.items() if (before := value_of(place, field)) != value}
    if changes:
        version = version_of(place) + 1
        _write(place, {field: value for field, (_, value) in changes.items()})
        place.changed_at = at
        if isinstance(place, Institution):
            place.own_version = version
        else:
            place.version = version
        if edited:
            _mark(place, {**orjson.loads(place.edits or "{}"), **dict.fromkeys(changes, version)})
    return changes


def unmark(place: Place, fields: Collection[str]) -> None:
    """Remove the mark that staff have edited these fields."""
    edits = orjson.loads(place.edits or "{}")
    remaining = {field: version for field, version in edits.items() if field not in fields}
    if remaining != edits:
        _mark(place, remaining)


def changed_since(place: Place, version: int) -> Iterable[str]:
    """Return the fields that staff have edited since a version; else "institution" or "branch", for other changes."""
    fields = [field for field, edit in sorted(orjson.loads(place.edits or "{}").items()) if edit > version]
    return fields or ["institution" if isinstance(place, Institution) else "branch"]


def _mark(place: Place, edits: Mapping[str, int]) -> None:
    place.edits = orjson.dumps(edits, option=orjson.OPT_SORT_KEYS).decode()


def _write(place: Place, values: Mapping[str, Any]) -> None:
    details = details_of(place)
    for field, value in values.items():
        if field == "name":
            place.name_id, place.name_en = value["id"], value["en"]
        elif field in COLUMNS or field == "zone":
            setattr(place, field, value)
        elif value == _empty(field):
            details.pop(field, None)
        else:
            details[field] = value
    place.details = orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode()


def _empty(field: str) -> Any:
    if field in _LISTS:
        return []
    if field in _LOCAL_TEXTS:
        return {"id": "", "en": ""}
    return None if field == "position" else ""
