"""Puts the volumes of a series in order, among hits of nearly the same score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import orjson

from services.catalog.analysis import tokens
from services.catalog.index.port import Hits
from services.catalog.search.ranking import weights

# Volumes whose scores differ by less than this share match equally well; only the lengths of their records differ.
NEAR = 0.12
_NUMBERED = re.compile(r"(?P<name>.*\D)(?P<volume>[0-9]{1,4})\W*\Z", re.DOTALL)
_DIGIT = re.compile(rb"[0-9]")
_COUNTED = frozenset(("jilid", "jil", "buku", "bagian", "seri", "no", "nomor", "vol", "volume", "book", "part"))

T = TypeVar("T")


def series_of(brief: Mapping[str, object]) -> tuple[str, int] | None:
    """Return series and volume of a brief record: `Harry Potter ; 2`, or of a title such as `Catatan pinggir 1`."""
    for key in ("series", "title"):
        match = _NUMBERED.match(str(brief.get(key, "")))
        if match is not None:
            name = tokens(match["name"])
            while name and name[-1] in _COUNTED:
                name.pop()
            if name:
                return " ".join(name), int(match["volume"])
    return None


def in_series_order(hits: Hits, briefs: Mapping[int, bytes]) -> Hits:
    """Sort the volumes of each series on a page, in the positions that these volumes have.

    Only positions on this page change, so that pages neither repeat nor miss a hit.

    briefs  record number -> its brief record, UTF-8 JSON
    """
    numbered = {number: brief for number, brief in briefs.items() if _may_be_numbered(brief)}
    if len(numbered) < 2:  # most pages; to parse every brief record would take a twentieth of a search
        return hits
    places: dict[str, list[tuple[int, int]]] = {}
    best: dict[str, float] = {}
    for place, (number, score) in enumerate(zip(hits.numbers, hits.scores, strict=True)):
        series = series_of(orjson.loads(numbered[number])) if number in numbered else None
        if series is None or score <= 0:  # hits in order of year or title have no scores
            continue
        name, volume = series
        typed_score = score - weights.ALL_WORDS if score > weights.ALL_WORDS else score
        if typed_score >= (1 - NEAR) * best.setdefault(name, typed_score):
            places.setdefault(name, []).append((place, volume))
    order = list(range(len(hits.numbers)))
    for volumes in places.values():
        in_order = sorted(volumes, key=lambda pair: pair[1])
        for (place, _volume), (source, _other) in zip(volumes, in_order, strict=True):
            order[place] = source
    if order == sorted(order):
        return hits
    return replace(
        hits,
        numbers=_arranged(hits.numbers, order),
        scores=_arranged(hits.scores, order),
        works=_arranged(hits.works, order),
        editions=_arranged(hits.editions, order),
    )


def _may_be_numbered(brief: bytes) -> bool:
    """Tell whether a brief record has a digit in its title or its series, without parsing it."""
    for field in (b'"title":"', b'"series":"'):
        at = brief.find(field)
        if at >= 0 and _DIGIT.search(brief, at, brief.find(b'"', at + len(field))):
            return True
    return False


def _arranged(values: Sequence[T], order: Sequence[int]) -> Sequence[T]:
    return [values[source] for source in order] if values else values
