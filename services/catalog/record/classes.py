"""Classes as a tree: a DDC number or a local one, its levels, its three digits, and how people write a level."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chassis.sentences import LocalText
from services.catalog.items.call_numbers import parse
from services.catalog.marc.fields import Tags
from services.catalog.record.codes import ddc_of

NONE = "none"  # the facet's value of records that have no class
_DDC = re.compile(r"(?<![0-9])[0-9]{3}(?![0-9])")
_WHOLE = re.compile(r"(?:[0-9]{3}|2[Xx][0-9]?)(?:\.[0-9]+)?\Z")
_DECIMALS = re.compile(r"\.([0-9]{1,3})")
_ISLAM = re.compile(r"2X([0-9]?)((?:\.[0-9]+)?)")
_VALUE = re.compile(r"[0-9]{1,3}\Z|2X(?:[0-9](?:\.[0-9]+)?)?\Z")
ISLAM_IN_DDC = "297"


def class_of(tags: Tags, call_numbers: Iterable[str] = ()) -> str:
    """A record's class: 082 or 092, else a number like them in 084, where SLiMS puts it, else that of its first call
    number that has one; "" when it has none."""
    ddc = ddc_of(tags)
    if levels(ddc):
        return ddc
    for field in tags.get("084", ()):
        if "2" not in field[2::2]:  # $2 names another scheme
            for at in range(2, len(field) - 1, 2):
                if field[at] == "a" and _WHOLE.match(field[at + 1].strip()):
                    return field[at + 1].strip()
    for call_number in call_numbers:
        found = parse(call_number).class_number if call_number else ""
        if levels(found):
            return found
    return ""


def levels(number: str) -> tuple[str, ...]:
    """Every class a number stands under, widest first: 813.54 is ("8", "81", "813").

    2X4.1 is ("2X", "2X4", "2X4.1"), under itself, and then under 297, to which DDC takes it: ("2", "29", "297").
    """
    if number[:2].upper() == "2X":
        match = _ISLAM.match(number.upper())
        division, section = (match.group(1), match.group(2)) if match is not None else ("", "")
        own = ["2X"]
        if division:
            own.append(f"2X{division}")
            if section:
                own.append(f"2X{division}{section}")
        return (*own, *levels(ISLAM_IN_DDC))
    match = _DDC.search(number)
    if match is None:
        return ()
    digits = match.group()
    return digits[:1], digits[:2], digits


def thousandths(number: str) -> int | None:
    """The class as a number for ranges, to three decimals: 899.2213 is 899221; 2X is 297000. None when it is none."""
    if number[:2].upper() == "2X":
        number = ISLAM_IN_DDC
    match = _DDC.search(number)
    if match is None:
        return None
    decimals = _DECIMALS.match(number, match.end())
    return int(match.group()) * 1000 + (int(decimals.group(1).ljust(3, "0")) if decimals is not None else 0)


def value_of(said: str) -> str | None:
    """A class as the facet has it, from how people write it: "800" is "8", "810" "81", "813", "2x4" "2X4"; None: none.

    Of a number with a point the three digits count.
    """
    said = said.strip().upper()
    if said[:2] != "2X":
        said = said.partition(".")[0]
        if len(said) == 3:
            said = said[:1] if said[1:] == "00" else said[:2] if said[2:] == "0" else said
    return said if _VALUE.match(said) else None


def notation(value: str) -> str:
    """A class as people write it: "8" is "800", "81" "810"; 2X classes as they are."""
    return value.ljust(3, "0") if value.isdigit() else value


def above(value: str) -> list[str]:
    """The classes from the widest down to this one: "813" gives "8", "81", "813"; "2X4.1" gives "2X", "2X4", itself."""
    if value[:2] == "2X":
        return list(levels(value)[: -len(levels(ISLAM_IN_DDC))])
    return [value[:length] for length in range(1, len(value) + 1)]


def is_under(value: str, parent: str) -> bool:
    """Whether a class stands directly under another; under "" stand the ten main classes and 2X."""
    return above(value)[-2:-1] == ([parent] if parent else [])


@dataclass(frozen=True, slots=True)
class Class:
    """One class. value: as the facet "class" has it; divided: it has classes of its own that hold records."""

    value: str
    caption: LocalText | None
    count: int
    divided: bool

    @property
    def notation(self) -> str:
        """As people write it: "800" for "8"."""
        return notation(self.value)
