"""The class tree: levels of a DDC or local class number, and the notation of each level."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chassis.sentences import LocalText
from services.catalog.marc.record import Tags
from services.catalog.record.call_numbers import parse
from services.catalog.record.codes import ddc_of

NONE = "none"  # facet value of records without a class
_DDC = re.compile(r"(?<![0-9])[0-9]{3}(?![0-9])")
_WHOLE = re.compile(r"(?:[0-9]{3}|2[Xx][0-9]?)(?:\.[0-9]+)?\Z")
_DECIMALS = re.compile(r"\.([0-9]{1,3})")
_ALL_DECIMALS = re.compile(r"\.([0-9]{1,6})")
_ISLAM = re.compile(r"2X([0-9]?)((?:\.[0-9]+)?)")
_VALUE = re.compile(r"[0-9]{1,3}\Z|[0-9]{3}\.[0-9]{1,6}\Z|2X(?:[0-9](?:\.[0-9]+)?)?\Z")
ISLAM_IN_DDC = "297"
_LONGEST = len("899.221345")


def class_of(tags: Tags, call_numbers: Iterable[str] = ()) -> str:
    """Return a record's class number; "" without one.

    Sources in order: 082 or 092; 084, where SLiMS writes it; the first call number that contains a class.
    """
    ddc = ddc_of(tags)
    if levels(ddc):
        return ddc
    for field in tags.get("084", ()):
        if "2" not in field[2::2]:  # $2 names another scheme
            for index in range(2, len(field) - 1, 2):
                if field[index] == "a" and _WHOLE.match(field[index + 1].strip()):
                    return field[index + 1].strip()
    for call_number in call_numbers:
        number = parse(call_number).class_number if call_number else ""
        if levels(number):
            return number
    return ""


def levels(number: str) -> tuple[str, ...]:
    """List the classes that contain a number, widest first: 813.54 is ("8", "81", "813").

    2X4.1 is ("2X", "2X4", "2X4.1"), followed by the levels of 297, its place in DDC: ("2", "29", "297").
    """
    if number[:2].upper() == "2X":
        match = _ISLAM.match(number.upper())
        division, section = (match.group(1), match.group(2)) if match is not None else ("", "")
        local = ["2X"]
        if division:
            local.append(f"2X{division}")
            if section:
                local.append(f"2X{division}{section}")
        return (*local, *levels(ISLAM_IN_DDC))
    match = _DDC.search(number)
    if match is None:
        return ()
    digits = match.group()
    return digits[:1], digits[:2], digits


def all_levels(number: str) -> tuple[str, ...]:
    """List the classes that contain a number, with those of its decimals: 813.54 is also "813.5" and "813.54".

    At most six decimals count. 2X classes are as in levels().
    """
    classes = levels(number)
    match = None if number[:2].upper() == "2X" else _DDC.search(number)
    decimals = None if match is None else _ALL_DECIMALS.match(number, match.end())
    if match is None or decimals is None:
        return classes
    digits = decimals.group(1)
    return (*classes, *(f"{match.group()}.{digits[: end + 1]}" for end in range(len(digits))))


def thousandths(number: str) -> int | None:
    """Convert a class to thousandths, for ranges: 899.2213 is 899221; 2X is 297000. None if it is not a class."""
    if number[:2].upper() == "2X":
        number = ISLAM_IN_DDC
    match = _DDC.search(number)
    if match is None:
        return None
    decimals = _DECIMALS.match(number, match.end())
    return int(match.group()) * 1000 + (int(decimals.group(1).ljust(3, "0")) if decimals is not None else 0)


def value_of(written: str) -> str | None:
    """Convert a written class to its facet value: "800" is "8", "810" is "81", "2x4" is "2X4".

    A number keeps its decimals, at most six: "899.2213". None if it is not a class.
    """
    written = written.strip().upper()
    if written[3:4] == ".":
        written = written[:_LONGEST] if written[:2] != "2X" else written
    if len(written) == 3 and written[:2] != "2X":
        written = written[:1] if written[1:] == "00" else written[:2] if written[2:] == "0" else written
    return written if _VALUE.match(written) else None


def notation(value: str) -> str:
    """Return the notation of a facet value: "8" is "800", "81" is "810"; others do not change."""
    return value.ljust(3, "0") if value.isdigit() else value


def class_path(value: str) -> list[str]:
    """List the classes from the widest to this one: "813" is "8", "81", "813"; "2X4.1" is "2X", "2X4", "2X4.1".

    "813.54" is "8", "81", "813", "813.5", "813.54". The decimals of a section with a zero are under its division,
    because readers mean one class by "810" and "81": "810.9" is "8", "81", "810.9".
    """
    if value[:2] == "2X":
        return list(levels(value)[: -len(levels(ISLAM_IN_DDC))])
    whole, point, decimals = value.partition(".")
    sections = [whole[:length] for length in range(1, len(whole) + 1)]
    if point and whole.endswith("0"):
        sections = sections[:2]
    return [*sections, *(f"{whole}.{decimals[:length]}" for length in range(1, len(decimals) + 1))]


@dataclass(frozen=True, slots=True)
class Class:
    """One class of the tree.

    value    value of the filter "class"
    divided  True when a subclass has records
    under    if the class has no caption: the caption of the nearest class above it
    """

    value: str
    caption: LocalText | None
    count: int
    divided: bool
    under: LocalText | None = None

    @property
    def notation(self) -> str:
        """Return the notation: "800" for "8"."""
        return notation(self.value)
