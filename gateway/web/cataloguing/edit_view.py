"""What the template of a record's edit shows: groups of fields with labels, faults at their inputs, hidden fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.web.hits import local_text
from gateway.web.texts import Wording
from rangkiang.catalog.v1 import edit_forms_pb2 as wire

FORM, MARC = "form", "marc"
MOST_INPUTS = 2_000
# Faults that are not of a subfield: their code is the number of an indicator, or none.
_OF_FIELD = ("MARC_INDICATOR", "MARC_FIELD_REPEATED", "MARC_FIELD_LENGTH")


@dataclass(slots=True)
class EditView:
    """A record's edit for its template.

    view      "form" or "marc"; is_large: too many fields for the form
    title     of the record, as typed
    groups    (id, heading, fields); a field: its names and texts, `rows` of inputs
    errors    sentences of new faults by input
    general   sentences of new faults that no input has
    old       (sentence, input or "") of the faults that the stored record has too
    bad_lines (number of the line, its beginning, what is wrong)
    hidden    tags of the fields that the form does not show
    labels    names of the fields that it shows, by tag
    """

    view: str
    is_large: bool
    title: str
    groups: list[tuple[str, str, list[dict[str, Any]]]]
    materials: list[tuple[str, str]]
    errors: dict[str, str] = field(default_factory=dict)
    general: list[str] = field(default_factory=list)
    old: list[tuple[str, str]] = field(default_factory=list)
    bad_lines: list[tuple[int, str, str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


def edit_view(edited: wire.EditForm, words: Wording, *, view: str, is_sent: bool) -> EditView:
    """Arrange a record's edit for its template.

    is_sent  whether a save was refused; a new record has no title yet, which is no fault before that
    """
    lang = words.language
    groups = [
        (group.name, local_text(group.label, lang), [_field(each, lang) for each in group.fields])
        for group in edited.groups
    ]
    is_large = sum(len(row.inputs) for _, row in _rows(edited)) > MOST_INPUTS
    view = MARC if view == MARC or is_large or edited.bad_lines else FORM
    shown = EditView(
        view=view,
        is_large=is_large,
        title=next((row.inputs[0].value.rstrip(" /:;") for each, row in _rows(edited) if each.name == "title"), ""),
        groups=groups,
        materials=[(material.value, local_text(material.name, lang)) for material in edited.materials],
        bad_lines=[
            (line.number, line.text, words.say(f"edits.bad_line.{line.reason.lower()}")) for line in edited.bad_lines
        ],
        hidden=_hidden(edited),
        labels={row.tag: local_text(each.label, lang) for each, row in _rows(edited) if not each.length},
    )
    for fault in edited.faults:
        if fault.is_new and not is_sent and fault.reason == "MARC_FIELD_MISSING":
            continue
        sentence = local_text(fault.sentence, lang)
        name = _input_of(fault, edited) if view == FORM else ""
        if not fault.is_new:
            shown.old.append((sentence, name))
        elif name:
            shown.errors[name] = f"{shown.errors[name]} {sentence}" if name in shown.errors else sentence
        else:
            line = words.say("edits.line", n=fault.place + 2) if view == MARC and fault.place >= 0 else ""
            shown.general.append(f"{line}{sentence}")
    return shown


def _field(each: wire.FormField, lang: str) -> dict[str, Any]:
    return {
        "name": each.name,
        "label": local_text(each.label, lang),
        "help": local_text(each.help, lang),
        "is_repeatable": each.is_repeatable,
        "is_long": each.is_long,
        "headings": each.headings,
        "length": each.length,
        "choices": [(choice.value, local_text(choice.name, lang)) for choice in each.choices],
        "suggested": [(choice.value, local_text(choice.name, lang)) for choice in each.suggested],
        "rows": [
            (row.tag, [(given.name, given.code, local_text(given.label, lang), given.value) for given in row.inputs])
            for row in each.rows
        ],
    }


def _rows(edited: wire.EditForm) -> Iterator[tuple[wire.FormField, wire.FormRow]]:
    for group in edited.groups:
        for each in group.fields:
            for row in each.rows:
                yield each, row


def _input_of(fault: wire.PlacedFault, edited: wire.EditForm) -> str:
    """Return the name of the input that shows a fault; "" without one."""
    for each, row in _rows(edited):
        if row.tag != fault.tag or each.length or (fault.place >= 0 and row.place != fault.place):
            continue
        if fault.reason in _OF_FIELD:
            return row.inputs[0].name
        return next((given.name for given in row.inputs if given.code == fault.code), "")
    return ""


def input_name(edited: wire.EditForm, name: str, value: str) -> str:
    """Return the name of the input that now has a typed value, because rows are numbered anew after a change.

    name  that it was typed under; the name of a field alone is its last row
    """
    field_name, _, place = name.partition("-")
    inputs = [
        given for each, row in _rows(edited) if each.name == field_name for given in row.inputs[: None if place else 1]
    ]
    alike = [given.name for given in inputs if given.value == value.strip() or not place]
    return name if name in alike else alike[-1] if alike else ""


def _hidden(edited: wire.EditForm) -> list[str]:
    """Return the tags of the fields that the form does not show, each once."""
    places = {row.place for _, row in _rows(edited)}
    has_fixed = any(each.length and row.tag == "008" for each, row in _rows(edited))
    tags = [line[:3] for place, line in enumerate(edited.text.split("\n")[1:]) if place not in places]
    return [tag for tag in dict.fromkeys(tags) if tag.strip() and not (has_fixed and tag == "008")]
