"""The sample's author names as MARC 21 authority records."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from services.catalog.marc.fields import Field
from services.catalog.marc.record import Record

_LEADER = "00000nz  a2200000n  4500"
_TRANSACTION = "20261101000000.0"
_FIXED = "261101n||azannaabn          |a aaa      "


def authorities(source: str) -> Iterator[Record]:
    """Yield one record per heading, in the file's order; 003 is the source's code."""
    data = tomllib.loads((Path(__file__).parent / "authorities.toml").read_text(encoding="utf-8"))
    for number, heading in enumerate(data["heading"], data["first"]):
        fields: list[Field] = [["001", f"nama{number}"], ["003", source], ["005", _TRANSACTION], ["008", _FIXED]]
        fields.append([*_name("100", heading["text"]), "d", heading["dates"]])
        fields[-1][3] += ","
        fields += [_name("400", text) for text in heading.get("see", ())]
        fields += [_name("500", text) for text in heading.get("also", ())]
        yield Record(_LEADER, fields)


def _name(tag: str, text: str) -> Field:
    return [tag, "1 " if "," in text else "0 ", "a", text]
