"""Forms of an institution and its branches: conversion between typed values and messages of the catalogue.

Pure. A form has one text per input: `name.id`, `links.instagram`, `services` (lines of `Indonesian | English`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chassis.models import choices
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText

Place = wire.Institution | wire.Branch
Values = dict[str, str]

LINK_KINDS = choices(wire.SocialLink, "kind")
_CONTACT = ("address", "kelurahan", "phone", "whatsapp", "email", "links")
# The form of an institution does not show its kind.
INSTITUTION_FIELDS = tuple(field for field in choices(wire.EditInstitutionRequest, "fields") if field != "kind")
BRANCH_FIELDS = choices(wire.EditBranchRequest, "fields")
USUAL_CARD_COLOUR = "#1c2e42"
_IN_BOTH_LANGUAGES = ("name", "short_name", "motto", "photo_alt")
_LISTS = ("services", "accessibility")
KINDS = ("central", "branch", "mobile", "campus", "school", "village")
# Two numbers with a decimal point, also within the URL of a map: @-0.78,100.65 or mlat=-0.78&mlon=100.65.
_POSITION = re.compile(r"(-?[0-9]{1,2}\.[0-9]+)(?:\s*[,;]\s*|&mlon=|/)(-?[0-9]{1,3}\.[0-9]+)", re.ASCII)


def inputs_of(field: str) -> tuple[str, ...]:
    """Return the names of the inputs of a field."""
    if field in _IN_BOTH_LANGUAGES:
        return f"{field}.id", f"{field}.en"
    if field == "links":
        return tuple(f"links.{kind}" for kind in LINK_KINDS)
    return (field,)


def values_of(place: Place, fields: Sequence[str]) -> Values:
    """Return the form values of an institution or a branch."""
    values: Values = {}
    for field in fields:
        source: Any = place.contact if field in _CONTACT else place
        if field in _IN_BOTH_LANGUAGES:
            text = getattr(source, field)
            values |= {f"{field}.id": text.id, f"{field}.en": text.en}
        elif field == "links":
            links = {link.kind: link.url for link in place.contact.links}
            values |= {f"links.{kind}": links.get(kind, "") for kind in LINK_KINDS}
        elif field == "position":
            values[field] = _position_text(source)
        elif field in _LISTS:
            values[field] = "\n".join(_line(text) for text in getattr(source, field))
        elif field == "card_colour":
            # The input for colours cannot be empty.
            values[field] = getattr(source, field) or USUAL_CARD_COLOUR
        else:
            values[field] = getattr(source, field)
    return values


def read_values(given: Mapping[str, str], fields: Sequence[str]) -> Values:
    """Return the values of a sent form, without surrounding white space and with LF line ends."""
    names = (name for field in fields for name in inputs_of(field))
    return {name: given.get(name, "").strip().replace("\r\n", "\n") for name in names}


def changed_fields(values: Values, before: Mapping[str, str], fields: Sequence[str]) -> list[str]:
    """Return the fields that have an input with a changed value."""
    return [field for field in fields if any(values[name] != before.get(name, "") for name in inputs_of(field))]


def is_position(text: str) -> bool:
    return not text or _POSITION.search(text) is not None


def fill(place: Place, values: Values, fields: Sequence[str]) -> None:
    """Set fields of a message to the values of a form."""
    for field in fields:
        target: Any = place.contact if field in _CONTACT else place
        target.ClearField(field)
        if field in _IN_BOTH_LANGUAGES:
            getattr(target, field).CopyFrom(LocalText(id=values[f"{field}.id"], en=values[f"{field}.en"]))
        elif field == "links":
            for kind in LINK_KINDS:
                if values[f"links.{kind}"]:
                    target.links.add(kind=kind, url=values[f"links.{kind}"])
        elif field == "position":
            match = _POSITION.search(values[field])
            if match:
                target.position.CopyFrom(wire.Position(latitude=float(match[1]), longitude=float(match[2])))
        elif field in _LISTS:
            for line in values[field].splitlines():
                if line.strip():
                    indonesian, _, english = line.partition("|")
                    getattr(target, field).add(id=indonesian.strip(), en=english.strip())
        else:
            setattr(target, field, values[field])


def input_of(field: str) -> str:
    """Return the input for the `field` of a refusal: "services" for "services 2.en"."""
    name = field.partition(" ")[0]
    return f"{name}.id" if name in _IN_BOTH_LANGUAGES else name


def _position_text(branch: Any) -> str:
    if not branch.HasField("position"):
        return ""
    return f"{branch.position.latitude:.6f}, {branch.position.longitude:.6f}"


def _line(text: LocalText) -> str:
    return f"{text.id} | {text.en}"
